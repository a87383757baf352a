//===- NNDecomposition.cpp - operations as structured operations of linalg ---------------------------===//
//
// What training lowers: the formula of each operation, from which loops are made and fused with those of
// gradients. Those of losses, dropout and the gradient of attention are in files of their own.
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
