#include <algorithm>
#include <cmath>
#include <cstring>

#include "dialects/blocks/BlockFormat.h"
#include "dialects/blocks/HalfFloat.h"
#include "dialects/blocks/QuantizeK.h"

#pragma STDC FP_CONTRACT OFF

namespace llmc::blocks {

/// The largest magnitude that a half can hold; a scale or minimum beyond it would become infinity.
static constexpr float maxHalf = 65504.0f;

static void store16(uint16_t value, uint8_t *bytes) { std::memcpy(bytes, &value, sizeof(value)); }

static void storeNibbles(const uint8_t *codes, uint8_t *nibbles) {
  for (int i = 0; i < 16; ++i)
    nibbles[i] = static_cast<uint8_t>(codes[i] | codes[i + 16] << 4);
}

/// The element of a block of 32 with the largest magnitude.
static int64_t largestOf(const float *values) {
  return std::max_element(values, values + 32, [](float a, float b) { return std::fabs(a) < std::fabs(b); }) -
         values;
}

/// Scale so that the largest magnitude becomes code 127; halves away from zero.
static std::optional<int64_t> quantizeQ8_0(const float *values, uint8_t *block) {
  int64_t largest = largestOf(values);
  float scale = std::fabs(values[largest]) / 127.0f;
  if (scale > maxHalf)
    return largest;
  float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  store16(floatToHalf(scale), block);
  for (int i = 0; i < 32; ++i)
    block[2 + i] = static_cast<uint8_t>(
        static_cast<int8_t>(std::clamp(std::round(values[i] * inverse), -127.0f, 127.0f)));
  return std::nullopt;
}

/// Scale so that the value of the largest magnitude becomes code 0, which stands for -8.
static std::optional<int64_t> quantizeQ4_0(const float *values, uint8_t *block) {
  int64_t largest = largestOf(values);
  float scale = values[largest] / -8.0f;
  if (std::fabs(scale) > maxHalf)
    return largest;
  float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  store16(floatToHalf(scale), block);
  uint8_t codes[32];
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>(std::clamp(values[i] * inverse + 8.5f, 0.0f, 15.0f));
  storeNibbles(codes, block + 2);
  return std::nullopt;
}

/// Smallest value becomes code 0, largest code 15.
static std::optional<int64_t> quantizeQ4_1(const float *values, uint8_t *block) {
  auto [smallest, largest] = std::minmax_element(values, values + 32);
  float scale = (*largest - *smallest) / 15.0f;
  if (std::fabs(*smallest) > maxHalf)
    return smallest - values;
  if (scale > maxHalf)
    return largest - values;
  float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  store16(floatToHalf(scale), block);
  store16(floatToHalf(*smallest), block + 2);
  uint8_t codes[32];
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>(std::clamp((values[i] - *smallest) * inverse + 0.5f, 0.0f, 15.0f));
  storeNibbles(codes, block + 4);
  return std::nullopt;
}

bool canQuantize(StorageFormat format) {
  switch (format) {
  case StorageFormat::F32:
  case StorageFormat::F16:
  case StorageFormat::BF16:
  case StorageFormat::Q8_0:
  case StorageFormat::Q4_0:
  case StorageFormat::Q4_1:
  case StorageFormat::Q4_K:
  case StorageFormat::Q6_K:
    return true;
  default:
    return false;
  }
}

/// One element of a plain format; false if it does not fit.
static bool storeFloat(StorageFormat format, float value, uint8_t *bytes) {
  if (!std::isfinite(value))
    return false;
  if (format == StorageFormat::F32) {
    std::memcpy(bytes, &value, sizeof(value));
    return true;
  }
  if (format == StorageFormat::F16) {
    uint16_t half = floatToHalf(value);
    store16(half, bytes);
    return (half & 0x7c00) != 0x7c00;
  }
  uint16_t bfloat = floatToBfloat(value);
  store16(bfloat, bytes);
  return (bfloat & 0x7f80) != 0x7f80;
}

/// One block of finite values; the index of one that is too large.
static std::optional<int64_t> quantizeBlock(StorageFormat format, const float *values, uint8_t *block) {
  switch (format) {
  case StorageFormat::Q8_0:
    return quantizeQ8_0(values, block);
  case StorageFormat::Q4_0:
    return quantizeQ4_0(values, block);
  case StorageFormat::Q4_1:
    return quantizeQ4_1(values, block);
  case StorageFormat::Q4_K:
    return quantizeQ4_K(values, block);
  default:
    return quantizeQ6_K(values, block);
  }
}

std::optional<int64_t> quantize(StorageFormat format, const float *source, int64_t elements,
                                uint8_t *target) {
  const FormatTraits &traits = traitsOf(format);
  for (int64_t first = 0; first < elements; first += traits.blockElements, target += traits.blockBytes) {
    const float *values = source + first;
    if (!traits.isQuantized()) {
      if (!storeFloat(format, *values, target))
        return first;
      continue;
    }
    for (int64_t i = 0; i < traits.blockElements; ++i)
      if (!std::isfinite(values[i]))
        return first + i;
    if (std::optional<int64_t> tooLarge = quantizeBlock(format, values, target))
      return first + *tooLarge;
  }
  return std::nullopt;
}

} // namespace llmc::blocks
