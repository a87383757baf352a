//===- ProductForm.h - which structured operations are products of matrices -----------------------------===//
#ifndef LLMC_CODEGEN_TRAINING_PRODUCTFORM_H
#define LLMC_CODEGEN_TRAINING_PRODUCTFORM_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <optional>

namespace llmc::codegen {

/// c[m, n] = sum_k a[m, k] b[k, n], where a and b may lie transposed.
struct ProductForm {
  unsigned left = 0, right = 1; ///< operands with rows and columns
  bool leftTransposed = false, rightTransposed = false;
  mlir::Type rounded; ///< what operands are rounded to, bf16 or f16; null: they are not
  int64_t m = 0, n = 0, k = 0;
};

/// The form of `op`, if it is such a product of f32.
std::optional<ProductForm> productFormOf(mlir::linalg::GenericOp op);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_TRAINING_PRODUCTFORM_H
