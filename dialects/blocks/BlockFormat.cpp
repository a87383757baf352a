#include "dialects/blocks/BlockFormat.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "dialects/blocks/HalfFloat.h"

#pragma STDC FP_CONTRACT OFF

static_assert(std::endian::native == std::endian::little,
              "the formats are read in place and are little-endian");

namespace llmc::blocks {

/// In the order of StorageFormat.
static constexpr FormatTraits formatTraits[] = {
    // name, blockElements, blockBytes, codeBits, groupSize, zeroCode, hasMin
    {"F32", 1, 4, 0, 0, 0, false},        {"F16", 1, 2, 0, 0, 0, false},
    {"BF16", 1, 2, 0, 0, 0, false},       {"Q8_0", 32, 34, 8, 32, 128, false},
    {"Q4_0", 32, 18, 4, 32, 8, false},    {"Q4_1", 32, 20, 4, 32, 0, true},
    {"Q5_0", 32, 22, 5, 32, 16, false},   {"Q5_1", 32, 24, 5, 32, 0, true},
    {"Q4_K", 256, 144, 4, 32, 0, true},   {"Q5_K", 256, 176, 5, 32, 0, true},
    {"Q6_K", 256, 210, 6, 16, 32, false},
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

static uint16_t load16(const uint8_t *bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

static uint32_t load32(const uint8_t *bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// Codes of 32 elements from 16 bytes: low nibbles are elements 0 to 15, high nibbles 16 to 31.
static void splitNibbles(const uint8_t *nibbles, uint8_t *codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = nibbles[i] & 15;
    codes[i + 16] = nibbles[i] >> 4;
  }
}

/// Adds the fifth bits of 32 codes from a 32-bit mask, lowest bit first.
static void addFifthBits(uint32_t mask, uint8_t *codes) {
  for (int i = 0; i < 32; ++i)
    codes[i] |= (mask >> i & 1) << 4;
}

/// Scale and minimum `group` (0 to 7) of the 12 bytes in which Q4_K and Q5_K pack eight 6-bit pairs: bytes 0
/// to 3 hold the first four scales, 4 to 7 the first four minima, 8 to 11 the low nibbles of the other pairs,
/// whose upper two bits lie in the upper bits of bytes 0 to 7.
static void unpackScaleAndMin(const uint8_t *packed, int group, int &scale, int &minimum) {
  if (group < 4) {
    scale = packed[group] & 63;
    minimum = packed[group + 4] & 63;
    return;
  }
  scale = (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
  minimum = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
}

/// The super-scales and the eight pairs that Q4_K and Q5_K blocks begin with (16 bytes).
static void decodePairs(const uint8_t *block, float *scales, float *mins) {
  float superScale = halfToFloat(load16(block));
  float superMin = halfToFloat(load16(block + 2));
  for (int group = 0; group < 8; ++group) {
    int scale, minimum;
    unpackScaleAndMin(block + 4, group, scale, minimum);
    scales[group] = superScale * static_cast<float>(scale);
    mins[group] = -(superMin * static_cast<float>(minimum));
  }
}

static void decodeQ8_0(const uint8_t *block, uint8_t *codes, float *scales) {
  scales[0] = halfToFloat(load16(block));
  for (int i = 0; i < 32; ++i)
    codes[i] = block[2 + i] ^ 128; // two's complement to offset binary
}

static void decodeQ4_K(const uint8_t *block, uint8_t *codes, float *scales, float *mins) {
  decodePairs(block, scales, mins);
  const uint8_t *nibbles = block + 16;
  for (int pair = 0; pair < 4; ++pair) // low nibbles of 32 bytes are one group, high nibbles the next
    for (int i = 0; i < 32; ++i) {
      codes[64 * pair + i] = nibbles[32 * pair + i] & 15;
      codes[64 * pair + 32 + i] = nibbles[32 * pair + i] >> 4;
    }
}

static void decodeQ5_K(const uint8_t *block, uint8_t *codes, float *scales, float *mins) {
  decodePairs(block, scales, mins);
  const uint8_t *fifthBits = block + 16; // bit g of byte i belongs to element i of group g
  const uint8_t *nibbles = block + 48;
  for (int group = 0; group < 8; ++group)
    for (int i = 0; i < 32; ++i) {
      int nibble = nibbles[group / 2 * 32 + i] >> (group % 2 * 4) & 15;
      codes[32 * group + i] = static_cast<uint8_t>(nibble | (fifthBits[i] >> group & 1) << 4);
    }
}

static void decodeQ6_K(const uint8_t *block, uint8_t *codes, float *scales) {
  const uint8_t *lowBits = block;
  const uint8_t *highBits = block + 128;
  const uint8_t *groupScales = block + 192; // signed
  float superScale = halfToFloat(load16(block + 208));
  for (int group = 0; group < 16; ++group)
    scales[group] = superScale * static_cast<float>(static_cast<int8_t>(groupScales[group]));
  for (int half = 0; half < 2; ++half)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i) {
        int low = lowBits[64 * half + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
        int high = highBits[32 * half + i] >> (quarter * 2) & 3;
        codes[128 * half + 32 * quarter + i] = static_cast<uint8_t>(low | high << 4);
      }
}

/// Codes, scales and (only if the format has them) minima of one block.
static void decodeBlock(StorageFormat format, const uint8_t *block, uint8_t *codes, float *scales,
                        float *mins) {
  switch (format) {
  case StorageFormat::Q8_0:
    return decodeQ8_0(block, codes, scales);
  case StorageFormat::Q4_0:
    scales[0] = halfToFloat(load16(block));
    return splitNibbles(block + 2, codes);
  case StorageFormat::Q4_1:
    scales[0] = halfToFloat(load16(block));
    mins[0] = halfToFloat(load16(block + 2));
    return splitNibbles(block + 4, codes);
  case StorageFormat::Q5_0:
    scales[0] = halfToFloat(load16(block));
    splitNibbles(block + 6, codes);
    return addFifthBits(load32(block + 2), codes);
  case StorageFormat::Q5_1:
    scales[0] = halfToFloat(load16(block));
    mins[0] = halfToFloat(load16(block + 2));
    splitNibbles(block + 8, codes);
    return addFifthBits(load32(block + 4), codes);
  case StorageFormat::Q4_K:
    return decodeQ4_K(block, codes, scales, mins);
  case StorageFormat::Q5_K:
    return decodeQ5_K(block, codes, scales, mins);
  case StorageFormat::Q6_K:
    return decodeQ6_K(block, codes, scales);
  case StorageFormat::F32:
  case StorageFormat::F16:
  case StorageFormat::BF16:
    return;
  }
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
