//===- FragmentLayout.cpp - weights in the order of tensor cores ---------------------------------------===//

#include "codegen/common/FragmentLayout.h"

#include "codegen/common/PanelLayout.h"
#include "dialects/blocks/HalfFloat.h"
#include "dialects/nn/NN.h"
#include <cstring>

using namespace mlir;

namespace llmc::codegen {

FragmentLayout FragmentLayout::get(Type element) {
  FragmentLayout layout;
  layout.source = storageFormatOf(element);
  const blocks::FormatTraits &traits = blocks::traitsOf(layout.source);
  if (!traits.isQuantized())
    return layout;
  layout.codeBits = traits.codeBits <= 4 ? 4 : 8;
  layout.groupSize = traits.groupSize;
  layout.zeroCode = traits.zeroCode;
  layout.hasMin = traits.hasMin;
  layout.wideScales = !traits.halfScales;
  return layout;
}

int64_t FragmentLayout::codeOffset(int64_t step, int64_t lane) const {
  constexpr int64_t loadBytes = 16, warp = 32;
  const int64_t stepBytes = codeBits; // 8 codes of a thread
  const int64_t stepsPerLoad = loadBytes / stepBytes;
  return step / stepsPerLoad * warp * loadBytes + lane * loadBytes + step % stepsPerLoad * stepBytes;
}

namespace {

/// The place of an output and an input in the fragments of a record.
struct FragmentPlace {
  int64_t step, lane;
  int64_t word; ///< register of operand A
  int64_t half; ///< of the register

  FragmentPlace(int64_t output, int64_t input)
      : step(input / FragmentLayout::stepInputs), lane(output % 8 * 4 + input % 8 / 2),
        word(output / 8 + input % FragmentLayout::stepInputs / 8 * 2), half(input % 2) {}
};

void putScale(uint8_t *target, float value, bool wide) {
  if (wide) {
    std::memcpy(target, &value, 4);
    return;
  }
  const uint16_t half = blocks::floatToHalf(value);
  std::memcpy(target, &half, 2);
}

} // namespace

void FragmentLayout::packTile(ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) const {
  std::memset(target, 0, tileBytes(inputs));
  auto recordOf = [&](int64_t input) { return target + input / recordInputs * recordBytes(); };
  std::vector<uint8_t> codes(isQuantized() ? inputs : 0);
  const int64_t groupCount = inputs / groupSize;
  std::vector<float> scales(groupCount), mins(groupCount);
  for (auto [output, row] : llvm::enumerate(rows)) {
    if (!row)
      continue;
    if (isQuantized())
      blocks::decodeCodes(source, row, inputs, codes.data(), scales.data(), mins.data());
    for (int64_t input = 0; input < inputs; ++input) {
      const FragmentPlace place(output, input % recordInputs);
      uint8_t *step = recordOf(input) + codeOffset(place.step, place.lane);
      if (codeBits == 16)
        std::memcpy(step + place.word * 4 + place.half * 2, row + input * 2, 2);
      else if (codeBits == 8)
        step[place.word * 2 + place.half] = codes[input];
      else // one mask takes the two codes of a register out of the word, 16 bits apart
        step[place.half * 2 + place.word / 2] |= codes[input] << (place.word % 2 * 4);
    }
    for (int64_t group = 0; isQuantized() && group < groupCount; ++group) {
      uint8_t *place = recordOf(group * groupSize) + scaleOffset(output % 8) +
                       output / 8 * outputScaleBytes() + group % groups() * scaleBytes() * (hasMin ? 2 : 1);
      putScale(place, scales[group], wideScales);
      if (hasMin)
        putScale(place + scaleBytes(), mins[group], wideScales);
    }
  }
}

} // namespace llmc::codegen
