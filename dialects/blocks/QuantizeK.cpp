#include "dialects/blocks/QuantizeK.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "dialects/blocks/HalfFloat.h"

#pragma STDC FP_CONTRACT OFF

namespace llmc::blocks {

namespace {

constexpr int kElements = 256;
/// Below the largest f16, so that the next number still is one.
constexpr float kLargestScale = 65440.0f;

void store16(uint16_t value, uint8_t *bytes) { std::memcpy(bytes, &value, sizeof(value)); }

/// Stores the super-scale of which `steps` are `largest`, as f16, and returns it: where it is subnormal, as
/// those of weights mostly are, it is not rounded down, so that steps reach the largest.
float storeSuperScale(float largest, float steps, uint8_t *bytes) {
  uint16_t half = floatToHalf(largest / steps);
  if (std::fabs(halfToFloat(half) * steps) < std::fabs(largest))
    ++half; // the next number away from zero
  store16(half, bytes);
  return halfToFloat(half);
}

int nearest(float value, int least, int most) {
  return std::clamp(static_cast<int>(std::nearbyint(value)), least, most);
}

/// The scale s for which s * code, with codes from -32 to 31, is nearest to the values of a group of 16.
float fitScale(const float *values) {
  constexpr int kGroup = 16;
  const float largest = *std::max_element(values, values + kGroup,
                                          [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  if (largest == 0)
    return 0;
  float best = 0;
  double bestError = INFINITY;
  // The largest magnitude is to become a code near -32.
  for (float code = 30.5f; code <= 33.5f; code += 0.125f) {
    const float inverse = -code / largest;
    if (!std::isfinite(inverse))
      break;
    double products = 0, squares = 0;
    for (int i = 0; i < kGroup; ++i) {
      const double integer = nearest(values[i] * inverse, -32, 31);
      products += integer * values[i];
      squares += integer * integer;
    }
    const float scale = static_cast<float>(products / squares); // squares > 0: the largest has a code
    double error = 0;
    for (int i = 0; i < kGroup; ++i) {
      const double difference = values[i] - double(scale) * nearest(values[i] * inverse, -32, 31);
      error += difference * difference;
    }
    if (error < bestError) {
      bestError = error;
      best = scale;
    }
  }
  return best != 0 ? best : largest / -32.0f;
}

/// A group is scale * code - minimum.
struct Line {
  float scale = 0, minimum = 0;
};

/// The line on which codes from 0 to 15 are nearest to the values of a group of 32; its minimum is not
/// negative.
Line fitLine(const float *values) {
  constexpr int kGroup = 32, kLargestCode = 15;
  const auto [smallest, largest] = std::minmax_element(values, values + kGroup);
  const float low = std::min(*smallest, 0.0f), range = *largest - low;
  if (!(range > 0))
    return {0, -low};
  Line best;
  double bestError = INFINITY;
  for (float steps = kLargestCode - 1.0f; steps <= kLargestCode + 1.0f; steps += 0.125f) {
    Line line = {range / steps, -low};
    // Codes for the line, then the best line for the codes.
    double n = kGroup, codes = 0, squares = 0, sum = 0, products = 0;
    for (int i = 0; i < kGroup; ++i) {
      const double code = nearest((values[i] + line.minimum) / line.scale, 0, kLargestCode);
      codes += code;
      squares += code * code;
      sum += values[i];
      products += code * values[i];
    }
    const double determinant = n * squares - codes * codes;
    if (determinant > 0) {
      double scale = (n * products - codes * sum) / determinant;
      double minimum = (codes * products - squares * sum) / determinant;
      if (minimum < 0) {
        minimum = 0;
        scale = products / squares;
      }
      if (scale > 0)
        line = {static_cast<float>(scale), static_cast<float>(minimum)};
    }
    double error = 0;
    for (int i = 0; i < kGroup; ++i) {
      const int code = nearest((values[i] + line.minimum) / line.scale, 0, kLargestCode);
      const double difference = double(line.scale) * code - line.minimum - values[i];
      error += difference * difference;
    }
    if (error < bestError) {
      bestError = error;
      best = line;
    }
  }
  return best;
}

int64_t largestOf(const float *values) {
  return std::max_element(values, values + kElements,
                          [](float a, float b) { return std::fabs(a) < std::fabs(b); }) -
         values;
}

} // namespace

std::optional<int64_t> quantizeQ6_K(const float *values, uint8_t *block) {
  constexpr int kGroups = 16, kGroup = 16;
  float scales[kGroups], largest = 0;
  for (int group = 0; group < kGroups; ++group) {
    scales[group] = fitScale(values + group * kGroup);
    if (std::fabs(scales[group]) > std::fabs(largest))
      largest = scales[group];
  }
  std::memset(block, 0, 210);
  // The largest scale becomes -128, which stores it with the most bits.
  if (std::fabs(largest / 128) > kLargestScale)
    return largestOf(values);
  const float superScale = storeSuperScale(largest, -128, block + 208);
  uint8_t codes[kElements];
  for (int group = 0; group < kGroups; ++group) {
    const int integer = superScale != 0 ? nearest(scales[group] / superScale, -128, 127) : 0;
    block[192 + group] = static_cast<uint8_t>(static_cast<int8_t>(integer));
    const float scale = superScale * static_cast<float>(integer);
    for (int i = group * kGroup; i < (group + 1) * kGroup; ++i)
      codes[i] = static_cast<uint8_t>(32 + (scale != 0 ? nearest(values[i] / scale, -32, 31) : 0));
  }
  for (int half = 0; half < 2; ++half)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i) {
        const uint8_t code = codes[128 * half + 32 * quarter + i];
        block[64 * half + quarter % 2 * 32 + i] |= (code & 15) << (quarter / 2 * 4);
        block[128 + 32 * half + i] |= code >> 4 << (quarter * 2);
      }
  return std::nullopt;
}

std::optional<int64_t> quantizeQ4_K(const float *values, uint8_t *block) {
  constexpr int kGroups = 8, kGroup = 32, kLargest = 63;
  Line lines[kGroups], largest;
  for (int group = 0; group < kGroups; ++group) {
    lines[group] = fitLine(values + group * kGroup);
    largest = {std::max(largest.scale, lines[group].scale), std::max(largest.minimum, lines[group].minimum)};
  }
  if (std::max(largest.scale, largest.minimum) / kLargest > kLargestScale)
    return largestOf(values);
  std::memset(block, 0, 144);
  const float superScale = storeSuperScale(largest.scale, kLargest, block);
  const float superMinimum = storeSuperScale(largest.minimum, kLargest, block + 2);
  uint8_t *packed = block + 4, *nibbles = block + 16;
  for (int group = 0; group < kGroups; ++group) {
    const int scaleCode = superScale > 0 ? nearest(lines[group].scale / superScale, 0, kLargest) : 0;
    const int minimumCode = superMinimum > 0 ? nearest(lines[group].minimum / superMinimum, 0, kLargest) : 0;
    // As decodeBlock() unpacks them.
    if (group < 4) {
      packed[group] |= scaleCode;
      packed[group + 4] |= minimumCode;
    } else {
      packed[group + 4] = static_cast<uint8_t>((scaleCode & 15) | (minimumCode & 15) << 4);
      packed[group - 4] |= scaleCode >> 4 << 6;
      packed[group] |= minimumCode >> 4 << 6;
    }
    const float scale = superScale * static_cast<float>(scaleCode);
    const float minimum = superMinimum * static_cast<float>(minimumCode);
    for (int i = 0; i < kGroup; ++i) {
      const int code = scale > 0 ? nearest((values[group * kGroup + i] + minimum) / scale, 0, 15) : 0;
      nibbles[group / 2 * 32 + i] |= code << (group % 2 * 4);
    }
  }
  return std::nullopt;
}

} // namespace llmc::blocks
