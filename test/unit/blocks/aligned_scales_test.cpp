#include "dialects/blocks/AlignedScales.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace llmc::blocks {
namespace {

constexpr std::array<StorageFormat, 13> kFormats = {
    StorageFormat::Q8_0, StorageFormat::Q4_0, StorageFormat::Q4_1,   StorageFormat::Q5_0,
    StorageFormat::Q5_1, StorageFormat::Q2_K, StorageFormat::Q3_K,   StorageFormat::Q4_K,
    StorageFormat::Q5_K, StorageFormat::Q6_K, StorageFormat::IQ4_NL, StorageFormat::IQ4_XS,
    StorageFormat::MXFP4};

class AlignedScalesTest : public ::testing::TestWithParam<StorageFormat> {
protected:
  const FormatTraits &traits = traitsOf(GetParam());

  std::vector<AlignedGroup> align(const std::vector<float> &scales, const std::vector<float> &mins) {
    std::vector<AlignedGroup> groups(scales.size());
    alignScales(traits, scales, mins, groups);
    return groups;
  }
  size_t groupsPerRun() const { return alignedRun / traits.groupSize; }
  int lastCode() const { return (1 << traits.codeBits) - 1; }
  /// The minimum of a symmetric format is that of code 0.
  float minimumFor(float scale, float minimum) const {
    return traits.hasMin ? minimum : -static_cast<float>(traits.zeroCode) * scale;
  }
};

TEST_P(AlignedScalesTest, IntegersFitAndAreNear) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int trial = 0; trial < 200; ++trial) {
    // Two runs of a row and a part of one, each of another size.
    std::vector<float> scales, mins;
    for (size_t i = 0; i < 2 * groupsPerRun() + 1; ++i) {
      const float size = std::ldexp(1.0f, static_cast<int>(i / groupsPerRun()) * 7 - 9);
      scales.push_back(uniform(random) * size);
      mins.push_back(minimumFor(scales.back(), uniform(random) * size * lastCode()));
    }
    const std::vector<AlignedGroup> groups = align(scales, mins);
    const int64_t limit = int64_t(1) << (8 * alignedWeightBytes(traits) - 1);
    for (size_t i = 0; i < groups.size(); ++i) {
      const AlignedGroup &group = groups[i];
      int exponent;
      ASSERT_EQ(std::frexp(group.unit, &exponent), 0.5f) << "no power of two";
      ASSERT_EQ(group.unit, groups[i / groupsPerRun() * groupsPerRun()].unit) << "differs in a run";
      ASSERT_LT(std::abs(group.scale), 1 << 15);
      ASSERT_LT(std::abs(group.minimum), 1 << 15);
      for (int code : {0, lastCode()}) {
        const int64_t integer = int64_t(group.scale) * (code - alignedCenter(traits)) + group.minimum;
        ASSERT_LT(std::abs(integer), limit);
        const double exact = double(scales[i]) * code + mins[i];
        // Half a unit for the minimum, and half a unit a code for the scale.
        const double steps = 0.5 * (1 + std::abs(code - alignedCenter(traits)));
        ASSERT_NEAR(integer * double(group.unit), exact, steps * group.unit);
      }
    }
  }
}

TEST_P(AlignedScalesTest, LargeScalesAreExact) {
  // Numbers of 11 bits, as f16 has them, at least half as large as the largest of the run.
  std::vector<float> scales(groupsPerRun()), mins(groupsPerRun());
  for (size_t i = 0; i < scales.size(); ++i) {
    scales[i] = std::ldexp(1024.0f + 77 * static_cast<float>(i % 13), -14);
    mins[i] = minimumFor(scales[i], -scales[i] * static_cast<float>(1 << (traits.codeBits - 1)));
  }
  const std::vector<AlignedGroup> groups = align(scales, mins);
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(static_cast<float>(groups[i].scale) * groups[i].unit, scales[i]);
    EXPECT_EQ(groups[i].minimum, 0);
  }
}

TEST_P(AlignedScalesTest, ZerosAndExtremes) {
  for (const AlignedGroup &group : align({0, 0}, {0, 0})) {
    EXPECT_EQ(group.scale, 0);
    EXPECT_EQ(group.minimum, 0);
    EXPECT_TRUE(std::isfinite(group.unit));
  }
  const float tiny = std::numeric_limits<float>::denorm_min(),
              infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnormal(align({tiny}, {minimumFor(tiny, tiny)})[0].unit));
  // What is not finite shows in every weight of its run, and in no other.
  std::vector<float> scales(groupsPerRun() + 1, 1), mins(groupsPerRun() + 1, minimumFor(1, -1));
  for (float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    scales[1] = bad;
    mins[1] = minimumFor(bad, -1);
    const std::vector<AlignedGroup> groups = align(scales, mins);
    EXPECT_EQ(groups[0].unit, infinity);
    EXPECT_TRUE(std::isfinite(groups.back().unit));
  }
}

INSTANTIATE_TEST_SUITE_P(, AlignedScalesTest, ::testing::ValuesIn(kFormats),
                         [](const auto &info) { return std::string(nameOf(info.param)); });

} // namespace
} // namespace llmc::blocks
