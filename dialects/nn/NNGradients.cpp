//===- NNGradients.cpp - gradients of operands from gradients of results -----------------------------===//
//
// Each rule is the formula of the operation's derivative. Those of attention and losses are in files of
// their own.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;

using Gradients = FailureOr<SmallVector<Value>>;

namespace {

/// Gradients of an operation on single elements, whose derivative is `derivative(x)`.
template <typename Op>
Gradients mapGradient(Op op, OpBuilder &builder, Value gradient, const llvm::SmallBitVector &wanted,
                      function_ref<Number(Number)> derivative) {
  if (!gradient || !wants(op, wanted, 0))
    return SmallVector<Value>{Value()};
  FormulaBuilder b(builder, op);
  Value mapped =
      b.mapElements({op.getInput(), gradient}, [&](ArrayRef<Number> v) { return derivative(v[0]) * v[1]; });
  return SmallVector<Value>{b.as(op.getInput(), mapped)};
}

} // namespace

//===----------------------------------------------------------------------===//
// Operations on single elements
//===----------------------------------------------------------------------===//

Gradients SiluOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                 const llvm::SmallBitVector &wanted) {
  return mapGradient(*this, builder, gradients[0], wanted, [](Number x) {
    Number s = sigmoid(x);
    return s * (1 + x * (1 - s));
  });
}

Gradients GeluOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                 const llvm::SmallBitVector &wanted) {
  return mapGradient(*this, builder, gradients[0], wanted, [&](Number x) {
    switch (getKind()) {
    case GeluKind::Exact: { // F(x) + x f(x), with the density f
      Number distribution = 0.5 * (1 + unary<math::ErfOp>(M_SQRT1_2 * x));
      return distribution + (M_2_SQRTPI * M_SQRT1_2 / 2) * (x * exponential(-0.5 * (x * x)));
    }
    case GeluKind::Tanh: {
      const double factor = M_2_SQRTPI * M_SQRT1_2, cubic = 0.044715;
      Number t = tangent(factor * (x + cubic * (x * x * x)));
      Number slope = factor * (1 + 3 * cubic * (x * x));
      return 0.5 * (1 + t) + 0.5 * (x * (1 - t * t) * slope);
    }
    case GeluKind::Sigmoid: {
      Number s = sigmoid(1.702 * x);
      return s + 1.702 * (x * s * (1 - s));
    }
    }
    llvm_unreachable("unknown form of gelu");
  });
}

Gradients ReluOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                 const llvm::SmallBitVector &wanted) {
  return mapGradient(*this, builder, gradients[0], wanted, [](Number x) {
    Number zero = constant(x, 0);
    return whereGreater(x, zero, constant(x, 1), zero);
  });
}

Gradients ScaleOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                  const llvm::SmallBitVector &wanted) {
  if (!gradients[0] || !wants(*this, wanted, 0))
    return SmallVector<Value>{Value()};
  return SmallVector<Value>{ScaleOp::create(builder, getLoc(), gradients[0], getFactorAttr())};
}

Gradients SoftcapOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                    const llvm::SmallBitVector &wanted) {
  return mapGradient(*this, builder, gradients[0], wanted, [&](Number x) {
    Number t = tangent(x / getCap().convertToDouble());
    return 1 - t * t;
  });
}

//===----------------------------------------------------------------------===//
// Products and norms
//===----------------------------------------------------------------------===//

Gradients LinearOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                   const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(getNumOperands());
  Value gradient = gradients[0];
  if (!gradient)
    return results;
  FormulaBuilder b(builder, *this);
  auto product = [](ArrayRef<Number> v) { return v[0] * v[1]; };
  // Loops: rows, outputs, inputs, in the order that puts the sum last.
  if (wants(*this, wanted, 0))
    results[0] = b.as(getInput(), b.compute({gradient, getWeight()}, {{0, 2}, {2, 1}}, 3, {0, 1}, product));
  if (wants(*this, wanted, 1))
    results[1] = b.as(getWeight(), b.compute({gradient, getInput()}, {{2, 0}, {2, 1}}, 3, {0, 1}, product));
  if (getBias() && wants(*this, wanted, 2))
    results[2] =
        b.as(getBias(), b.compute({gradient}, {{1, 0}}, 2, {0}, [](ArrayRef<Number> v) { return v[0]; }));
  return results;
}

// With r = 1 / sqrt(mean(x^2) + epsilon):
// dx = r w dy - x r^3 mean(x w dy), and dw = sum over rows of x r dy.
Gradients RmsNormOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                    const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (!gradients[0] || (!wants(*this, wanted, 0) && !wants(*this, wanted, 1)))
    return results;
  const int64_t width = getInput().getType().getDimSize(1), group = getWeight().getType().getDimSize(0);
  if (ShapedType::isDynamic(width) || ShapedType::isDynamic(group))
    return emitOpError() << "can not be differentiated: its width or that of its groups is not known";
  FormulaBuilder b(builder, *this);
  const double size = static_cast<double>(group), epsilon = getEpsilon().convertToDouble();
  Value x = b.expand(getInput(), 1, {width / group, group});
  Value dy = b.expand(gradients[0], 1, {width / group, group});
  // Loops: rows, groups, elements of a group.
  const SmallVector<unsigned> all = {0, 1, 2}, groups = {0, 1}, elements = {2};
  Value squares = b.compute({x}, {all}, 3, groups, [](ArrayRef<Number> v) { return v[0] * v[0]; });
  auto inverse = [&](Number sum) { return 1 / squareRoot(sum / size + constant(sum, epsilon)); };
  if (wants(*this, wanted, 0)) {
    Value products = b.compute({x, dy, getWeight()}, {all, all, elements}, 3, groups,
                               [](ArrayRef<Number> v) { return v[0] * v[1] * v[2]; });
    Value dx = b.compute({x, dy, getWeight(), squares, products}, {all, all, elements, groups, groups}, 3,
                         all, [&](ArrayRef<Number> v) {
                           Number r = inverse(v[3]);
                           return r * v[2] * v[1] - v[0] * r * r * r * (v[4] / size);
                         });
    results[0] = b.as(getInput(), b.collapse(dx, 1, 2));
  }
  if (wants(*this, wanted, 1)) {
    // The sum is over the first two loops; loops are numbered by the result's dimensions first.
    Value dw = b.compute({x, dy, squares}, {{1, 2, 0}, {1, 2, 0}, {1, 2}}, 3, {0},
                         [&](ArrayRef<Number> v) { return v[0] * v[1] * inverse(v[2]); });
    results[1] = b.as(getWeight(), dw);
  }
  return results;
}

// With d = x - mean(x), s = sqrt(mean(d^2) + epsilon), g = w dy:
// dx = (g - mean(g) - d mean(g d) / s^2) / s, dw = sum over rows of dy d / s, db = sum over rows of dy.
Gradients LayerNormOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                      const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(getNumOperands());
  Value dy = gradients[0], x = getInput();
  if (!dy)
    return results;
  FormulaBuilder b(builder, *this);
  // Loops of sums over rows: elements, rows.
  if (getBias() && wants(*this, wanted, 2))
    results[2] = b.as(getBias(), b.compute({dy}, {{1, 0}}, 2, {0}, [](ArrayRef<Number> v) { return v[0]; }));
  if (!wants(*this, wanted, 0) && !wants(*this, wanted, 1))
    return results;
  const int64_t width = getInput().getType().getDimSize(1);
  if (ShapedType::isDynamic(width))
    return emitOpError() << "can not be differentiated: its width is not known";
  const double size = static_cast<double>(width), epsilon = getEpsilon().convertToDouble();
  const SmallVector<unsigned> all = {0, 1}, rows = {0}, elements = {1}; // loops: rows, elements
  Value sums = b.compute({x}, {all}, 2, rows, [](ArrayRef<Number> v) { return v[0]; });
  auto centered = [&](Number x, Number sum) { return x - sum / size; };
  Value squares = b.compute({x, sums}, {all, rows}, 2, rows, [&](ArrayRef<Number> v) {
    Number d = centered(v[0], v[1]);
    return d * d;
  });
  auto deviation = [&](Number sum) { return squareRoot(sum / size + constant(sum, epsilon)); };
  if (wants(*this, wanted, 0)) {
    Value gs = b.compute({dy, getWeight()}, {all, elements}, 2, rows,
                         [](ArrayRef<Number> v) { return v[0] * v[1]; });
    Value products = b.compute({dy, getWeight(), x, sums}, {all, elements, all, rows}, 2, rows,
                               [&](ArrayRef<Number> v) { return v[0] * v[1] * centered(v[2], v[3]); });
    Value dx = b.compute({dy, getWeight(), x, sums, squares, gs, products},
                         {all, elements, all, rows, rows, rows, rows}, 2, all, [&](ArrayRef<Number> v) {
                           Number s = deviation(v[4]), d = centered(v[2], v[3]);
                           return (v[0] * v[1] - v[5] / size - d * (v[6] / size) / (s * s)) / s;
                         });
    results[0] = b.as(getInput(), dx);
  }
  if (wants(*this, wanted, 1))
    results[1] =
        b.as(getWeight(),
             b.compute({dy, x, sums, squares}, {{1, 0}, {1, 0}, {1}, {1}}, 2, {0},
                       [&](ArrayRef<Number> v) { return v[0] * centered(v[1], v[2]) / deviation(v[3]); }));
  return results;
}

//===----------------------------------------------------------------------===//
// Rotations: back by the same angles
//===----------------------------------------------------------------------===//

namespace {

/// `gradient` rotated by `table` with its sines negated.
Value rotateBack(OpBuilder &builder, Location loc, Value gradient, Value table, IntegerAttr heads,
                 RopeStyleAttr style) {
  ImplicitLocOpBuilder b(loc, builder);
  const int64_t dims = cast<RankedTensorType>(table.getType()).getDimSize(1);
  SmallVector<OpFoldResult> offsets = {b.getIndexAttr(0), b.getIndexAttr(dims / 2)};
  SmallVector<OpFoldResult> sizes = {tensor::getMixedSize(b, loc, table, 0), b.getIndexAttr(dims / 2)};
  SmallVector<OpFoldResult> strides(2, b.getIndexAttr(1));
  Value sines = tensor::ExtractSliceOp::create(b, table, offsets, sizes, strides);
  Value negated =
      tensor::InsertSliceOp::create(b, arith::NegFOp::create(b, sines), table, offsets, sizes, strides);
  return RotateOp::create(b, gradient, negated, heads, style);
}

} // namespace

Gradients RopeOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                 const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (!gradients[0] || !wants(*this, wanted, 0))
    return results;
  Type element =
      getElementTypeOrSelf(gradients[0]).isF64() ? Type(builder.getF64Type()) : builder.getF32Type();
  auto type = RankedTensorType::get({getPositions().getType().getDimSize(0), static_cast<int64_t>(getDims())},
                                    element);
  Value table = RopeTableOp::create(builder, getLoc(), type, getPositions(), getDimsAttr(), getThetaAttr(),
                                    getScalingAttr());
  results[0] = rotateBack(builder, getLoc(), gradients[0], table, getHeadsAttr(), getStyleAttr());
  return results;
}

Gradients RopeTableOp::buildGradients(OpBuilder &, ValueRange, const llvm::SmallBitVector &) {
  return SmallVector<Value>(1); // positions are integers
}

bool RotateOp::isDifferentiableIn(unsigned index) {
  return index == 0 && isa<FloatType>(getElementTypeOrSelf(getInput())); // angles follow from positions
}

Gradients RotateOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                   const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (gradients[0] && wants(*this, wanted, 0))
    results[0] = rotateBack(builder, getLoc(), gradients[0], getTable(), getHeadsAttr(), getStyleAttr());
  return results;
}

//===----------------------------------------------------------------------===//
// Gathers of rows: each row's gradient is added to that of the row it came from, in their order
//===----------------------------------------------------------------------===//

/// The gradient of `table`, of which the rows `ids` were taken.
static Value scatterRows(FormulaBuilder &b, Value table, Value ids, Value gradient) {
  gradient = b.promote(gradient);
  auto type = cast<RankedTensorType>(table.getType()).clone(b.getElement());
  return b.as(table, ScatterRowsOp::create(b.b, type, gradient, ids));
}

Gradients EmbeddingOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                      const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (!gradients[0] || !wants(*this, wanted, 1))
    return results;
  FormulaBuilder b(builder, *this);
  results[1] = scatterRows(b, getTable(), getIds(), gradients[0]);
  return results;
}

Gradients SelectRowsOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                       const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (!gradients[0] || !wants(*this, wanted, 0))
    return results;
  FormulaBuilder b(builder, *this);
  results[0] = scatterRows(b, getInput(), getRows(), gradients[0]);
  return results;
}

Gradients ScatterRowsOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                        const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(2);
  if (gradients[0] && wants(*this, wanted, 0))
    results[0] = SelectRowsOp::create(builder, getLoc(), gradients[0], getRows());
  return results;
}

//===----------------------------------------------------------------------===//
// Layout and element types
//===----------------------------------------------------------------------===//

Gradients SplitOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                  const llvm::SmallBitVector &wanted) {
  auto given = [](Value gradient) { return static_cast<bool>(gradient); };
  if (llvm::none_of(gradients, given) || !wants(*this, wanted, 0))
    return SmallVector<Value>{Value()};
  FormulaBuilder b(builder, *this);
  Type element = getElementTypeOrSelf(getInput());
  Value whole =
      llvm::all_of(gradients, given) ? b.makeEmpty(getInput(), element) : b.makeZeros(getInput(), element);
  int64_t first = 0;
  for (auto [gradient, part] : llvm::zip_equal(gradients, getResults())) {
    const int64_t width = cast<RankedTensorType>(part.getType()).getDimSize(1);
    if (gradient) {
      SmallVector<OpFoldResult> offsets = {b.b.getIndexAttr(0), b.b.getIndexAttr(first)};
      SmallVector<OpFoldResult> strides(2, b.b.getIndexAttr(1));
      whole = tensor::InsertSliceOp::create(b.b, gradient, whole, offsets,
                                            tensor::getMixedSizes(b.b, getLoc(), gradient), strides);
    }
    first += width;
  }
  return SmallVector<Value>{b.as(getInput(), whole)};
}

Gradients ConcatOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                   const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(getNumOperands());
  if (!gradients[0])
    return results;
  FormulaBuilder b(builder, *this);
  int64_t first = 0;
  for (auto [index, input] : llvm::enumerate(getInputs())) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b.b, getLoc(), input);
    SmallVector<OpFoldResult> offsets(sizes.size(), b.b.getIndexAttr(0)),
        strides(sizes.size(), b.b.getIndexAttr(1));
    offsets[0] = b.b.getIndexAttr(first);
    if (wants(*this, wanted, index))
      results[index] =
          b.as(input, tensor::ExtractSliceOp::create(b.b, gradients[0], offsets, sizes, strides));
    first += cast<RankedTensorType>(input.getType()).getDimSize(0);
  }
  return results;
}

bool ConvertOp::isDifferentiableIn(unsigned) {
  return isa<FloatType>(getElementTypeOrSelf(getInput())) &&
         isa<FloatType>(getElementTypeOrSelf(getResult()));
}

Gradients ConvertOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                    const llvm::SmallBitVector &wanted) {
  if (!gradients[0] || !wants(*this, wanted, 0))
    return SmallVector<Value>{Value()};
  return SmallVector<Value>{
      ConvertOp::create(builder, getLoc(), gradients[0], getElementTypeOrSelf(getInput()))};
}
