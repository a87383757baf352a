#ifndef LLMC_DIALECTS_BLOCKS_HALFFLOAT_H
#define LLMC_DIALECTS_BLOCKS_HALFFLOAT_H

#include <bit>
#include <cstdint>

namespace llmc::blocks {

/// The f32 value of IEEE binary16 `bits`; exact. Does not depend on the processor's treatment of subnormals.
inline float halfToFloat(uint16_t bits) {
  uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fff) << 13;
  uint32_t exponent = magnitude & 0x0f800000;
  magnitude += (127 - 15) << 23;
  if (exponent == 0x0f800000)
    magnitude += (128 - 16) << 23; // infinity or NaN
  else if (exponent == 0)
    // Subnormal: give it an implicit one, then take that away in normal arithmetic.
    magnitude = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude + (1 << 23)) - 0x1p-14f);
  return std::bit_cast<float>(magnitude | static_cast<uint32_t>(bits & 0x8000) << 16);
}

/// `value` rounded to IEEE binary16, ties to even. Magnitudes from 65520 become infinity; NaN stays NaN.
inline uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x47800000) // 65536 and above
    return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half: shift the significand in and round what falls out.
    if (magnitude < 0x33000000)
      return sign;
    uint32_t shift = 126 - (magnitude >> 23);
    uint32_t significand = (magnitude & 0x7fffff) | 0x800000;
    uint32_t result = significand >> shift;
    uint32_t rest = significand & ((1u << shift) - 1);
    uint32_t half = 1u << (shift - 1);
    return static_cast<uint16_t>(sign | (result + (rest > half || (rest == half && (result & 1)))));
  }
  // The carry of the rounding may run into the exponent, up to infinity: that is right.
  uint32_t rounded = magnitude - ((127 - 15) << 23) + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

/// The f32 value of bfloat16 `bits`; exact.
inline float bfloatToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// `value` rounded to bfloat16, ties to even. NaN stays NaN.
inline uint16_t floatToBfloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace llmc::blocks

#endif // LLMC_DIALECTS_BLOCKS_HALFFLOAT_H
