//===- MatrixTile.h - products of codes on the processor's matrix unit ----------------------------------===//
#ifndef LLMC_CODEGEN_CPU_MATRIXTILE_H
#define LLMC_CODEGEN_CPU_MATRIXTILE_H

#include "codegen/cpu/ProductKernel.h"

namespace llmc::codegen {

/// Sums 16 rows by one panel of a product of codes with AMX: integers of a group are summed by tile products,
/// then scaled and added in f32 in the order in which Accumulation does it, so that the results are the same
/// to the bit.
class MatrixTile {
public:
  static constexpr int64_t rows = 16;

  /// Inputs of a product at most: the codes of a panel are unpacked on the stack, one a byte.
  static constexpr int64_t maxInputs = 32768;

  /// Whether the target can do it for a product of these weights with so many inputs.
  static bool applies(const Target &target, const PanelLayout &weights, int64_t inputs) {
    return target.hasMatrixTiles && weights.kind == PanelLayout::Kind::Codes && inputs <= maxInputs;
  }

  /// Takes scratch memory at the insertion point, the entry of the kernel, for the sums of `panels` panels.
  MatrixTile(KernelBuilder &b, const ProductKernel &kernel, int64_t panels);

  /// Unpacks the codes of `panel`, all of them, into slot `slot`.
  void unpack(mlir::Value panel, int64_t slot);
  /// Computes rows `row` .. `row + 15` of `panel`, which was unpacked into `slot`, into the same slot of the
  /// results.
  void run(mlir::Value row, mlir::Value panel, int64_t slot);
  /// The sums of row `row + r`, computed into `slot`.
  mlir::Value sum(mlir::Value r, int64_t slot) {
    return b.loadVector(results, {b.index(slot), r, b.index(0)});
  }

private:
  /// The sums of products of a group, in tile registers: one for each part of the activations' codes.
  llvm::SmallVector<mlir::Value, 2> multiply(mlir::Value row, mlir::Value group, int64_t slot);
  void storeIntegers(mlir::ValueRange tiles);
  /// Scales the integers of a group and adds them to `sums`.
  llvm::SmallVector<mlir::Value> addGroup(mlir::Value row, mlir::Value panel, mlir::Value group,
                                          mlir::ValueRange sums);
  /// The activation record that holds a group of weights, and the first word of the group in its codes.
  std::pair<mlir::Value, mlir::Value> recordOf(mlir::Value group);

  KernelBuilder &b;
  const ProductKernel &kernel;
  const PanelLayout &layout;
  const bool wide;
  mlir::Value codes;    ///< `memref<panels x groups x groupSize / 4 x 64 x i8>`: codes as tiles want them
  mlir::Value integers; ///< `memref<parts x 16 x 16 x i32>`
  mlir::Value results;  ///< `memref<panels x 16 x 16 x f32>`
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_MATRIXTILE_H
