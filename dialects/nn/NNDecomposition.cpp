//===- NNDecomposition.cpp - operations as structured operations of linalg ---------------------------===//
//
// What training lowers: the formula of each operation, from which loops are made and fused with those of
// gradients. That of attention's gradient is in NNAttentionGradient.cpp.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;

using Decomposed = FailureOr<SmallVector<Value>>;

static const SmallVector<unsigned> kAll = {0, 1}, kRows = {0}, kColumns = {1};

template <typename Op>
static Decomposed mapElements(Op op, OpBuilder &builder, function_ref<Number(Number)> function) {
  FormulaBuilder b(builder, op);
  Value mapped = b.mapElements({op.getInput()}, [&](ArrayRef<Number> v) { return function(v[0]); });
  return SmallVector<Value>{b.as(op.getResult(), mapped)};
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Decomposed LinearOp::decomposeOperation(OpBuilder &builder) {
  FormulaBuilder b(builder, *this);
  Value y = b.compute({getInput(), getWeight()}, {{0, 2}, {1, 2}}, 3, {0, 1},
                      [](ArrayRef<Number> v) { return v[0] * v[1]; });
  if (getBias())
    y = b.compute({y, getBias()}, {kAll, kColumns}, 2, kAll, [](ArrayRef<Number> v) { return v[0] + v[1]; });
  return SmallVector<Value>{b.as(getResult(), y)};
}

//===----------------------------------------------------------------------===//
// Single elements
//===----------------------------------------------------------------------===//

Decomposed SiluOp::decomposeOperation(OpBuilder &builder) {
  return mapElements(*this, builder, [](Number x) { return x * sigmoid(x); });
}

Decomposed GeluOp::decomposeOperation(OpBuilder &builder) {
  return mapElements(*this, builder, [&](Number x) {
    switch (getKind()) {
    case GeluKind::Exact:
      return 0.5 * (x * (1 + unary<math::ErfOp>(M_SQRT1_2 * x)));
    case GeluKind::Tanh:
      return 0.5 * (x * (1 + tangent(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * (x * x * x)))));
    case GeluKind::Sigmoid:
      return x * sigmoid(1.702 * x);
    }
    llvm_unreachable("unknown form of gelu");
  });
}

Decomposed ReluOp::decomposeOperation(OpBuilder &builder) {
  return mapElements(*this, builder, [](Number x) {
    Number zero = constant(x, 0);
    return whereGreater(x, zero, x, zero);
  });
}

Decomposed ScaleOp::decomposeOperation(OpBuilder &builder) {
  return mapElements(*this, builder, [&](Number x) { return getFactor().convertToDouble() * x; });
}

Decomposed SoftcapOp::decomposeOperation(OpBuilder &builder) {
  const double cap = getCap().convertToDouble();
  return mapElements(*this, builder, [&](Number x) { return cap * tangent(x / cap); });
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Decomposed RmsNormOp::decomposeOperation(OpBuilder &builder) {
  const int64_t width = getInput().getType().getDimSize(1), group = getWeight().getType().getDimSize(0);
  if (ShapedType::isDynamic(width) || ShapedType::isDynamic(group))
    return failure();
  FormulaBuilder b(builder, *this);
  const double size = static_cast<double>(group), epsilon = getEpsilon().convertToDouble();
  Value x = b.expand(getInput(), 1, {width / group, group});
  const SmallVector<unsigned> all = {0, 1, 2}, groups = {0, 1}, elements = {2};
  Value squares = b.compute({x}, {all}, 3, groups, [](ArrayRef<Number> v) { return v[0] * v[0]; });
  Value y = b.compute({x, getWeight(), squares}, {all, elements, groups}, 3, all, [&](ArrayRef<Number> v) {
    return v[0] * (1 / squareRoot(v[2] / size + constant(v[2], epsilon))) * v[1];
  });
  return SmallVector<Value>{b.as(getResult(), b.collapse(y, 1, 2))};
}

Decomposed LayerNormOp::decomposeOperation(OpBuilder &builder) {
  const int64_t width = getInput().getType().getDimSize(1);
  if (ShapedType::isDynamic(width))
    return failure();
  FormulaBuilder b(builder, *this);
  const double size = static_cast<double>(width), epsilon = getEpsilon().convertToDouble();
  Value x = getInput();
  Value sums = b.compute({x}, {kAll}, 2, kRows, [](ArrayRef<Number> v) { return v[0]; });
  Value squares = b.compute({x, sums}, {kAll, kRows}, 2, kRows, [&](ArrayRef<Number> v) {
    Number d = v[0] - v[1] / size;
    return d * d;
  });
  SmallVector<Value> inputs = {x, sums, squares, getWeight()};
  SmallVector<FormulaBuilder::Dims> dims = {kAll, kRows, kRows, kColumns};
  if (getBias()) {
    inputs.push_back(getBias());
    dims.push_back(kColumns);
  }
  Value y = b.compute(inputs, dims, 2, kAll, [&](ArrayRef<Number> v) {
    Number normed = (v[0] - v[1] / size) / squareRoot(v[2] / size + constant(v[2], epsilon)) * v[3];
    return v.size() > 4 ? normed + v[4] : normed;
  });
  return SmallVector<Value>{b.as(getResult(), y)};
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

Softmax::Softmax(FormulaBuilder &b, Value logits) {
  largest = b.compute(
      {logits}, {kAll}, 2, kRows, [](ArrayRef<Number> v) { return v[0]; },
      FormulaBuilder::Reduction::Maximum);
  sums = b.compute({logits, largest}, {kAll, kRows}, 2, kRows,
                   [](ArrayRef<Number> v) { return exponential(v[0] - v[1]); });
}

Value llmc::nn::meanDifference(FormulaBuilder &b, Value logits, Value teacher, const Softmax &ofTeacher) {
  Value sums = b.compute({logits, teacher, ofTeacher.largest}, {kAll, kAll, kRows}, 2, kRows,
                         [](ArrayRef<Number> v) { return exponential(v[1] - v[2]) * (v[1] - v[0]); });
  return b.compute({sums, ofTeacher.sums}, {kRows, kRows}, 1, kRows,
                   [](ArrayRef<Number> v) { return v[0] / v[1]; });
}

Value llmc::nn::columnOf(ImplicitLocOpBuilder &body) {
  return arith::IndexCastOp::create(body, body.getI32Type(), linalg::IndexOp::create(body, 1));
}

Number llmc::nn::isTarget(Number target, Number chosen, Number other) {
  ImplicitLocOpBuilder &body = *target.builder;
  Value same = arith::CmpIOp::create(body, arith::CmpIPredicate::eq, columnOf(body), target.value);
  return {&body, arith::SelectOp::create(body, same, chosen.value, other.value)};
}

Number llmc::nn::isNegative(Number target, Number chosen, Number other) {
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
