//===- PanelLayout.cpp - packing of weights into panels -----------------------------------------------===//

#include "codegen/common/PanelLayout.h"

#include "dialects/blocks/HalfFloat.h"
#include "dialects/nn/NN.h"
#include "llvm/Support/MathExtras.h"
#include <bit>
#include <cstring>

using namespace mlir;

namespace llmc::codegen {

using blocks::StorageFormat;

StorageFormat storageFormatOf(Type element) {
  if (auto block = dyn_cast<nn::BlockType>(element))
    return *blocks::parseFormat(nn::stringifyBlockFormat(block.getFormat()));
  if (element.isF16())
    return StorageFormat::F16;
  if (element.isBF16())
    return StorageFormat::BF16;
  return StorageFormat::F32;
}

PanelLayout PanelLayout::get(Type element, int64_t lanes) {
  PanelLayout layout;
  layout.source = storageFormatOf(element);
  layout.lanes = lanes;
  const blocks::FormatTraits &traits = blocks::traitsOf(layout.source);
  if (traits.isQuantized()) {
    layout.kind = Kind::Codes;
    layout.groupSize = traits.groupSize;
    layout.codeBits = traits.codeBits <= 4 ? 4 : 8;
    layout.zeroCode = traits.zeroCode;
    layout.hasMin = traits.hasMin;
    layout.aligned = cast<nn::BlockType>(element).getAligned();
    layout.wideScales = !layout.aligned && !traits.halfScales;
  } else if (layout.source == StorageFormat::BF16) {
    layout.kind = Kind::BF16;
    layout.groupSize = 2;
  }
  return layout;
}

int64_t PanelLayout::weightBytes() const { return blocks::alignedWeightBytes(blocks::traitsOf(source)); }

int64_t PanelLayout::center() const { return blocks::alignedCenter(blocks::traitsOf(source)); }

int64_t PanelLayout::recordBytes() const {
  if (kind != Kind::Codes)
    return 4 * lanes;
  return scaleOffset() + scaleBytes() * (hasMin && !aligned ? 2 : 1);
}

/// Bytes that records and panels of aligned weights begin at a multiple of.
static constexpr int64_t kCacheLine = 64;

int64_t PanelLayout::unitBytes(int64_t inputs) const {
  return aligned ? llvm::alignTo(runs(inputs) * lanes, kCacheLine) : 0;
}

int64_t PanelLayout::panelBytes(int64_t inputs) const {
  const int64_t bytes = unitBytes(inputs) + groups(inputs) * recordBytes();
  return aligned ? llvm::alignTo(bytes, kCacheLine) : bytes;
}

SmallVector<int64_t> PanelLayout::packedShape(int64_t outputs, int64_t inputs) const {
  if (aligned)
    return {panels(outputs), panelBytes(inputs)};
  return {panels(outputs), groups(inputs), recordBytes()};
}

namespace {

void packFloats(const PanelLayout &layout, ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) {
  const int64_t bytes = layout.kind == PanelLayout::Kind::F32 ? 4 : 2;
  for (auto [lane, row] : llvm::enumerate(rows))
    for (int64_t k = 0; row && k < inputs; ++k)
      std::memcpy(target + (k / layout.groupSize) * layout.recordBytes() + lane * 4 +
                      k % layout.groupSize * bytes,
                  row + k * bytes, bytes);
}

void storeScale(const PanelLayout &layout, uint8_t *target, int64_t lane, float value) {
  if (layout.wideScales) {
    std::memcpy(target + lane * 4, &value, 4);
    return;
  }
  uint16_t half = blocks::floatToHalf(value);
  std::memcpy(target + lane * 2, &half, 2);
}

/// Puts the code of input `i` of a group into its record.
void storeCode(const PanelLayout &layout, uint8_t *record, int64_t lane, int64_t i, uint8_t code) {
  if (layout.codeBits == 8)
    record[(i / 4 * layout.lanes + lane) * 4 + i % 4] = code;
  else
    record[(i / 8 * layout.lanes + lane) * 4 + i % 4] |= i % 8 < 4 ? code : code << 4;
}

void packCodes(const PanelLayout &layout, ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) {
  const int64_t groups = layout.groups(inputs);
  std::vector<uint8_t> codes(inputs);
  std::vector<float> scales(groups), mins(groups);
  for (auto [lane, row] : llvm::enumerate(rows)) {
    if (!row)
      continue;
    blocks::decodeCodes(layout.source, row, inputs, codes.data(), scales.data(), mins.data());
    for (int64_t group = 0; group < groups; ++group) {
      uint8_t *record = target + group * layout.recordBytes();
      for (int64_t i = 0; i < layout.groupSize; ++i)
        storeCode(layout, record, lane, i, codes[group * layout.groupSize + i]);
      storeScale(layout, record + layout.scaleOffset(), lane, scales[group]);
      if (layout.hasMin)
        storeScale(layout, record + layout.minOffset(), lane, mins[group]);
    }
  }
}

void packAligned(const PanelLayout &layout, ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) {
  const int64_t rowGroupBytes = sizeof(blocks::AlignedGroup) + layout.groupSize;
  for (auto [lane, row] : llvm::enumerate(rows)) {
    for (int64_t group = 0; row && group < layout.groups(inputs); ++group) {
      blocks::AlignedGroup numbers;
      std::memcpy(&numbers, row + group * rowGroupBytes, sizeof(numbers));
      const uint8_t *codes = row + group * rowGroupBytes + sizeof(numbers);
      uint8_t *record = target + layout.unitBytes(inputs) + group * layout.recordBytes();
      for (int64_t i = 0; i < layout.groupSize; ++i)
        storeCode(layout, record, lane, i, codes[i]);
      const auto scale = static_cast<int16_t>(numbers.scale), minimum = static_cast<int16_t>(numbers.minimum);
      uint8_t *place = record + layout.scaleOffset() + lane * layout.scaleBytes() / layout.lanes;
      std::memcpy(place, &scale, 2);
      if (layout.hasMin)
        std::memcpy(place + 2, &minimum, 2);
      if (group % layout.groupsPerRun() == 0)
        target[group / layout.groupsPerRun() * layout.lanes + lane] =
            static_cast<uint8_t>(std::bit_cast<uint32_t>(numbers.unit) >> 23);
    }
  }
}

} // namespace

void PanelLayout::packPanel(ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) const {
  std::memset(target, 0, panelBytes(inputs));
  if (aligned)
    packAligned(*this, rows, inputs, target);
  else if (kind == Kind::Codes)
    packCodes(*this, rows, inputs, target);
  else
    packFloats(*this, rows, inputs, target);
}

} // namespace llmc::codegen
