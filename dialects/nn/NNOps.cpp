//===- NNOps.cpp - verifiers and folders of nn's row-wise operations ---------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.cpp.inc"

namespace {

int64_t dim(Value value, unsigned index) { return cast<ShapedType>(value.getType()).getDimSize(index); }

/// Sizes agree unless both are known and differ.
bool compatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

LogicalResult verifyVector(Operation *op, Value vector, StringRef name, int64_t size, StringRef what) {
  if (vector && !compatible(dim(vector, 0), size))
    return op->emitOpError() << "has a " << name << " of size " << dim(vector, 0) << ", but " << what
                             << " is " << size;
  return success();
}

/// The last dimension of a block-quantized tensor is stored in whole blocks.
LogicalResult verifyBlocks(Operation *op, Value value, StringRef name) {
  auto type = cast<ShapedType>(value.getType());
  auto block = dyn_cast<BlockType>(type.getElementType());
  if (block && type.getShape().empty())
    return op->emitOpError() << "has a " << name << " of blocks without a dimension";
  int64_t width = block ? type.getShape().back() : 0;
  if (block && !ShapedType::isDynamic(width) && width % block.getRowMultiple() != 0)
    return op->emitOpError() << "has a " << name << " of width " << width
                             << ", which is not a multiple of the " << block.getRowMultiple()
                             << " elements of a " << stringifyBlockFormat(block.getFormat()) << " block";
  return success();
}

LogicalResult verifyRows(Operation *op, Value a, Value b, StringRef nameA, StringRef nameB) {
  if (!compatible(dim(a, 0), dim(b, 0)))
    return op->emitOpError() << "has " << dim(a, 0) << ' ' << nameA << " but " << dim(b, 0) << ' ' << nameB;
  return success();
}

} // namespace

LogicalResult EmbeddingOp::verify() { return verifyBlocks(*this, getTable(), "table"); }

LogicalResult LinearOp::verify() {
  if (!compatible(dim(getInput(), 1), dim(getWeight(), 1)))
    return emitOpError() << "has an input of width " << dim(getInput(), 1) << " but a weight of width "
                         << dim(getWeight(), 1) << " (a weight is [out, in])";
  if (failed(verifyBlocks(*this, getWeight(), "weight")) || failed(verifyBlocks(*this, getInput(), "input")))
    return failure();
  return verifyVector(*this, getBias(), "bias", dim(getWeight(), 0), "the result's width");
}

LogicalResult RmsNormOp::verify() {
  int64_t width = dim(getInput(), 1), group = dim(getWeight(), 0);
  if (group == 0 || (!ShapedType::isDynamic(width) && !ShapedType::isDynamic(group) && width % group != 0))
    return emitOpError() << "has an input of width " << width
                         << ", which is not a multiple of the weight's size " << group;
  if (!(getEpsilon().convertToDouble() >= 0))
    return emitOpError() << "needs an epsilon that is not negative";
  return success();
}

LogicalResult LayerNormOp::verify() {
  int64_t width = dim(getInput(), 1);
  if (failed(verifyVector(*this, getWeight(), "weight", width, "the input's width")) ||
      failed(verifyVector(*this, getBias(), "bias", width, "the input's width")))
    return failure();
  if (!(getEpsilon().convertToDouble() >= 0))
    return emitOpError() << "needs an epsilon that is not negative";
  return success();
}

OpFoldResult ReluOp::fold(FoldAdaptor) {
  // relu(relu(x)) = relu(x)
  return getInput().getDefiningOp<ReluOp>() ? getInput() : Value();
}

OpFoldResult ScaleOp::fold(FoldAdaptor) { return getFactor().isExactlyValue(1.0) ? getInput() : Value(); }

LogicalResult SoftcapOp::verify() {
  if (!(getCap().convertToDouble() > 0))
    return emitOpError() << "needs a positive cap";
  return success();
}

//===----------------------------------------------------------------------===//
// Layout and element types
//===----------------------------------------------------------------------===//

LogicalResult ScatterRowsOp::verify() {
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.isDynamicDim(0) || getElementTypeOrSelf(result) != getElementTypeOrSelf(getInput()) ||
      !compatible(result.getDimSize(1), dim(getInput(), 1)))
    return emitOpError() << "has a result of type " << result
                         << ", expected a known number of rows like those of " << getInput().getType();
  return verifyRows(*this, getInput(), getRows(), "input rows", "places");
}

LogicalResult CrossEntropyOp::verify() {
  if (const double smoothing = getSmoothing().convertToDouble(); !(smoothing >= 0 && smoothing < 1))
    return emitOpError() << "has a smoothing of " << smoothing << ", expected one from 0 to less than 1";
  return verifyRows(*this, getLogits(), getTargets(), "rows of logits", "targets");
}

LogicalResult KlDivergenceOp::verify() {
  if (!compatible(dim(getLogits(), 1), dim(getTeacher(), 1)))
    return emitOpError() << "has logits of width " << dim(getLogits(), 1) << " but a teacher's of width "
                         << dim(getTeacher(), 1);
  return verifyRows(*this, getLogits(), getTeacher(), "rows of logits", "rows of the teacher's");
}

LogicalResult DropoutOp::verify() {
  // What stays is not to grow beyond measure.
  if (const double rate = getRate().convertToDouble(); !(rate >= 0 && rate <= 0.999))
    return emitOpError() << "has a rate of " << rate << ", expected one from 0 to 0.999";
  if (const auto stream = static_cast<int64_t>(getStream()); stream < 0 || stream > UINT32_MAX)
    return emitOpError() << "has the stream " << stream << ", expected one of 32 bits";
  if (dim(getDraw(), 0) != 3)
    return emitOpError() << "has a draw of type " << getDraw().getType()
                         << ", expected two words of a seed and a step";
  return verifyRows(*this, getInput(), getRows(), "input rows", "row numbers");
}

LogicalResult SplitOp::verify() {
  int64_t sum = 0;
  for (Value result : getResults()) {
    if (ShapedType::isDynamic(dim(result, 1)))
      return emitOpError() << "needs results of known width";
    if (failed(verifyRows(*this, getInput(), result, "input rows", "result rows")))
      return failure();
    sum += dim(result, 1);
  }
  if (!compatible(sum, dim(getInput(), 1)))
    return emitOpError() << "has results of width " << sum << " in all but an input of width "
                         << dim(getInput(), 1);
  return success();
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "needs at least one input";
  auto first = cast<RankedTensorType>(getInputs().front().getType());
  if (first.getRank() == 0)
    return emitOpError() << "needs tensors with at least one dimension";
  for (Value input : getInputs()) {
    auto type = cast<RankedTensorType>(input.getType());
    if (type.getElementType() != first.getElementType() || type.getRank() != first.getRank() ||
        type.getShape().drop_front() != first.getShape().drop_front())
      return emitOpError() << "has an input of type " << type << " that differs from the first input's type "
                           << first << " in more than the first dimension";
    if (type.isDynamicDim(0))
      return emitOpError() << "needs inputs with a known first dimension";
  }
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 && getInputs()[0].getType() == getResult().getType() ? getInputs()[0]
                                                                                      : Value();
}

LogicalResult ConvertOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()),
       result = cast<RankedTensorType>(getResult().getType());
  if (input.getShape() != result.getShape())
    return emitOpError() << "changes the shape from " << input << " to " << result;
  if (input.getElementType().isInteger() || result.getElementType().isInteger())
    return emitOpError() << "converts floating-point and block-quantized elements only";
  if (auto block = dyn_cast<BlockType>(result.getElementType())) {
    auto from = dyn_cast<BlockType>(input.getElementType());
    if (block.getAligned() && (!from || from.getFormat() != block.getFormat()))
      return emitOpError() << "aligns scales of " << input.getElementType() << " as " << block
                           << ", expected the same format";
    if (!block.getAligned() && !block.isActivation() &&
        !llvm::is_contained({BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_1}, block.getFormat()))
      return emitOpError() << "quantizes to q8_0, q4_0, q4_1, q16_k and q8_k, not to "
                           << stringifyBlockFormat(block.getFormat());
  }
  if (failed(verifyBlocks(*this, getInput(), "input")))
    return failure();
  return verifyBlocks(*this, getResult(), "result");
}

OpFoldResult ConvertOp::fold(FoldAdaptor) {
  return getInput().getType() == getResult().getType() ? getInput() : Value();
}
