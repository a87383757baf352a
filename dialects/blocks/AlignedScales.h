#ifndef LLMC_DIALECTS_BLOCKS_ALIGNEDSCALES_H
#define LLMC_DIALECTS_BLOCKS_ALIGNEDSCALES_H

#include "dialects/blocks/BlockFormat.h"

#include <span>

namespace llmc::blocks {

/// Weights whose scales and minima are integers: `alignedRun` consecutive elements of a row (fewer at its
/// end) have one unit, a power of two, and every group of them has
///
///     value = unit * (scale * (code - center) + minimum)
///
/// with an integer of alignedWeightBytes() bytes in the parentheses. A product of such weights and integer
/// activations is exact, in whatever order it is added up. A weight is off by less than 2^-10 of the largest
/// that codes of its run can stand for. Without a minimum, scales keep 11 bits or more if they are at least
/// half as large as the largest of the run (those of f16 are then exact), and smaller ones fewer. With one,
/// scales of groups whose minimum is many times as large keep fewer too.
inline constexpr int64_t alignedRun = 128;

/// The scale and minimum of one group in units.
struct AlignedGroup {
  float unit;      ///< a power of two; infinite where the weights are not finite
  int32_t scale;   ///< fits 16 bits, and so does the minimum
  int32_t minimum; ///< of code `center`; 0 in formats without minimum
};

/// The code that `minimum` belongs to: the middle one, or that which stands for zero.
inline int alignedCenter(const FormatTraits &traits) {
  return traits.hasMin ? 1 << (traits.codeBits - 1) : traits.zeroCode;
}

/// Bytes of the integer that stands for a weight: 3 for codes of more than 4 bits without a minimum, whose
/// scales have few bits of their own, else 2.
inline int alignedWeightBytes(const FormatTraits &traits) {
  return traits.hasMin || traits.codeBits <= 4 ? 2 : 3;
}

/// Rounds the scales and minima of a row of weights, as decodeCodes() gives them, to multiples of their run's
/// unit. All have one element for each group of the row.
void alignScales(const FormatTraits &traits, std::span<const float> scales, std::span<const float> mins,
                 std::span<AlignedGroup> groups);

/// Bytes of `elements` aligned weights as alignRow() writes them.
inline int64_t alignedBytesOf(StorageFormat format, int64_t elements) {
  return groupsOf(format, elements) *
         (static_cast<int64_t>(sizeof(AlignedGroup)) + traitsOf(format).groupSize);
}

/// Writes a row of `elements` weights that are stored in `format` at `source` to `target`: for each group an
/// AlignedGroup, then a byte for each code.
void alignRow(StorageFormat format, const uint8_t *source, int64_t elements, uint8_t *target);

} // namespace llmc::blocks

#endif // LLMC_DIALECTS_BLOCKS_ALIGNEDSCALES_H
