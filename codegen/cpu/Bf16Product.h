//===- Bf16Product.h - products of bf16 in the order of the matrix unit --------------------------------===//
#ifndef LLMC_CODEGEN_CPU_BF16PRODUCT_H
#define LLMC_CODEGEN_CPU_BF16PRODUCT_H

#include "codegen/cpu/TileProduct.h"

namespace llmc::codegen {

/// The product x W^T of bf16 numbers with sums in f32. On targets whose matrix unit multiplies bf16, all
/// kernels add up in its order, so that they agree to the bit: of 32 inputs the products of even and of odd
/// ones apart, then both sums, then what came before (Intel SDM, TDPBF16PS). Elsewhere the order is that of
/// the target's dot product.
struct Bf16Product {
  KernelBuilder &b;
  const PanelLayout &layout;
  int64_t inputs;
  mlir::Value x, w; ///< `memref<rows x pairs x i32>`, `memref<panels x pairs x (4 lanes) x i8>`

  /// The sums of `rows` by `panels` on vectors.
  llvm::SmallVector<mlir::Value> sum(llvm::ArrayRef<mlir::Value> rows, llvm::ArrayRef<mlir::Value> panels);
};

/// Sums tiles of a Bf16Product with AMX. Two tiles of rows share each load of weights.
class Bf16Tile : public TileProduct {
public:
  static bool applies(const Target &target, const PanelLayout &weights) {
    return target.hasBf16MatrixTiles && weights.kind == PanelLayout::Kind::BF16;
  }

  /// Takes 16 KiB of scratch memory for each of `panels` at the insertion point, the entry of the kernel.
  Bf16Tile(const Bf16Product &product, int64_t panels)
      : TileProduct(product.b, panels), product(product), b(product.b) {}

  void run(mlir::Value begin, mlir::Value end, llvm::ArrayRef<mlir::Value> panels) override;

private:
  /// Inputs of a tile, and inputs after which sums visit memory, which bounds the size of the code.
  static constexpr int64_t step = 32, chunk = 1024;

  /// All inputs for `height` tiles of rows from `row` on, row `r` of the block.
  void addInputs(mlir::Value row, mlir::Value r, int64_t height, mlir::Value panel, int64_t slot);
  /// Adds `inputs` inputs from number `first` on to `sums`, a tile of rows each.
  void multiply(mlir::Value row, mlir::Value panel, mlir::Value first, int64_t inputs,
                llvm::MutableArrayRef<mlir::Value> sums);

  Bf16Product product;
  KernelBuilder &b;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_BF16PRODUCT_H
