//===- NNLosses.cpp - losses as structured operations, and their gradients ----------------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace llmc::nn;

using Decomposed = FailureOr<SmallVector<Value>>;
using Gradients = FailureOr<SmallVector<Value>>;

static const SmallVector<unsigned> kAll = {0, 1}, kRows = {0};

namespace {

/// Largest of each row of `logits`, and the sum of exp(logit - largest): what a softmax divides by.
struct Softmax {
  Softmax(FormulaBuilder &b, Value logits);
  Value largest, sums;
};

} // namespace

Softmax::Softmax(FormulaBuilder &b, Value logits) {
  largest = b.compute(
      {logits}, {kAll}, 2, kRows, [](ArrayRef<Number> v) { return v[0]; },
      FormulaBuilder::Reduction::Maximum);
  sums = b.compute({logits, largest}, {kAll, kRows}, 2, kRows,
                   [](ArrayRef<Number> v) { return exponential(v[0] - v[1]); });
}

/// The mean of `teacher` - `logits` with the probabilities of the teacher: [rows].
static Value meanDifference(FormulaBuilder &b, Value logits, Value teacher, const Softmax &ofTeacher) {
  Value sums = b.compute({logits, teacher, ofTeacher.largest}, {kAll, kAll, kRows}, 2, kRows,
                         [](ArrayRef<Number> v) { return exponential(v[1] - v[2]) * (v[1] - v[0]); });
  return b.compute({sums, ofTeacher.sums}, {kRows, kRows}, 1, kRows,
                   [](ArrayRef<Number> v) { return v[0] / v[1]; });
}

/// In the body of an operation with the loops rows and classes: `chosen` in the column `target`, an i32, else
/// `other`.
static Number isTarget(Number target, Number chosen, Number other) {
  ImplicitLocOpBuilder &body = *target.builder;
  Value same = arith::CmpIOp::create(body, arith::CmpIPredicate::eq, columnOf(body), target.value);
  return {&body, arith::SelectOp::create(body, same, chosen.value, other.value)};
}

/// `chosen` where `target`, an i32, is negative, else `other`.
static Number isNegative(Number target, Number chosen, Number other) {
  ImplicitLocOpBuilder &body = *target.builder;
  Value zero = arith::ConstantOp::create(body, body.getI32IntegerAttr(0));
  Value negative = arith::CmpIOp::create(body, arith::CmpIPredicate::slt, target.value, zero);
  return {&body, arith::SelectOp::create(body, negative, chosen.value, other.value)};
}

Decomposed CrossEntropyOp::decomposeOperation(OpBuilder &builder) {
  FormulaBuilder b(builder, *this);
  Softmax softmax(b, getLogits());
  Value chosen = b.compute({getLogits(), getTargets()}, {kAll, kRows}, 2, kRows,
                           [](ArrayRef<Number> v) { return isTarget(v[1], v[0], constant(v[0], 0)); });
  if (const double smoothing = getSmoothing().convertToDouble(); smoothing != 0) {
    const int64_t width = getLogits().getType().getDimSize(1);
    if (ShapedType::isDynamic(width))
      return failure();
    Value sums = b.compute({getLogits()}, {kAll}, 2, kRows, [](ArrayRef<Number> v) { return v[0]; });
    chosen = b.compute({chosen, sums}, {kRows, kRows}, 1, kRows, [&](ArrayRef<Number> v) {
      return (1 - smoothing) * v[0] + smoothing / static_cast<double>(width) * v[1];
    });
  }
  Value y = b.compute({softmax.largest, softmax.sums, chosen, getTargets()}, {kRows, kRows, kRows, kRows}, 1,
                      kRows, [](ArrayRef<Number> v) {
                        Number loss = v[0] + unary<math::LogOp>(v[1]) - v[2];
                        return isNegative(v[3], constant(loss, 0), loss);
                      });
  return SmallVector<Value>{b.as(getResult(), b.expand(y, 0, {getLogits().getType().getDimSize(0), 1}))};
}

Decomposed KlDivergenceOp::decomposeOperation(OpBuilder &builder) {
  FormulaBuilder b(builder, *this);
  Softmax ofLogits(b, getLogits()), ofTeacher(b, getTeacher());
  Value mean = meanDifference(b, getLogits(), getTeacher(), ofTeacher);
  Value y = b.compute({mean, ofLogits.largest, ofLogits.sums, ofTeacher.largest, ofTeacher.sums},
                      {kRows, kRows, kRows, kRows, kRows}, 1, kRows, [](ArrayRef<Number> v) {
                        return v[0] + (v[1] + unary<math::LogOp>(v[2])) - (v[3] + unary<math::LogOp>(v[4]));
                      });
  return SmallVector<Value>{b.as(getResult(), b.expand(y, 0, {getLogits().getType().getDimSize(0), 1}))};
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

/// The gradients of losses, one for each row, without their second dimension.
static Value collapseRows(FormulaBuilder &b, Value gradients) {
  return tensor::CollapseShapeOp::create(b.b, gradients, ArrayRef<ReassociationIndices>{{0, 1}});
}

// dx[t, j] = dy[t] (softmax(x[t, :])[j] - (1 - s) [j = target] - s / width) with the smoothing s, and 0 where
// there is no target.
Gradients CrossEntropyOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                         const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (!gradients[0] || !wants(*this, wanted, 0))
    return results;
  FormulaBuilder b(builder, *this);
  Softmax softmax(b, getLogits());
  const double smoothing = getSmoothing().convertToDouble();
  const int64_t width = getLogits().getType().getDimSize(1);
  if (smoothing != 0 && ShapedType::isDynamic(width))
    return emitOpError() << "can not be differentiated: its width is not known";
  Value dx =
      b.compute({getLogits(), softmax.largest, softmax.sums, collapseRows(b, gradients[0]), getTargets()},
                {kAll, kRows, kRows, kRows, kRows}, 2, kAll, [&](ArrayRef<Number> v) {
                  Number p = exponential(v[0] - v[1]) / v[2], zero = constant(p, 0);
                  Number part = isTarget(v[4], p - constant(p, 1 - smoothing), p);
                  if (smoothing != 0)
                    part = part - constant(p, smoothing / static_cast<double>(width));
                  return v[3] * isNegative(v[4], zero, part);
                });
  results[0] = b.as(getLogits(), dx);
  return results;
}

// dx = dy (p - q), and of the teacher's dr[j] = dy q[j] (log(q[j]) - log(p[j]) - y).
Gradients KlDivergenceOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                         const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (!gradients[0] || (!wants(*this, wanted, 0) && !wants(*this, wanted, 1)))
    return results;
  FormulaBuilder b(builder, *this);
  Value x = getLogits(), r = getTeacher(), scale = collapseRows(b, gradients[0]);
  Softmax ofLogits(b, x), ofTeacher(b, r);
  if (wants(*this, wanted, 0)) {
    Value dx = b.compute({x, ofLogits.largest, ofLogits.sums, r, ofTeacher.largest, ofTeacher.sums, scale},
                         {kAll, kRows, kRows, kAll, kRows, kRows, kRows}, 2, kAll, [](ArrayRef<Number> v) {
                           return v[6] * (exponential(v[0] - v[1]) / v[2] - exponential(v[3] - v[4]) / v[5]);
                         });
    results[0] = b.as(getLogits(), dx);
  }
  if (wants(*this, wanted, 1)) {
    // The logarithms of the sums cancel in the difference from the mean.
    Value mean = meanDifference(b, x, r, ofTeacher);
    Value dr = b.compute({x, r, ofTeacher.largest, ofTeacher.sums, mean, scale},
                         {kAll, kAll, kRows, kRows, kRows, kRows}, 2, kAll, [](ArrayRef<Number> v) {
                           return v[5] * (exponential(v[1] - v[2]) / v[3]) * (v[1] - v[0] - v[4]);
                         });
    results[1] = b.as(getTeacher(), dr);
  }
  return results;
}
