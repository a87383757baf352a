//===- MatrixFormulas.h - what optimizers compute of matrices --------------------------------------------===//
//
// Private to frontend/recipe: structured operations on vectors and matrices of f32, by the formula of an
// element.
//
//===----------------------------------------------------------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_MATRIXFORMULAS_H
#define LLMC_FRONTEND_RECIPE_MATRIXFORMULAS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace llmc::recipe {

/// Builds operations where its builder is.
class MatrixFormulas {
public:
  explicit MatrixFormulas(mlir::ImplicitLocOpBuilder &b) : b(b) {}

  /// The loops that each dimension of a tensor goes through; none: its only element is read.
  using Dims = llvm::ArrayRef<unsigned>;
  using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;

  static mlir::Value add(mlir::ImplicitLocOpBuilder &body, mlir::Value x, mlir::Value y) {
    return mlir::arith::AddFOp::create(body, x, y);
  }
  static mlir::Value sub(mlir::ImplicitLocOpBuilder &body, mlir::Value x, mlir::Value y) {
    return mlir::arith::SubFOp::create(body, x, y);
  }
  static mlir::Value mul(mlir::ImplicitLocOpBuilder &body, mlir::Value x, mlir::Value y) {
    return mlir::arith::MulFOp::create(body, x, y);
  }
  static mlir::Value div(mlir::ImplicitLocOpBuilder &body, mlir::Value x, mlir::Value y) {
    return mlir::arith::DivFOp::create(body, x, y);
  }
  static mlir::Value root(mlir::ImplicitLocOpBuilder &body, mlir::Value x) {
    return mlir::math::SqrtOp::create(body, x);
  }
  static mlir::Value larger(mlir::ImplicitLocOpBuilder &body, mlir::Value x, mlir::Value y) {
    mlir::Value isLarger = mlir::arith::CmpFOp::create(body, mlir::arith::CmpFPredicate::OGT, x, y);
    return mlir::arith::SelectOp::create(body, isLarger, x, y);
  }
  static mlir::Value number(mlir::ImplicitLocOpBuilder &body, double value) {
    return mlir::arith::ConstantOp::create(body, body.getF32FloatAttr(static_cast<float>(value)));
  }

  /// `body` of elements of `inputs`, whose dimensions go through `dims` of `loops` loops. The first loops are
  /// those of the result, of `shape`; it is the sum over the others.
  mlir::Value compute(llvm::ArrayRef<mlir::Value> inputs, llvm::ArrayRef<Dims> dims, unsigned loops,
                      llvm::ArrayRef<int64_t> shape, Body body);

  /// The sum of all elements of a vector: [1].
  mlir::Value sum(mlir::Value vector);

  /// The sum of the squares of all elements of a vector or matrix, row by row: [1].
  mlir::Value sumOfSquares(mlir::Value value);

  static llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
    return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape();
  }

protected:
  mlir::ImplicitLocOpBuilder &b;
};

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_MATRIXFORMULAS_H
