//===- ProductForm.cpp - which structured operations are products of matrices ---------------------------===//

#include "codegen/training/ProductForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc::codegen {

/// The argument that `value`, in the body of a product, is, looking through rounding to `rounded`.
static BlockArgument unrounded(Value value, Type &rounded) {
  rounded = {};
  if (auto extended = value.getDefiningOp<arith::ExtFOp>();
      extended && isa<BFloat16Type, Float16Type>(extended.getIn().getType())) {
    rounded = extended.getIn().getType();
    auto narrow = extended.getIn().getDefiningOp<arith::TruncFOp>();
    value = narrow ? narrow.getIn() : extended.getIn();
  }
  return dyn_cast<BlockArgument>(value);
}

std::optional<ProductForm> productFormOf(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 || op.getNumLoops() != 3)
    return {};
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  for (AffineMap map : maps)
    if (map.getNumResults() != 2 || !map.isProjectedPermutation())
      return {};
  auto sum = op.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  auto product = sum ? sum.getRhs().getDefiningOp<arith::MulFOp>() : arith::MulFOp();
  if (!product || !product.getType().isF32() || sum.getLhs() != op.getRegionOutputArgs()[0])
    return {};
  Type leftRounded, rightRounded;
  BlockArgument a = unrounded(product.getLhs(), leftRounded), b = unrounded(product.getRhs(), rightRounded);
  if (!a || !b || a == b || leftRounded != rightRounded)
    return {};
  auto loopOf = [&](unsigned operand, unsigned dim) { return maps[operand].getDimPosition(dim); };
  const unsigned rows = loopOf(2, 0), columns = loopOf(2, 1);
  if (op.getIteratorTypesArray()[rows] != utils::IteratorType::parallel)
    return {};
  ProductForm form;
  form.rounded = leftRounded;
  auto has = [&](unsigned operand, unsigned loop) { return maps[operand].isFunctionOfDim(loop); };
  form.left = has(0, rows) ? 0 : 1;
  form.right = 1 - form.left;
  if (!has(form.left, rows) || has(form.left, columns) || !has(form.right, columns) || has(form.right, rows))
    return {};
  form.leftTransposed = loopOf(form.left, 0) != rows;
  form.rightTransposed = loopOf(form.right, 0) == columns;
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  form.m = sizes[rows];
  form.n = sizes[columns];
  form.k = sizes[3 - rows - columns];
  return form;
}

} // namespace llmc::codegen
