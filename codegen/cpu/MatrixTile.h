//===- MatrixTile.h - products of codes on the processor's matrix unit ----------------------------------===//
#ifndef LLMC_CODEGEN_CPU_MATRIXTILE_H
#define LLMC_CODEGEN_CPU_MATRIXTILE_H

#include "codegen/cpu/ProductKernel.h"

namespace llmc::codegen {

/// Sums tiles of 16 rows by one panel of a product of codes with AMX: integers of a group are summed by tile
/// products, then scaled and added in f32 group after group, as other kernels do it, so that the results are
/// the same to the bit.
class MatrixTile {
public:
  static constexpr int64_t rows = 16; ///< of a tile
  /// Rows whose sums are kept at a time.
  static constexpr int64_t rowsPerBlock = 256;

  /// Whether the target can do it for a product of these weights.
  static bool applies(const Target &target, const PanelLayout &weights) {
    return target.hasMatrixTiles && weights.kind == PanelLayout::Kind::Codes;
  }

  /// Takes scratch memory, some 16 KiB for each of `panels` and 32 KiB more, at the insertion point, the
  /// entry of the kernel.
  MatrixTile(KernelBuilder &b, const ProductKernel &kernel, int64_t panels);

  /// Computes the sums of rows `begin` .. `end - 1` of `panel` into slot `slot`: whole tiles, a block at
  /// most.
  void run(mlir::Value begin, mlir::Value end, mlir::Value panel, int64_t slot);
  /// The sums of row `r` of the block in `slot`.
  mlir::Value sum(mlir::Value r, int64_t slot) {
    return b.loadVector(results, {b.index(slot), r, b.index(0)});
  }

private:
  /// Groups whose codes are unpacked at a time: they stay in the nearest cache for all rows of a block.
  int64_t groupsPerChunk() const {
    return std::min<int64_t>(2048 / layout.groupSize, layout.groups(kernel.inputs));
  }
  /// Unpacks groups `begin` .. `end - 1`.
  void unpack(mlir::Value panel, mlir::Value begin, mlir::Value end);
  /// Adds these groups, which were unpacked, to `sums` for rows `row` .. `row + 15`.
  llvm::SmallVector<mlir::Value> addGroups(mlir::Value row, mlir::Value panel, mlir::Value begin,
                                           mlir::Value end, llvm::SmallVector<mlir::Value> sums);
  /// The sums of products of a group, in tile registers: one for each part of the activations' codes. Its
  /// codes are the chunk's number `index`.
  llvm::SmallVector<mlir::Value, 2> multiply(mlir::Value row, mlir::Value group, mlir::Value index);
  void storeIntegers(mlir::ValueRange tiles);
  /// Scales the integers of a group and adds them to `sums`.
  llvm::SmallVector<mlir::Value> addGroup(mlir::Value row, mlir::Value panel, mlir::Value group,
                                          mlir::ValueRange sums);

  KernelBuilder &b;
  const ProductKernel &kernel;
  const PanelLayout &layout;
  mlir::Value codes;    ///< `memref<groups x groupSize / 4 x 64 x i8>`: codes as tiles want them
  mlir::Value integers; ///< `memref<parts x 16 x 16 x i32>`
  mlir::Value results;  ///< `memref<panels x rows of a block x 16 x f32>`
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_MATRIXTILE_H
