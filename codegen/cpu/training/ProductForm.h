//===- ProductForm.h - which structured operations are products of matrices -----------------------------===//
#ifndef LLMC_CODEGEN_CPU_TRAINING_PRODUCTFORM_H
#define LLMC_CODEGEN_CPU_TRAINING_PRODUCTFORM_H

#include "codegen/cpu/training/TrainingKernel.h"
#include <optional>

namespace llmc::codegen {

/// c[m, n] = sum_k a[m, k] b[k, n], where a and b may lie transposed.
struct ProductForm {
  unsigned left = 0, right = 1; ///< operands with rows and columns
  bool leftTransposed = false, rightTransposed = false;
  bool isRounded = false; ///< operands are rounded to bf16
  int64_t m = 0, n = 0, k = 0;
};

/// The form of `op`, if it is such a product of f32.
std::optional<ProductForm> productFormOf(mlir::linalg::GenericOp op);

/// Lowers a product whose operands are rounded to bf16 to the processor's matrix unit.
void lowerTileProduct(TrainingLowering &lowering, mlir::linalg::GenericOp op, const ProductForm &form,
                      const Destination &destination);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_TRAINING_PRODUCTFORM_H
