//===- ElementwiseMath.h - element-wise operations of upstream on vectors -----------------------------===//
//
// Operations of arith and math that have a value for each element, of the elements at the same place of
// their operands. Kernels apply them to vectors of f32 instead of tensors; what they are is left to their
// dialects, but for the few things here.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_ELEMENTWISEMATH_H
#define LLMC_CODEGEN_CPU_ELEMENTWISEMATH_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

namespace llmc::codegen {

/// Whether `op` is an operation of arith or math with one result, that has the type of its operands.
bool isElementwiseMath(mlir::Operation *op);

/// `op`, which isElementwiseMath(), of `operands`, which have one type. Its result has that type.
mlir::Value applyElementwise(mlir::OpBuilder &builder, mlir::Operation *op, mlir::ValueRange operands);

/// Whether `op`, which isElementwiseMath(), becomes instructions or a polynomial on vectors of f32. Otherwise
/// it would be a call to the C library for each element, or be wrong for large ones.
bool becomesInstructions(mlir::Operation *op);

/// Whether `op`, which isElementwiseMath(), is known to give zero where its operands are zero, so that
/// padding with zeros stays so.
bool keepsZero(mlir::Operation *op);

/// Patterns that replace functions by polynomials: what the pass approximate-math does.
void populateApproximateMath(mlir::RewritePatternSet &patterns);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_ELEMENTWISEMATH_H
