//===- Bf16Product.h - products of bf16 in the order of the matrix unit --------------------------------===//
#ifndef LLMC_CODEGEN_CPU_BF16PRODUCT_H
#define LLMC_CODEGEN_CPU_BF16PRODUCT_H

#include "codegen/cpu/PanelReader.h"

namespace llmc::codegen {

/// The product x W^T of bf16 numbers with sums in f32. On targets whose matrix unit multiplies bf16, all
/// kernels add up in its order, so that they agree to the bit: of 32 inputs the products of even and of odd
/// ones apart, then both sums, then what came before (Intel SDM, TDPBF16PS). Elsewhere the order is that of
/// the target's dot product. The matrix unit takes numbers below 2^-126 for zero, which vectors do not: sums
/// as small as that may differ.
struct Bf16Product {
  KernelBuilder &b;
  const PanelLayout &layout;
  int64_t inputs;
  mlir::Value x, w; ///< `memref<rows x pairs x i32>`, `memref<panels x pairs x (4 lanes) x i8>`

  /// The sums of `rows` by `panels` on vectors.
  llvm::SmallVector<mlir::Value> sum(llvm::ArrayRef<mlir::Value> rows, llvm::ArrayRef<mlir::Value> panels);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_BF16PRODUCT_H
