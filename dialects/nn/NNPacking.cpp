//===- NNPacking.cpp - weights as kernels read them --------------------------------------------------===//

#include "dialects/blocks/AlignedScales.h"
#include "dialects/nn/NN.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {
/// One of the four-number segments of nn.align_heads.
struct HeadSegment {
  int64_t heads, size, rotaryDims, style;
};

SmallVector<HeadSegment> segmentsOf(ArrayRef<int64_t> numbers) {
  SmallVector<HeadSegment> segments;
  for (size_t i = 0; i + 3 < numbers.size(); i += 4)
    segments.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
  return segments;
}
} // namespace

int64_t AlignHeadsOp::getAlignedSize(int64_t size, int64_t rotaryDims, int64_t lanes) {
  auto padded = [&](int64_t n) { return static_cast<int64_t>(llvm::alignTo(n, lanes)); };
  return 2 * padded(rotaryDims / 2) + padded(size - rotaryDims);
}

LogicalResult AlignHeadsOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                             SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  const int64_t lanes = adaptor.getLanes();
  types.push_back(input);
  if (input.getRank() == 0 || lanes <= 0)
    return success(); // the verifier says what is wrong
  int64_t rows = 0;
  for (const HeadSegment &segment : segmentsOf(adaptor.getSegments()))
    rows += segment.heads * getAlignedSize(segment.size, segment.rotaryDims, lanes);
  SmallVector<int64_t> shape(input.getShape());
  shape[0] = rows >= 0 ? rows : ShapedType::kDynamic;
  types.back() = input.clone(shape);
  return success();
}

SmallVector<int64_t> AlignHeadsOp::getRowOrder() {
  SmallVector<int64_t> order;
  const int64_t lanes = getLanes();
  int64_t base = 0;
  auto padPart = [&] { order.resize(llvm::alignTo(order.size(), lanes), -1); };
  for (const HeadSegment &segment : segmentsOf(getSegments())) {
    const int64_t pairs = segment.rotaryDims / 2;
    for (int64_t head = 0; head < segment.heads; ++head, base += segment.size) {
      for (int64_t member = 0; member < 2; ++member) {
        for (int64_t i = 0; i < pairs; ++i)
          order.push_back(base + (segment.style == 1 ? 2 * i + member : member * pairs + i));
        padPart();
      }
      for (int64_t i = segment.rotaryDims; i < segment.size; ++i)
        order.push_back(base + i);
      padPart();
    }
  }
  return order;
}

LogicalResult AlignHeadsOp::verify() {
  if (getSegments().size() % 4 != 0 || getLanes() <= 0)
    return emitOpError() << "needs four numbers a segment and a positive number of lanes";
  int64_t rows = 0;
  for (const HeadSegment &segment : segmentsOf(getSegments())) {
    if (segment.heads < 0 || segment.size <= 0 || segment.rotaryDims < 0 ||
        segment.rotaryDims > segment.size || segment.rotaryDims % 2 != 0)
      return emitOpError() << "has a segment of " << segment.heads << " heads of " << segment.size << " with "
                           << segment.rotaryDims << " rotary dimensions";
    rows += segment.heads * segment.size;
  }
  auto type = cast<RankedTensorType>(getInput().getType());
  if (type.getRank() == 0)
    return emitOpError() << "needs tensors with at least one dimension";
  if (type.getDimSize(0) != rows)
    return emitOpError() << "has segments of " << rows << " rows in all, but an input with "
                         << type.getDimSize(0);
  return success();
}

namespace {
/// What one record of a packed weight covers and takes: the inputs of a group, and bytes for each lane.
struct PackedGroup {
  int64_t inputs, bytesPerLane;
};

PackedGroup packedGroupOf(BlockType block) {
  const blocks::FormatTraits &traits =
      blocks::traitsOf(*blocks::parseFormat(stringifyBlockFormat(block.getFormat())));
  const int64_t codeBits = traits.codeBits <= 4 ? 4 : 8;
  const int64_t scaleBytes = traits.halfScales || block.getAligned() ? 2 : 4;
  return {traits.groupSize, traits.groupSize * codeBits / 8 + scaleBytes * (traits.hasMin ? 2 : 1)};
}

/// The groups of weights with elements of type `element`, or nothing if such weights are not packed.
std::optional<PackedGroup> packedGroupOf(Type element) {
  if (element.isF32())
    return PackedGroup{1, 4};
  if (element.isBF16())
    return PackedGroup{2, 4};
  auto block = dyn_cast<BlockType>(element);
  if (!block || block.isActivation())
    return std::nullopt;
  return packedGroupOf(block);
}

/// Panels, and what each consists of: groups of records, or, where units come before the records, bytes.
SmallVector<int64_t> packedShape(RankedTensorType weight, const PackedGroup &group, int64_t lanes) {
  const int64_t panels = llvm::divideCeilSigned(weight.getDimSize(0), lanes);
  const int64_t groups = llvm::divideCeilSigned(weight.getDimSize(1), group.inputs);
  auto block = dyn_cast<BlockType>(weight.getElementType());
  if (!block || !block.getAligned())
    return {panels, groups, group.bytesPerLane * lanes};
  constexpr int64_t kCacheLine = 64;
  const int64_t runs = llvm::divideCeilSigned(weight.getDimSize(1), blocks::alignedRun);
  const int64_t units = llvm::alignTo(runs * lanes, kCacheLine);
  return {panels,
          static_cast<int64_t>(llvm::alignTo(units + groups * group.bytesPerLane * lanes, kCacheLine))};
}
} // namespace

/// Tiles of fragments and their bytes (codegen/common/FragmentLayout.h).
static std::optional<SmallVector<int64_t>> fragmentShape(RankedTensorType weight) {
  constexpr int64_t kOutputs = 16, kInputs = 64;
  int64_t recordBytes = kOutputs * kInputs * 2;
  if (auto block = dyn_cast<BlockType>(weight.getElementType())) {
    const blocks::FormatTraits &traits =
        blocks::traitsOf(*blocks::parseFormat(stringifyBlockFormat(block.getFormat())));
    if (block.isActivation() || block.getAligned())
      return std::nullopt;
    const PackedGroup group = packedGroupOf(block);
    recordBytes = kOutputs * (kInputs / traits.groupSize) * group.bytesPerLane;
  } else if (!weight.getElementType().isBF16()) {
    return std::nullopt;
  }
  return SmallVector<int64_t>{llvm::divideCeilSigned(weight.getDimSize(0), kOutputs),
                              llvm::divideCeilSigned(weight.getDimSize(1), kInputs) * recordBytes};
}

LogicalResult PackOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto weight = cast<RankedTensorType>(adaptor.getInput().getType());
  const int64_t lanes = adaptor.getLanes();
  if (lanes <= 0)
    return emitOptionalError(location, "'nn.pack' op needs a positive number of lanes, but has ", lanes);
  if (!weight.hasStaticShape())
    return emitOptionalError(location, "'nn.pack' op needs a weight of known sizes, but has ", weight);
  if (adaptor.getFragments()) {
    std::optional<SmallVector<int64_t>> shape = fragmentShape(weight);
    if (!shape || lanes != 16)
      return emitOptionalError(location,
                               "'nn.pack' op packs 16 lanes of bf16 and block-quantized elements into "
                               "fragments, not ",
                               lanes, " of ", weight);
    types.push_back(RankedTensorType::get(*shape, IntegerType::get(context, 8)));
    return success();
  }
  std::optional<PackedGroup> group = packedGroupOf(weight.getElementType());
  if (!group)
    return emitOptionalError(
        location, "'nn.pack' op packs weights of f32, bf16 and block-quantized elements, not ", weight);
  types.push_back(RankedTensorType::get(packedShape(weight, *group, lanes), IntegerType::get(context, 8)));
  return success();
}
