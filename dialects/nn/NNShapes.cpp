//===- NNShapes.cpp - types and sizes of results -----------------------------------------------------===//
//
// What the type of a result is (inferReturnTypes), and how its sizes are computed where the program runs
// (reifyResultShapes). Operations whose result has the type of their input need only the latter.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace llmc::nn;

bool llmc::nn::haveCompatibleSizes(Type a, Type b) {
  return succeeded(verifyCompatibleShape(a, b)) && getElementTypeOrSelf(a) == getElementTypeOrSelf(b);
}

bool llmc::nn::haveCompatibleSizesAndAreFloat(Type a, Type b) {
  return succeeded(verifyCompatibleShape(a, b)) && isa<FloatType>(getElementTypeOrSelf(a)) &&
         isa<FloatType>(getElementTypeOrSelf(b));
}

LogicalResult llmc::nn::verifyResultTypes(Operation *op) {
  auto inferring = cast<InferTypeOpInterface>(op);
  SmallVector<Type> expected;
  if (failed(inferring.inferReturnTypes(op->getContext(), op->getLoc(), op->getOperands(),
                                        op->getRawDictionaryAttrs(), op->getPropertiesStorage(),
                                        op->getRegions(), expected)))
    return failure();
  if (inferring.isCompatibleReturnTypes(expected, op->getResultTypes()))
    return success();
  return op->emitOpError() << "has a result of type " << op->getResultTypes() << ", expected "
                           << TypeRange(expected);
}

namespace {

int64_t dim(Value value, unsigned index) { return cast<ShapedType>(value.getType()).getDimSize(index); }

/// The product of two sizes, which is open if one of them is, or if it makes no sense: then a verifier says
/// why.
int64_t multiply(int64_t a, int64_t b) { return a < 0 || b < 0 ? ShapedType::kDynamic : a * b; }

/// The elements of what is computed from `input`: blocks are stored, never computed.
Type computedElement(Value input) {
  Type element = getElementTypeOrSelf(input);
  return isa<BlockType>(element) ? Float32Type::get(element.getContext()) : element;
}

/// Where a size of a result comes from: `times` size `index` of `value`. Without a value it is `index`.
struct SizeSource {
  Value value;
  int64_t index;
  int64_t times = 1;

  OpFoldResult get(OpBuilder &builder, Location loc) const {
    if (!value)
      return builder.getIndexAttr(index);
    return affine::makeComposedFoldedAffineApply(builder, loc, builder.getAffineDimExpr(0) * times,
                                                 {tensor::getMixedSize(builder, loc, value, index)});
  }
};

/// Sizes of all results: known ones, and others from `sources`, one for each dimension.
LogicalResult reify(Operation *op, OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes,
                    ArrayRef<SizeSource> sources) {
  Location loc = op->getLoc();
  for (Value result : op->getResults()) {
    SmallVector<OpFoldResult> &sizes = shapes.emplace_back();
    for (auto [index, size] : llvm::enumerate(cast<ShapedType>(result.getType()).getShape())) {
      if (!ShapedType::isDynamic(size)) {
        sizes.push_back(builder.getIndexAttr(size));
        continue;
      }
      // A size that the type leaves open is a value even where it is known by now: sizes have to agree with
      // the type.
      sizes.push_back(getValueOrCreateConstantIndexOp(builder, loc, sources[index].get(builder, loc)));
    }
  }
  return success();
}

/// Sizes of a result that has the shape of `input`.
LogicalResult reifyLike(Operation *op, Value input, OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<SizeSource> sources;
  for (int64_t index = 0, rank = cast<ShapedType>(input.getType()).getRank(); index < rank; ++index)
    sources.push_back({input, index});
  return reify(op, builder, shapes, sources);
}

using Sizes = ReifiedRankedShapedTypeDims;
using Types = SmallVectorImpl<Type>;

} // namespace

//===----------------------------------------------------------------------===//
// Embeddings, products, attention
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                            Types &types) {
  types.push_back(
      RankedTensorType::get({dim(op.getIds(), 0), dim(op.getTable(), 1)}, computedElement(op.getTable())));
  return success();
}
LogicalResult EmbeddingOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getIds(), 0}, {getTable(), 1}});
}

LogicalResult LinearOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op, Types &types) {
  types.push_back(
      RankedTensorType::get({dim(op.getInput(), 0), dim(op.getWeight(), 0)}, computedElement(op.getInput())));
  return success();
}
LogicalResult LinearOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getInput(), 0}, {getWeight(), 0}});
}

LogicalResult RopeTableOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, Adaptor op,
                                            Types &types) {
  types.push_back(RankedTensorType::get({dim(op.getPositions(), 0), multiply(op.getDims(), 1)},
                                        Float32Type::get(context)));
  return success();
}
LogicalResult RopeTableOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getPositions(), 0}, {Value(), static_cast<int64_t>(getDims())}});
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                            Types &types) {
  const int64_t heads = op.getHeads(), kvHeads = op.getKvHeads(), width = dim(op.getValue(), 1);
  const bool sound = kvHeads > 0 && heads % kvHeads == 0 && width % kvHeads == 0;
  types.push_back(RankedTensorType::get(
      {dim(op.getQuery(), 0), sound ? multiply(width, heads / kvHeads) : ShapedType::kDynamic},
      computedElement(op.getQuery())));
  return success();
}
LogicalResult AttentionOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes,
               {{getQuery(), 0}, {getValue(), 1, static_cast<int64_t>(getHeads() / getKvHeads())}});
}

LogicalResult CachedAttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                                  Types &types) {
  auto cache = cast<KvCacheType>(op.getCache().getType());
  types.push_back(RankedTensorType::get({dim(op.getQuery(), 0), multiply(op.getHeads(), cache.getHeadDim())},
                                        computedElement(op.getQuery())));
  return success();
}
LogicalResult CachedAttentionOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getQuery(), 0}, {getQuery(), 1}});
}

LogicalResult RelativePositionBiasOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                                       Types &types) {
  types.push_back(RankedTensorType::get(
      {multiply(dim(op.getTable(), 1), dim(op.getQueryPositions(), 0)), dim(op.getKeyPositions(), 0)},
      computedElement(op.getTable())));
  return success();
}
LogicalResult RelativePositionBiasOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getQueryPositions(), 0, dim(getTable(), 1)}, {getKeyPositions(), 0}});
}

//===----------------------------------------------------------------------===//
// Layout and element types
//===----------------------------------------------------------------------===//

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op, Types &types) {
  if (op.getInputs().empty())
    return failure(); // the verifier says what is wrong
  auto first = cast<RankedTensorType>(op.getInputs().front().getType());
  SmallVector<int64_t> shape(first.getShape());
  for (Value input : op.getInputs().drop_front()) {
    auto type = cast<RankedTensorType>(input.getType());
    if (type.getRank() == 0 || shape.empty())
      break;
    bool known = !type.isDynamicDim(0) && !ShapedType::isDynamic(shape[0]);
    shape[0] = known ? shape[0] + type.getDimSize(0) : ShapedType::kDynamic;
  }
  types.push_back(first.clone(shape));
  return success();
}
LogicalResult ConcatOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  SmallVector<SizeSource> sources = {{Value(), 0}};
  for (Value input : getInputs())
    sources.front().index += dim(input, 0);
  for (int64_t index = 1, rank = getResult().getType().getRank(); index < rank; ++index)
    sources.push_back({getInputs().front(), index});
  return reify(*this, builder, sizes, sources);
}

LogicalResult SelectRowsOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                             Types &types) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  types.push_back(input.clone({dim(op.getRows(), 0), input.getDimSize(1)}));
  return success();
}
LogicalResult SelectRowsOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getRows(), 0}, {getInput(), 1}});
}

LogicalResult ScatterRowsOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{Value(), dim(getResult(), 0)}, {getInput(), 1}});
}

LogicalResult CrossEntropyOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                               Types &types) {
  types.push_back(RankedTensorType::get({dim(op.getLogits(), 0), 1}, computedElement(op.getLogits())));
  return success();
}
LogicalResult CrossEntropyOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getLogits(), 0}, {Value(), 1}});
}

LogicalResult KlDivergenceOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                               Types &types) {
  types.push_back(RankedTensorType::get({dim(op.getLogits(), 0), 1}, computedElement(op.getLogits())));
  return success();
}
LogicalResult KlDivergenceOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getLogits(), 0}, {Value(), 1}});
}

LogicalResult AttentionGradientOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                                    Types &types) {
  llvm::append_values(types, op.getQuery().getType(), op.getKey().getType(), op.getValue().getType());
  if (op.getBias())
    types.push_back(op.getBias().getType());
  return success();
}
LogicalResult AttentionGradientOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  for (Value operand : {getQuery(), getKey(), getValue(), getBias()})
    if (operand)
      sizes.push_back(tensor::getMixedSizes(builder, getLoc(), operand));
  return success();
}

LogicalResult SplitOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reify(*this, builder, sizes, {{getInput(), 0}, {getInput(), 1}}); // widths are known
}

//===----------------------------------------------------------------------===//
// Results with the shape of the input
//===----------------------------------------------------------------------===//

LogicalResult RmsNormOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult LayerNormOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult SiluOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult GeluOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult ReluOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult ScaleOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult SoftcapOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult DropoutOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult RopeOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult RotateOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult ExpertsOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op, Types &types) {
  types.push_back(
      RankedTensorType::get({dim(op.getInput(), 0), dim(op.getInput(), 1)}, computedElement(op.getInput())));
  return success();
}
LogicalResult ExpertsOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
LogicalResult ConvertOp::reifyResultShapes(OpBuilder &builder, Sizes &sizes) {
  return reifyLike(*this, getInput(), builder, sizes);
}
