//===- TileProduct.h - products on the processor's matrix unit ------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_TILEPRODUCT_H
#define LLMC_CODEGEN_CPU_TILEPRODUCT_H

#include "codegen/cpu/Bf16Product.h"
#include "codegen/cpu/IntegerProduct.h"

namespace llmc::codegen {

/// Products of many rows on the matrix unit: its code is a function beside the kernel, which calls it for
/// each panel of each of its tiles. The same to the bit as what the kernels of one row compute.
class TileProduct {
public:
  static constexpr int64_t rows = 16; ///< of a tile
  /// Rows whose sums are kept at a time.
  static constexpr int64_t rowsPerBlock = 256;

  /// Whether the target can do it for a product of these weights.
  static bool applies(const Target &target, const PanelLayout &weights) {
    return (target.hasByteTiles && weights.kind == PanelLayout::Kind::Codes) ||
           (target.hasBf16Tiles && weights.kind == PanelLayout::Kind::BF16);
  }

  /// Makes the function, and takes scratch memory of 16 KiB for the sums of each of `panels` at the insertion
  /// point, the entry of the kernel.
  TileProduct(const IntegerProduct &product, size_t panels);
  TileProduct(const Bf16Product &product, size_t panels);

  /// Computes the sums of a block of rows, `begin` .. `end - 1`, of `panels`, the first one into slot 0. Rows
  /// up to the end of the last tile are read too, and may be anything.
  void run(mlir::Value begin, mlir::Value end, llvm::ArrayRef<mlir::Value> panels);

  /// The sums of row `r` of the block in `slot`.
  mlir::Value sum(mlir::Value r, int64_t slot) { return b.loadVector(results[slot], {r, b.index(0)}); }

private:
  TileProduct(KernelBuilder &b, mlir::Value x, mlir::Value w, size_t panels);

  KernelBuilder &b;
  mlir::Value x, w;
  mlir::func::FuncOp function;            ///< (x, w, begin, end, panel, sums)
  llvm::SmallVector<mlir::Value> results; ///< for each slot `memref<rows of a block x 16 x f32>`
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_TILEPRODUCT_H
