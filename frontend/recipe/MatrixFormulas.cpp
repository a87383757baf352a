//===- MatrixFormulas.cpp - what optimizers compute of matrices ------------------------------------------===//

#include "frontend/recipe/MatrixFormulas.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace llmc::recipe {

Value MatrixFormulas::compute(ArrayRef<Value> inputs, ArrayRef<Dims> dims, unsigned loops,
                              ArrayRef<int64_t> shape, Body body) {
  SmallVector<AffineMap> maps;
  for (Dims access : dims)
    maps.push_back(access.empty() ? AffineMap::get(loops, 0, b.getAffineConstantExpr(0))
                                  : AffineMap::getMultiDimMapWithTargets(loops, access, b.getContext()));
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

/// As one row of a matrix.
static Value asRow(ImplicitLocOpBuilder &b, Value vector) {
  const int64_t size = MatrixFormulas::shapeOf(vector)[0];
  return tensor::ExpandShapeOp::create(b, RankedTensorType::get({1, size}, b.getF32Type()), vector,
                                       ArrayRef<ReassociationIndices>{{0, 1}});
}

Value MatrixFormulas::sum(Value vector) {
  return compute({asRow(b, vector)}, {{0, 1}}, 2, {1},
                 [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
}

Value MatrixFormulas::sumOfSquares(Value value) {
  const bool isVector = shapeOf(value).size() == 1;
  Value matrix = isVector ? asRow(b, value) : value;
  Value rows = compute({matrix}, {{0, 1}}, 2, {shapeOf(matrix)[0]},
                       [](ImplicitLocOpBuilder &body, ValueRange v) { return mul(body, v[0], v[0]); });
  return isVector ? rows : sum(rows);
}

} // namespace llmc::recipe
