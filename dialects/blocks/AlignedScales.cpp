#include "dialects/blocks/AlignedScales.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace llmc::blocks {

namespace {

/// What has to fit the integer of a group, and how many bits it has room for.
float magnitudeOf(const FormatTraits &traits, float scale, float minimum) {
  if (!traits.hasMin)
    return std::fabs(scale);
  const float last = minimum + static_cast<float>((1 << traits.codeBits) - 1) * scale;
  return std::max(std::fabs(minimum), std::fabs(last));
}

int roomOf(const FormatTraits &traits) {
  if (traits.hasMin)
    return 15;
  return alignedWeightBytes(traits) == 2 ? 16 - traits.codeBits : std::min(15, 21 - traits.codeBits);
}

/// The smallest power of two in which `largest` has `bits` bits.
float unitFor(float largest, int bits) {
  // Scale and minimum are each rounded, so the integer grows by a few units: what lies close below a power of
  // two counts as lying above it.
  constexpr float kMargin = 1.001f;
  constexpr int kSmallest = -100; // of a normal number, as are all that the kernels make of it
  if (!std::isfinite(largest * kMargin))
    return std::numeric_limits<float>::infinity();
  if (largest == 0)
    return 1;
  return std::ldexp(1.0f, std::max(std::ilogb(largest * kMargin) - (bits - 1), kSmallest));
}

} // namespace

void alignScales(const FormatTraits &traits, std::span<const float> scales, std::span<const float> mins,
                 std::span<AlignedGroup> groups) {
  const size_t run = alignedRun / traits.groupSize;
  const double center = alignedCenter(traits);
  for (size_t first = 0; first < scales.size(); first += run) {
    const size_t end = std::min(first + run, scales.size());
    float largest = 0;
    bool isFinite = true;
    for (size_t i = first; i < end; ++i) {
      const float magnitude = magnitudeOf(traits, scales[i], mins[i]);
      isFinite &= std::isfinite(scales[i]) && std::isfinite(mins[i]) && std::isfinite(magnitude);
      largest = std::max(largest, magnitude);
    }
    const float unit = isFinite ? unitFor(largest, roomOf(traits)) : std::numeric_limits<float>::infinity();
    for (size_t i = first; i < end; ++i) {
      groups[i] = {unit, 0, 0};
      if (!std::isfinite(unit))
        continue;
      groups[i].scale = static_cast<int32_t>(std::nearbyint(scales[i] / unit));
      if (traits.hasMin)
        groups[i].minimum =
            static_cast<int32_t>(std::nearbyint((static_cast<double>(mins[i]) + center * scales[i]) / unit));
    }
  }
}

void alignRow(StorageFormat format, const uint8_t *source, int64_t elements, uint8_t *target) {
  const FormatTraits &traits = traitsOf(format);
  const int64_t count = groupsOf(format, elements);
  std::vector<uint8_t> codes(elements);
  std::vector<float> scales(count), mins(count);
  std::vector<AlignedGroup> groups(count);
  decodeCodes(format, source, elements, codes.data(), scales.data(), mins.data());
  alignScales(traits, scales, mins, groups);
  for (int64_t group = 0; group < count; ++group) {
    std::memcpy(target, &groups[group], sizeof(AlignedGroup));
    std::memcpy(target + sizeof(AlignedGroup), codes.data() + group * traits.groupSize, traits.groupSize);
    target += sizeof(AlignedGroup) + traits.groupSize;
  }
}

} // namespace llmc::blocks
