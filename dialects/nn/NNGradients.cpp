//===- NNGradients.cpp - gradients of operands from gradients of results -----------------------------===//
//
// Each rule is the formula of the operation's derivative, as structured operations of linalg whose bodies are
// the arithmetic of one element. It is computed in f32, or f64 where the operands are, whatever their
// precision.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;

using Gradients = FailureOr<SmallVector<Value>>;

namespace {

//===----------------------------------------------------------------------===//
// Arithmetic of one element
//===----------------------------------------------------------------------===//

/// A number in the body of a structured operation.
struct Number {
  ImplicitLocOpBuilder *builder;
  Value value;
};

Number constant(Number like, double value) {
  auto attribute = FloatAttr::get(like.value.getType(), value);
  return {like.builder, arith::ConstantOp::create(*like.builder, attribute)};
}
template <typename Op> Number binary(Number a, Number b) {
  return {a.builder, Op::create(*a.builder, a.value, b.value)};
}
template <typename Op> Number unary(Number a) { return {a.builder, Op::create(*a.builder, a.value)}; }

Number operator+(Number a, Number b) { return binary<arith::AddFOp>(a, b); }
Number operator-(Number a, Number b) { return binary<arith::SubFOp>(a, b); }
Number operator*(Number a, Number b) { return binary<arith::MulFOp>(a, b); }
Number operator/(Number a, Number b) { return binary<arith::DivFOp>(a, b); }
Number operator+(double a, Number b) { return constant(b, a) + b; }
Number operator-(double a, Number b) { return constant(b, a) - b; }
Number operator*(double a, Number b) { return constant(b, a) * b; }
Number operator/(double a, Number b) { return constant(b, a) / b; }
Number operator/(Number a, double b) { return a / constant(a, b); }

Number sigmoid(Number x) { return 1 / (1 + unary<math::ExpOp>(-1 * x)); }

//===----------------------------------------------------------------------===//
// Structured operations
//===----------------------------------------------------------------------===//

/// The arithmetic of one element: from elements of the inputs to one of the result, or a summand of it.
using ElementFunction = function_ref<Number(ArrayRef<Number>)>;

/// Creates the operations of a rule.
class GradientBuilder {
public:
  GradientBuilder(OpBuilder &builder, Operation *op)
      : b(op->getLoc(), builder),
        element(getElementTypeOrSelf(op->getOperand(0)).isF64() ? Type(b.getF64Type()) : b.getF32Type()) {}

  /// `function` of elements of `inputs`, whose dimensions go through the loops `dims` of `loops` loops. Those
  /// of the result go through `result`, and the other loops are summed over.
  Value compute(ValueRange inputs, ArrayRef<ArrayRef<unsigned>> dims, unsigned loops,
                ArrayRef<unsigned> result, ElementFunction function) {
    SmallVector<Value> values;
    for (Value input : inputs)
      values.push_back(
          isa<BlockType>(getElementTypeOrSelf(input)) ? Value(ConvertOp::create(b, input, element)) : input);
    SmallVector<AffineMap> maps;
    for (ArrayRef<unsigned> access : dims)
      maps.push_back(mapOf(access, loops));
    maps.push_back(mapOf(result, loops));
    SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::reduction);
    for (unsigned loop : result)
      iterators[loop] = utils::IteratorType::parallel;
    const bool sums = result.size() < loops;
    Value init = makeInit(values, dims, result, sums);
    auto generic = linalg::GenericOp::create(
        b, TypeRange{init.getType()}, values, ValueRange{init}, maps, iterators,
        [&](OpBuilder &nested, Location loc, ValueRange arguments) {
          ImplicitLocOpBuilder body(loc, nested);
          SmallVector<Number> numbers;
          for (Value argument : arguments.drop_back())
            numbers.push_back({&body, argument.getType() == element
                                          ? argument
                                          : Value(arith::ExtFOp::create(body, element, argument))});
          Number value = function(numbers);
          if (sums)
            value = Number{&body, arguments.back()} + value;
          linalg::YieldOp::create(body, value.value);
        });
    return generic.getResult(0);
  }

  /// `function` of each element of matrices of the same shape.
  Value mapElements(ValueRange inputs, ElementFunction function) {
    SmallVector<ArrayRef<unsigned>> dims(inputs.size(), kMatrix);
    return compute(inputs, dims, 2, kMatrix, function);
  }

  /// `value` as a gradient of `operand`: with its type.
  Value as(Value operand, Value value) {
    auto type = cast<RankedTensorType>(operand.getType());
    if (getElementTypeOrSelf(value) != type.getElementType())
      value = ConvertOp::create(b, value, type.getElementType());
    return value.getType() == type ? value : Value(tensor::CastOp::create(b, type, value));
  }

  /// Zeros, or with `fill` unset anything, of the type of `like`.
  Value makeLike(Value like, bool fill) {
    auto type = cast<RankedTensorType>(like.getType());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), like);
    Value empty = tensor::EmptyOp::create(b, sizes, type.getElementType());
    return fill ? zeros(empty) : empty;
  }

  /// [rows, width] as [rows, groups, width / groups], and back.
  Value expand(Value matrix, int64_t groups) {
    auto type = cast<RankedTensorType>(matrix.getType());
    auto expanded = type.clone({type.getDimSize(0), groups, type.getDimSize(1) / groups});
    return tensor::ExpandShapeOp::create(b, expanded, matrix, kGroups);
  }
  Value collapse(Value groups) { return tensor::CollapseShapeOp::create(b, groups, kGroups); }

  ImplicitLocOpBuilder b;

private:
  static constexpr unsigned kMatrix[] = {0, 1};
  const SmallVector<ReassociationIndices> kGroups = {{0}, {1, 2}};

  AffineMap mapOf(ArrayRef<unsigned> access, unsigned loops) {
    return AffineMap::getMultiDimMapWithTargets(loops, access, b.getContext());
  }

  Value zeros(Value empty) {
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(getElementTypeOrSelf(empty), 0));
    return linalg::FillOp::create(b, ValueRange{zero}, ValueRange{empty}).getResult(0);
  }

  /// What a result with the dimensions `result` starts from; each of its sizes is one of an input.
  Value makeInit(ValueRange inputs, ArrayRef<ArrayRef<unsigned>> dims, ArrayRef<unsigned> result, bool sums) {
    SmallVector<OpFoldResult> sizes;
    for (unsigned loop : result)
      for (auto [input, access] : llvm::zip_equal(inputs, dims))
        if (auto *found = llvm::find(access, loop); found != access.end()) {
          sizes.push_back(tensor::getMixedSize(b, b.getLoc(), input, found - access.begin()));
          break;
        }
    Value empty = tensor::EmptyOp::create(b, sizes, element);
    return sums ? zeros(empty) : empty;
  }

  Type element;
};

/// Whether the gradient of operand `index` is to be built.
bool wants(DifferentiableOpInterface op, const llvm::SmallBitVector &wanted, unsigned index) {
  return wanted.test(index) && op.isDifferentiableIn(index);
}

/// Gradients of an operation on single elements, whose derivative is `derivative(x)`.
template <typename Op>
Gradients mapGradient(Op op, OpBuilder &builder, Value gradient, const llvm::SmallBitVector &wanted,
                      function_ref<Number(Number)> derivative) {
  if (!gradient || !wants(op, wanted, 0))
    return SmallVector<Value>{Value()};
  GradientBuilder b(builder, op);
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
      return distribution + (M_2_SQRTPI * M_SQRT1_2 / 2) * (x * unary<math::ExpOp>(-0.5 * (x * x)));
    }
    case GeluKind::Tanh: {
      const double factor = M_2_SQRTPI * M_SQRT1_2, cubic = 0.044715;
      Number t = unary<math::TanhOp>(factor * (x + cubic * (x * x * x)));
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
    Number zero = constant(x, 0), one = constant(x, 1);
    Value positive = arith::CmpFOp::create(*x.builder, arith::CmpFPredicate::OGT, x.value, zero.value);
    return Number{x.builder, arith::SelectOp::create(*x.builder, positive, one.value, zero.value)};
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
    Number t = unary<math::TanhOp>(x / getCap().convertToDouble());
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
  GradientBuilder b(builder, *this);
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
  GradientBuilder b(builder, *this);
  const double size = static_cast<double>(group), epsilon = getEpsilon().convertToDouble();
  Value x = b.expand(getInput(), width / group), dy = b.expand(gradients[0], width / group);
  // Loops: rows, groups, elements of a group.
  const SmallVector<unsigned> all = {0, 1, 2}, groups = {0, 1}, elements = {2};
  Value squares = b.compute({x}, {all}, 3, groups, [](ArrayRef<Number> v) { return v[0] * v[0]; });
  auto inverse = [&](Number sum) { return 1 / unary<math::SqrtOp>(sum / size + constant(sum, epsilon)); };
  if (wants(*this, wanted, 0)) {
    Value products = b.compute({x, dy, getWeight()}, {all, all, elements}, 3, groups,
                               [](ArrayRef<Number> v) { return v[0] * v[1] * v[2]; });
    Value dx = b.compute({x, dy, getWeight(), squares, products}, {all, all, elements, groups, groups}, 3,
                         all, [&](ArrayRef<Number> v) {
                           Number r = inverse(v[3]);
                           return r * v[2] * v[1] - v[0] * r * r * r * (v[4] / size);
                         });
    results[0] = b.as(getInput(), b.collapse(dx));
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
  GradientBuilder b(builder, *this);
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
  auto deviation = [&](Number sum) { return unary<math::SqrtOp>(sum / size + constant(sum, epsilon)); };
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
// Layout and element types
//===----------------------------------------------------------------------===//

Gradients SplitOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                  const llvm::SmallBitVector &wanted) {
  auto given = [](Value gradient) { return static_cast<bool>(gradient); };
  if (llvm::none_of(gradients, given) || !wants(*this, wanted, 0))
    return SmallVector<Value>{Value()};
  GradientBuilder b(builder, *this);
  Value whole = b.makeLike(getInput(), /*fill=*/!llvm::all_of(gradients, given));
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
  GradientBuilder b(builder, *this);
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
