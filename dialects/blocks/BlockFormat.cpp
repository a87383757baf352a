#include "dialects/blocks/BlockFormat.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "dialects/blocks/DecodeBlock.h"
#include "dialects/blocks/HalfFloat.h"

#pragma STDC FP_CONTRACT OFF

static uint16_t load16(const uint8_t *bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

namespace llmc::blocks {

/// In the order of StorageFormat.
static constexpr FormatTraits formatTraits[] = {
    // name, blockElements, blockBytes, codeBits, groupSize, zeroCode, hasMin, halfScales
    {"F32", 1, 4, 0, 0, 0, false, false},           {"F16", 1, 2, 0, 0, 0, false, false},
    {"BF16", 1, 2, 0, 0, 0, false, false},          {"Q8_0", 32, 34, 8, 32, 128, false, true},
    {"Q4_0", 32, 18, 4, 32, 8, false, true},        {"Q4_1", 32, 20, 4, 32, 0, true, true},
    {"Q5_0", 32, 22, 5, 32, 16, false, true},       {"Q5_1", 32, 24, 5, 32, 0, true, true},
    {"Q2_K", 256, 84, 2, 16, 0, true, false},       {"Q3_K", 256, 110, 3, 16, 4, false, false},
    {"Q4_K", 256, 144, 4, 32, 0, true, false},      {"Q5_K", 256, 176, 5, 32, 0, true, false},
    {"Q6_K", 256, 210, 6, 16, 32, false, false},    {"IQ4_NL", 32, 18, 8, 32, 128, false, true},
    {"IQ4_XS", 256, 136, 8, 32, 128, false, false}, {"MXFP4", 32, 17, 5, 32, 16, false, false},
};
static_assert(std::size(formatTraits) == allFormats.size());

const FormatTraits &traitsOf(StorageFormat format) { return formatTraits[static_cast<size_t>(format)]; }

std::optional<StorageFormat> parseFormat(std::string_view name) {
  auto sameLetter = [](char a, char b) {
    return std::toupper(static_cast<unsigned char>(a)) == std::toupper(static_cast<unsigned char>(b));
  };
  for (StorageFormat format : allFormats)
    if (std::ranges::equal(name, nameOf(format), sameLetter))
      return format;
  return std::nullopt;
}

std::string listFormats() {
  std::string list;
  for (StorageFormat format : allFormats) {
    if (!list.empty())
      list += ", ";
    list += nameOf(format);
  }
  return list;
}

/// No block has more elements or groups than this.
static constexpr int64_t maxBlockElements = 256;
static constexpr int64_t maxBlockGroups = 16;

void decodeCodes(StorageFormat format, const uint8_t *source, int64_t elements, uint8_t *codes, float *scales,
                 float *mins) {
  const FormatTraits &traits = traitsOf(format);
  if (!traits.isQuantized())
    return;
  int64_t groups = traits.blockElements / traits.groupSize;
  for (int64_t block = 0; block < elements / traits.blockElements; ++block) {
    float blockMins[maxBlockGroups];
    decodeBlock(format, source, codes, scales, blockMins);
    if (mins) {
      for (int64_t group = 0; group < groups; ++group)
        mins[group] = traits.hasMin ? blockMins[group] : -static_cast<float>(traits.zeroCode) * scales[group];
      mins += groups;
    }
    source += traits.blockBytes;
    codes += traits.blockElements;
    scales += groups;
  }
}

static void dequantizeBlocks(StorageFormat format, const uint8_t *source, int64_t blocks, float *target) {
  const FormatTraits &traits = traitsOf(format);
  uint8_t codes[maxBlockElements];
  float scales[maxBlockGroups], mins[maxBlockGroups];
  for (int64_t block = 0; block < blocks; ++block, source += traits.blockBytes) {
    decodeBlock(format, source, codes, scales, mins);
    const uint8_t *code = codes;
    for (int64_t group = 0; group < traits.blockElements / traits.groupSize; ++group) {
      if (traits.hasMin)
        for (int i = 0; i < traits.groupSize; ++i)
          *target++ = scales[group] * static_cast<float>(*code++) + mins[group];
      else
        for (int i = 0; i < traits.groupSize; ++i)
          *target++ = scales[group] * static_cast<float>(*code++ - traits.zeroCode);
    }
  }
}

void dequantize(StorageFormat format, const uint8_t *source, int64_t elements, float *target) {
  switch (format) {
  case StorageFormat::F32:
    std::memcpy(target, source, elements * sizeof(float));
    return;
  case StorageFormat::F16:
    for (int64_t i = 0; i < elements; ++i)
      target[i] = halfToFloat(load16(source + 2 * i));
    return;
  case StorageFormat::BF16:
    for (int64_t i = 0; i < elements; ++i)
      target[i] = bfloatToFloat(load16(source + 2 * i));
    return;
  default:
    return dequantizeBlocks(format, source, elements / traitsOf(format).blockElements, target);
  }
}

} // namespace llmc::blocks
