//===- Muon.cpp - directions of equal singular values -------------------------------------------------------===//

#include "frontend/recipe/Muon.h"

#include "frontend/recipe/LossFunction.h"
#include "frontend/recipe/MatrixFormulas.h"

using namespace mlir;

namespace llmc::recipe {

namespace {

constexpr int kSteps = 5;
/// Of x, x^3 and x^5: steep at 0, and around 1 near 1.
constexpr double kFactors[] = {3.4445, -4.775, 2.0315};
/// Keeps the norm of zeros from dividing.
constexpr double kEpsilon = 1e-7;

class Orthogonalization : MatrixFormulas {
public:
  using MatrixFormulas::MatrixFormulas;

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
    return compute({x, sumOfSquares(x)}, {{0, 1}, {}}, 2, shapeOf(x),
                   [](ImplicitLocOpBuilder &body, ValueRange v) {
                     return div(body, v[0], add(body, root(body, v[1]), number(body, kEpsilon)));
                   });
  }
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
