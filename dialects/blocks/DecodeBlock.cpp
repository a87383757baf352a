#include "dialects/blocks/DecodeBlock.h"

#include <bit>
#include <cstring>

#include "dialects/blocks/HalfFloat.h"

#pragma STDC FP_CONTRACT OFF

static_assert(std::endian::native == std::endian::little,
              "the formats are read in place and are little-endian");

namespace llmc::blocks {

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

/// The numbers that the 4-bit codes of IQ4_NL and IQ4_XS stand for.
static constexpr int8_t nonlinearValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

/// Twice the numbers that the codes of MXFP4 (E2M1) stand for.
static constexpr int8_t doubledE2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Codes of 32 elements whose 16 bytes of nibbles are places in a table of numbers: `zeroCode` stands for 0.
static void lookUpNibbles(const uint8_t *nibbles, const int8_t (&table)[16], int zeroCode, uint8_t *codes) {
  splitNibbles(nibbles, codes);
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>(table[codes[i]] + zeroCode);
}

/// 2^(exponent - 128), half of what E8M0 means by `exponent`: the other half is in doubledE2m1.
static float halfOfE8m0(uint8_t exponent) {
  return std::bit_cast<float>(exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23);
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

static void decodeQ2_K(const uint8_t *block, uint8_t *codes, float *scales, float *mins) {
  const uint8_t *pairs = block; // low nibbles are scales, high ones minima
  const uint8_t *quarters = block + 16;
  float superScale = halfToFloat(load16(block + 80));
  float superMin = halfToFloat(load16(block + 82));
  for (int group = 0; group < 16; ++group) {
    scales[group] = superScale * static_cast<float>(pairs[group] & 15);
    mins[group] = -(superMin * static_cast<float>(pairs[group] >> 4));
  }
  for (int half = 0; half < 2; ++half)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i)
        codes[128 * half + 32 * quarter + i] = quarters[32 * half + i] >> (2 * quarter) & 3;
}

static void decodeQ3_K(const uint8_t *block, uint8_t *codes, float *scales) {
  const uint8_t *highBits = block; // bit q of byte i belongs to element i of the q-th 32 elements
  const uint8_t *lowBits = block + 32;
  const uint8_t *packed = block + 96; // 8 bytes of low nibbles, then 4 with the upper two bits
  float superScale = halfToFloat(load16(block + 108));
  for (int group = 0; group < 16; ++group) {
    int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    int high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
    scales[group] = superScale * static_cast<float>((low | high << 4) - 32);
  }
  for (int half = 0; half < 2; ++half)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i) {
        int low = lowBits[32 * half + i] >> (2 * quarter) & 3;
        int high = highBits[i] >> (4 * half + quarter) & 1;
        codes[128 * half + 32 * quarter + i] = static_cast<uint8_t>(low | high << 2);
      }
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

static void decodeIQ4_XS(const uint8_t *block, uint8_t *codes, float *scales) {
  float superScale = halfToFloat(load16(block));
  const uint16_t highBits = load16(block + 2); // of the scales
  const uint8_t *lowBits = block + 4;
  const uint8_t *nibbles = block + 8;
  for (int group = 0; group < 8; ++group) {
    int low = lowBits[group / 2] >> (group % 2 * 4) & 15;
    int high = highBits >> (2 * group) & 3;
    scales[group] = superScale * static_cast<float>((low | high << 4) - 32);
    lookUpNibbles(nibbles + 16 * group, nonlinearValues, 128, codes + 32 * group);
  }
}

void decodeBlock(StorageFormat format, const uint8_t *block, uint8_t *codes, float *scales, float *mins) {
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
  case StorageFormat::Q2_K:
    return decodeQ2_K(block, codes, scales, mins);
  case StorageFormat::Q3_K:
    return decodeQ3_K(block, codes, scales);
  case StorageFormat::Q4_K:
    return decodeQ4_K(block, codes, scales, mins);
  case StorageFormat::Q5_K:
    return decodeQ5_K(block, codes, scales, mins);
  case StorageFormat::Q6_K:
    return decodeQ6_K(block, codes, scales);
  case StorageFormat::IQ4_NL:
    scales[0] = halfToFloat(load16(block));
    return lookUpNibbles(block + 2, nonlinearValues, 128, codes);
  case StorageFormat::IQ4_XS:
    return decodeIQ4_XS(block, codes, scales);
  case StorageFormat::MXFP4:
    scales[0] = halfOfE8m0(block[0]);
    return lookUpNibbles(block + 1, doubledE2m1, 16, codes);
  case StorageFormat::F32:
  case StorageFormat::F16:
  case StorageFormat::BF16:
    return;
  }
}

} // namespace llmc::blocks
