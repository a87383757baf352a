//===- Muon.cpp - directions of equal singular values -------------------------------------------------------===//

#include "frontend/recipe/Muon.h"

#include "frontend/recipe/LossFunction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace llmc::recipe {

namespace {

constexpr int kSteps = 5;
/// Of x, x^3 and x^5: steep at 0, and around 1 near 1.
constexpr double kFactors[] = {3.4445, -4.775, 2.0315};
/// Keeps the norm of zeros from dividing.
constexpr double kEpsilon = 1e-7;

using Dims = ArrayRef<unsigned>;
using Body = function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

class Orthogonalization {
public:
  explicit Orthogonalization(ImplicitLocOpBuilder &b) : b(b) {}

  Value run(Value x) {
    auto type = cast<RankedTensorType>(x.getType());
    const bool isWide = type.getDimSize(0) <= type.getDimSize(1);
    x = normalize(x);
    for (int step = 0; step < kSteps; ++step) {
      // The smaller one of x x' and x' x is symmetric, and so is what becomes of it.
      Value squares = isWide ? multiply(x, {0, 2}, x, {1, 2}) : multiply(x, {2, 0}, x, {2, 1});
      Value fourths = multiply(squares, {0, 2}, squares, {1, 2});
      Value inner = mix(kFactors[1], squares, kFactors[2], fourths);
      Value outer = isWide ? multiply(inner, {0, 2}, x, {2, 1}) : multiply(x, {0, 2}, inner, {1, 2});
      x = mix(kFactors[0], x, 1, outer);
    }
    return x;
  }

private:
  static Value add(ImplicitLocOpBuilder &body, Value x, Value y) { return arith::AddFOp::create(body, x, y); }
  static Value mul(ImplicitLocOpBuilder &body, Value x, Value y) { return arith::MulFOp::create(body, x, y); }
  static Value number(ImplicitLocOpBuilder &body, double value) {
    return arith::ConstantOp::create(body, body.getF32FloatAttr(static_cast<float>(value)));
  }

  /// A structured operation of `loops` loops, of which the first are those of the result, and others are
  /// summed over.
  Value compute(ArrayRef<Value> inputs, ArrayRef<Dims> dims, unsigned loops, ArrayRef<int64_t> shape,
                Body body) {
    SmallVector<AffineMap> maps;
    for (Dims access : dims)
      maps.push_back(AffineMap::getMultiDimMapWithTargets(loops, access, b.getContext()));
    SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::reduction);
    SmallVector<AffineExpr> results;
    for (unsigned loop = 0; loop < shape.size(); ++loop) {
      iterators[loop] = utils::IteratorType::parallel;
      results.push_back(b.getAffineDimExpr(loop));
    }
    maps.push_back(AffineMap::get(loops, 0, results, b.getContext()));
    Value init = tensor::EmptyOp::create(b, shape, b.getF32Type());
    const bool sums = llvm::is_contained(iterators, utils::IteratorType::reduction);
    if (sums)
      init = linalg::FillOp::create(b, ValueRange{number(b, 0)}, ValueRange{init}).getResult(0);
    return linalg::GenericOp::create(b, TypeRange{init.getType()}, inputs, ValueRange{init}, maps, iterators,
                                     [&](OpBuilder &nested, Location loc, ValueRange arguments) {
                                       ImplicitLocOpBuilder inside(loc, nested);
                                       Value value = body(inside, arguments.drop_back());
                                       if (sums)
                                         value = add(inside, arguments.back(), value);
                                       linalg::YieldOp::create(inside, value);
                                     })
        .getResult(0);
  }

  ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

  /// The product of two matrices, of which the loop 2 is summed over.
  Value multiply(Value x, Dims xDims, Value y, Dims yDims) {
    const int64_t rows = shapeOf(x)[xDims[0] == 0 ? 0 : 1], columns = shapeOf(y)[yDims[0] == 1 ? 0 : 1];
    return compute({x, y}, {xDims, yDims}, 3, {rows, columns},
                   [](ImplicitLocOpBuilder &body, ValueRange v) { return mul(body, v[0], v[1]); });
  }

  Value mix(double factor, Value x, double other, Value y) {
    return compute({x, y}, {{0, 1}, {0, 1}}, 2, shapeOf(x), [&](ImplicitLocOpBuilder &body, ValueRange v) {
      return add(body, mul(body, number(body, factor), v[0]), mul(body, number(body, other), v[1]));
    });
  }

  /// Divides by the root of the sum of all squares, which no singular value exceeds.
  Value normalize(Value x) {
    Value rows = compute({x}, {{0, 1}}, 2, {shapeOf(x)[0]},
                         [](ImplicitLocOpBuilder &body, ValueRange v) { return mul(body, v[0], v[0]); });
    rows = tensor::ExpandShapeOp::create(b, RankedTensorType::get({1, shapeOf(x)[0]}, b.getF32Type()), rows,
                                         ArrayRef<ReassociationIndices>{{0, 1}});
    Value sum = compute({rows}, {{0, 1}}, 2, {1}, [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
    auto whole = cast<RankedTensorType>(x.getType());
    const AffineMap identity = b.getMultiDimIdentityMap(2);
    Value empty = tensor::EmptyOp::create(b, whole.getShape(), b.getF32Type());
    return linalg::GenericOp::create(
               b, TypeRange{whole}, ValueRange{x, sum}, ValueRange{empty},
               ArrayRef<AffineMap>{identity, AffineMap::get(2, 0, b.getAffineConstantExpr(0)), identity},
               SmallVector<utils::IteratorType>(2, utils::IteratorType::parallel),
               [&](OpBuilder &nested, Location loc, ValueRange arguments) {
                 ImplicitLocOpBuilder body(loc, nested);
                 Value norm = add(body, math::SqrtOp::create(body, arguments[1]), number(body, kEpsilon));
                 linalg::YieldOp::create(body, Value(arith::DivFOp::create(body, arguments[0], norm)));
               })
        .getResult(0);
  }

  ImplicitLocOpBuilder &b;
};

} // namespace

Value orthogonalize(ImplicitLocOpBuilder &b, Value matrix) { return Orthogonalization(b).run(matrix); }

llvm::StringSet<> hiddenMatrices(func::FuncOp function) {
  llvm::StringSet<> matrices, others;
  const auto heads = findHeads(function);
  for (auto load : function.getOps<nn::LoadOp>())
    for (OpOperand &use : load->getUses()) {
      auto linear = dyn_cast<nn::LinearOp>(use.getOwner());
      const bool isHidden = linear && use.get() == linear.getWeight() && !heads.contains(linear);
      (isHidden ? matrices : others).insert(load.getParam());
    }
  for (const auto &other : others)
    matrices.erase(other.getKey());
  return matrices;
}

} // namespace llmc::recipe
