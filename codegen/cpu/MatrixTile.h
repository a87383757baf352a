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

  /// Whether the target can do it for a product of these weights.
  static bool applies(const Target &target, const PanelLayout &weights) {
    return target.hasMatrixTiles && weights.kind == PanelLayout::Kind::Codes;
  }

  /// Takes scratch memory at the insertion point, the entry of the kernel, for the sums of `panels` panels.
  MatrixTile(KernelBuilder &b, const ProductKernel &kernel, int64_t panels);

  /// Computes rows `row` .. `row + 15` of `panel` into slot `slot` of the results.
  void run(mlir::Value row, mlir::Value panel, int64_t slot);
  /// The sums of row `row + r`, computed into `slot`.
  mlir::Value sum(mlir::Value r, int64_t slot) {
    return b.loadVector(results, {b.index(slot), r, b.index(0)});
  }

private:
  void unpackCodes(mlir::Value panel, mlir::Value group);
  /// Sums the products of a group into its slot of `integers`.
  void multiply(mlir::Value row, mlir::Value panel, mlir::Value group);
  /// Scales the integers of a group and adds them to `sums`.
  llvm::SmallVector<mlir::Value> addGroup(mlir::Value row, mlir::Value panel, mlir::Value group,
                                          mlir::ValueRange sums);
  /// The activation record that holds a group of weights, and the first word of the group in its codes.
  std::pair<mlir::Value, mlir::Value> recordOf(mlir::Value group);

  KernelBuilder &b;
  const ProductKernel &kernel;
  const PanelLayout &layout;
  const bool wide;
  mlir::Value codes;    ///< `memref<groupSize / 4 x 64 x i8>`: the codes of a group as a tile wants them
  mlir::Value integers; ///< `memref<2 x parts x 16 x 16 x i32>`: of two groups, whose products overlap
  mlir::Value results;  ///< `memref<panels x 16 x 16 x f32>`
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_MATRIXTILE_H
