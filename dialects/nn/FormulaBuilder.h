//===- FormulaBuilder.h - what gradients and decompositions are written with -------------------------===//
//
// Private to dialects/nn. Each is a few structured operations of linalg, whose bodies are the formula of
// one element.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_FORMULABUILDER_H
#define LLMC_DIALECTS_NN_FORMULABUILDER_H

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace llmc::nn {

//===----------------------------------------------------------------------===//
// Arithmetic of one element
//===----------------------------------------------------------------------===//

/// A number in the body of a structured operation.
struct Number {
  mlir::ImplicitLocOpBuilder *builder;
  mlir::Value value;
};

/// `value` with the type of `like`.
inline Number constant(Number like, double value) {
  auto attribute = mlir::FloatAttr::get(like.value.getType(), value);
  return {like.builder, mlir::arith::ConstantOp::create(*like.builder, attribute)};
}
template <typename Op> Number binary(Number a, Number b) {
  return {a.builder, Op::create(*a.builder, a.value, b.value)};
}
template <typename Op> Number unary(Number a) { return {a.builder, Op::create(*a.builder, a.value)}; }

inline Number operator+(Number a, Number b) { return binary<mlir::arith::AddFOp>(a, b); }
inline Number operator-(Number a, Number b) { return binary<mlir::arith::SubFOp>(a, b); }
inline Number operator*(Number a, Number b) { return binary<mlir::arith::MulFOp>(a, b); }
inline Number operator/(Number a, Number b) { return binary<mlir::arith::DivFOp>(a, b); }
inline Number operator+(double a, Number b) { return constant(b, a) + b; }
inline Number operator-(double a, Number b) { return constant(b, a) - b; }
inline Number operator*(double a, Number b) { return constant(b, a) * b; }
inline Number operator/(double a, Number b) { return constant(b, a) / b; }
inline Number operator/(Number a, double b) { return a / constant(a, b); }

inline Number exponential(Number x) { return unary<mlir::math::ExpOp>(x); }
inline Number tangent(Number x) { return unary<mlir::math::TanhOp>(x); }
inline Number squareRoot(Number x) { return unary<mlir::math::SqrtOp>(x); }
inline Number sigmoid(Number x) { return 1 / (1 + exponential(-1 * x)); }

/// `chosen` where a > b, else `other`.
inline Number whereGreater(Number a, Number b, Number chosen, Number other) {
  mlir::Value greater =
      mlir::arith::CmpFOp::create(*a.builder, mlir::arith::CmpFPredicate::OGT, a.value, b.value);
  return {a.builder, mlir::arith::SelectOp::create(*a.builder, greater, chosen.value, other.value)};
}

//===----------------------------------------------------------------------===//
// Structured operations
//===----------------------------------------------------------------------===//

/// The formula of one element: from elements of the inputs to one of the result, or what it is reduced from.
/// Elements of integer tensors are integers.
using ElementFunction = llvm::function_ref<Number(llvm::ArrayRef<Number>)>;

/// Creates the operations of a rule. They compute in f32, or in f64 where the operation does, whatever the
/// precision of operands.
class FormulaBuilder {
public:
  /// The loops that each dimension of a tensor goes through, in order.
  using Dims = llvm::ArrayRef<unsigned>;
  /// What becomes of the loops that the result has not.
  enum class Reduction { Sum, Maximum };

  FormulaBuilder(mlir::OpBuilder &builder, mlir::Operation *op);

  /// `function` of elements of `inputs`, whose dimensions go through the loops `dims` of `loops` loops. Those
  /// of the result go through `result`, and it is reduced over the others.
  mlir::Value compute(mlir::ValueRange inputs, llvm::ArrayRef<Dims> dims, unsigned loops, Dims result,
                      ElementFunction function, Reduction reduction = Reduction::Sum);
  /// The same with `maps` from loops to places in the inputs, which may be constant.
  mlir::Value compute(mlir::ValueRange inputs, llvm::ArrayRef<mlir::AffineMap> maps, Dims result,
                      ElementFunction function, Reduction reduction = Reduction::Sum);
  /// The same with the sizes of the result, which inputs need not have.
  mlir::Value compute(mlir::ValueRange inputs, llvm::ArrayRef<mlir::AffineMap> maps, Dims result,
                      llvm::ArrayRef<mlir::OpFoldResult> sizes, ElementFunction function,
                      Reduction reduction = Reduction::Sum);

  /// `function` of each element of matrices of the same shape.
  mlir::Value mapElements(mlir::ValueRange inputs, ElementFunction function);

  /// `value` as a gradient of `operand`: with its type.
  mlir::Value as(mlir::Value operand, mlir::Value value);

  /// `value` in the precision of computation.
  mlir::Value promote(mlir::Value value);

  /// A tensor of the sizes of `like` with elements of type `element`: zeros, or without values.
  mlir::Value makeZeros(mlir::Value like, mlir::Type element);
  mlir::Value makeEmpty(mlir::Value like, mlir::Type element);

  /// `value` with its dimension `dim` in parts of `sizes`, of which one may be unknown, and back.
  mlir::Value expand(mlir::Value value, unsigned dim, llvm::ArrayRef<int64_t> sizes);
  mlir::Value collapse(mlir::Value value, unsigned dim, unsigned parts);

  mlir::Type getElement() const { return element; }

  mlir::ImplicitLocOpBuilder b;

private:
  mlir::Value fill(mlir::Value empty, double value);

  mlir::Type element;
};

/// The column that the body of an operation with the loops rows and columns is at, as i32.
mlir::Value columnOf(mlir::ImplicitLocOpBuilder &body);

/// Whether the gradient of operand `index` is to be built.
inline bool wants(DifferentiableOpInterface op, const llvm::SmallBitVector &wanted, unsigned index) {
  return wanted.test(index) && op.isDifferentiableIn(index);
}

} // namespace llmc::nn

#endif // LLMC_DIALECTS_NN_FORMULABUILDER_H
