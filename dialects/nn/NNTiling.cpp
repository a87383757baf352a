//===- NNTiling.cpp - tiles of operations ------------------------------------------------------------===//
//
// TilingInterface and its like for every operation of nn, from the loops that each declares (Iteration.h).
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace llmc::nn;

namespace {

OpFoldResult apply(OpBuilder &builder, Location loc, AffineExpr expression, OpFoldResult operand) {
  return affine::makeComposedFoldedAffineApply(builder, loc, expression, {operand});
}

OpFoldResult multiply(OpBuilder &builder, Location loc, OpFoldResult value, int64_t factor) {
  return factor == 1 ? value : apply(builder, loc, builder.getAffineDimExpr(0) * factor, value);
}

/// value / divisor, if it is known to be whole.
FailureOr<OpFoldResult> divide(OpBuilder &builder, OpFoldResult value, int64_t divisor) {
  if (divisor == 1)
    return value;
  std::optional<int64_t> known = getConstantIntValue(value);
  if (!known || *known % divisor != 0)
    return failure();
  return OpFoldResult(builder.getIndexAttr(*known / divisor));
}

/// The part of a value that a tile needs or gives.
struct Part {
  SmallVector<OpFoldResult> offsets, sizes;
  bool isAll = true;
};

/// The part of a value whose dimensions are reached by `access`; `wholeSize` gives the sizes of the value.
Part partOf(OpBuilder &builder, Location loc, ArrayRef<DimAccess> access, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, function_ref<OpFoldResult(unsigned)> wholeSize) {
  Part part;
  for (auto [index, dim] : llvm::enumerate(access)) {
    if (!dim.loop || *dim.loop >= offsets.size()) {
      part.offsets.push_back(builder.getIndexAttr(0));
      part.sizes.push_back(wholeSize(index));
      continue;
    }
    part.offsets.push_back(multiply(builder, loc, offsets[*dim.loop], dim.unit));
    part.sizes.push_back(multiply(builder, loc, sizes[*dim.loop], dim.unit));
    part.isAll = false;
  }
  return part;
}

/// The type of the part of `type` that the tile `sizes` of the loops gives.
RankedTensorType tileType(OpBuilder &builder, RankedTensorType type, ArrayRef<DimAccess> access,
                          ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape(type.getShape());
  for (auto [index, dim] : llvm::enumerate(access)) {
    if (!dim.loop || *dim.loop >= sizes.size())
      continue;
    std::optional<int64_t> known = getConstantIntValue(sizes[*dim.loop]);
    shape[index] = known ? *known * dim.unit : ShapedType::kDynamic;
  }
  return type.clone(shape);
}

} // namespace

OpFoldResult llmc::nn::getLoopExtent(OpBuilder &builder, Operation *op, unsigned loop) {
  const IterationSpace space = cast<IterationOpInterface>(op).getIterationSpace();
  // A size that is known, of operands or results, before one that is not.
  std::optional<std::pair<Value, int64_t>> open;
  int64_t openUnit = 1;
  auto look = [&](auto values, ArrayRef<SmallVector<DimAccess, 2>> accesses) -> std::optional<int64_t> {
    for (auto [value, access] : llvm::zip_equal(values, accesses))
      for (auto [index, dim] : llvm::enumerate(access)) {
        if (dim.loop != loop)
          continue;
        int64_t size = cast<ShapedType>(value.getType()).getDimSize(index);
        if (!ShapedType::isDynamic(size))
          return size / dim.unit;
        if (!open) {
          open = {value, static_cast<int64_t>(index)};
          openUnit = dim.unit;
        }
      }
    return std::nullopt;
  };
  std::optional<int64_t> known = look(op->getOperands(), space.operands);
  if (!known)
    known = look(op->getResults(), space.results);
  if (known)
    return builder.getIndexAttr(*known);
  Location loc = op->getLoc();
  return apply(builder, loc, builder.getAffineDimExpr(0).floorDiv(openUnit),
               tensor::getMixedSize(builder, loc, open->first, open->second));
}

FailureOr<TilingResult> llmc::nn::computeTile(OpBuilder &builder, Operation *op,
                                              ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes) {
  Location loc = op->getLoc();
  const IterationSpace space = cast<IterationOpInterface>(op).getIterationSpace();
  TilingResult result;
  SmallVector<Value> operands;
  for (auto [value, access] : llvm::zip_equal(op->getOperands(), space.operands)) {
    Part part = partOf(builder, loc, access, offsets, sizes, [&, value = value](unsigned index) {
      return tensor::getMixedSize(builder, loc, value, index);
    });
    operands.push_back(value);
    if (part.isAll)
      continue;
    SmallVector<OpFoldResult> strides(part.offsets.size(), builder.getIndexAttr(1));
    auto slice = tensor::ExtractSliceOp::create(builder, loc, value, part.offsets, part.sizes, strides);
    operands.back() = slice;
    result.generatedSlices.push_back(slice);
  }
  SmallVector<Type> types;
  for (auto [value, access] : llvm::zip_equal(op->getResults(), space.results)) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    types.push_back(type ? tileType(builder, type, access, sizes) : value.getType());
  }
  Operation *tiled = mlir::clone(builder, op, types, operands);
  result.tiledOps.push_back(tiled);
  llvm::append_range(result.tiledValues, tiled->getResults());
  if (succeeded(cast<IterationOpInterface>(tiled).adaptToTile(space, offsets, sizes)))
    return result;
  tiled->erase();
  for (Operation *slice : llvm::reverse(result.generatedSlices))
    slice->erase();
  return failure();
}

SmallVector<utils::IteratorType> llmc::nn::getParallelLoops(Operation *op) {
  const IterationSpace space = cast<IterationOpInterface>(op).getIterationSpace();
  return SmallVector<utils::IteratorType>(ArrayRef(space.loops).take_front(space.countParallel()));
}

SmallVector<Range> llmc::nn::getParallelDomain(OpBuilder &builder, Operation *op) {
  SmallVector<Range> domain;
  for (unsigned loop = 0, loops = getParallelLoops(op).size(); loop < loops; ++loop)
    domain.push_back({builder.getIndexAttr(0), getLoopExtent(builder, op, loop), builder.getIndexAttr(1)});
  return domain;
}

LogicalResult llmc::nn::getResultTile(OpBuilder &builder, Operation *op, unsigned result,
                                      ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                                      SmallVector<OpFoldResult> &resultOffsets,
                                      SmallVector<OpFoldResult> &resultSizes) {
  const IterationSpace space = cast<IterationOpInterface>(op).getIterationSpace();
  LogicalResult found = success();
  Part part = partOf(builder, op->getLoc(), space.results[result], offsets, sizes, [&](unsigned index) {
    // In terms of operands: the result itself is what is being replaced.
    FailureOr<OpFoldResult> size =
        cast<ReifyRankedShapedTypeOpInterface>(op).reifyDimOfResult(builder, result, index);
    if (succeeded(size))
      return *size;
    found = failure();
    return OpFoldResult();
  });
  resultOffsets = std::move(part.offsets);
  resultSizes = std::move(part.sizes);
  return found;
}

LogicalResult llmc::nn::getTileOfResult(OpBuilder &builder, Operation *op, unsigned result,
                                        ArrayRef<OpFoldResult> resultOffsets,
                                        ArrayRef<OpFoldResult> resultSizes,
                                        SmallVectorImpl<OpFoldResult> &offsets,
                                        SmallVectorImpl<OpFoldResult> &sizes) {
  const IterationSpace space = cast<IterationOpInterface>(op).getIterationSpace();
  auto type = cast<RankedTensorType>(op->getResult(result).getType());
  offsets.assign(space.countParallel(), OpFoldResult());
  sizes.assign(space.countParallel(), OpFoldResult());
  for (auto [index, dim] : llvm::enumerate(space.results[result])) {
    if (!dim.loop) {
      const bool isAll = isConstantIntValue(resultOffsets[index], 0) && !type.isDynamicDim(index) &&
                         isConstantIntValue(resultSizes[index], type.getDimSize(index));
      if (!isAll)
        return failure();
      continue;
    }
    FailureOr<OpFoldResult> offset = divide(builder, resultOffsets[index], dim.unit);
    FailureOr<OpFoldResult> size = divide(builder, resultSizes[index], dim.unit);
    if (failed(offset) || failed(size))
      return failure();
    offsets[*dim.loop] = *offset;
    sizes[*dim.loop] = *size;
  }
  return success(llvm::all_of(sizes, [](OpFoldResult size) { return !size.isNull(); }));
}

FailureOr<TilingResult> llmc::nn::computeResultTile(OpBuilder &builder, Operation *op, unsigned result,
                                                    ArrayRef<OpFoldResult> resultOffsets,
                                                    ArrayRef<OpFoldResult> resultSizes) {
  SmallVector<OpFoldResult> offsets, sizes;
  if (failed(getTileOfResult(builder, op, result, resultOffsets, resultSizes, offsets, sizes)))
    return failure();
  FailureOr<TilingResult> tile = computeTile(builder, op, offsets, sizes);
  if (succeeded(tile))
    tile->tiledValues = {tile->tiledValues[result]};
  return tile;
}
