#include "dialects/blocks/BlockFormat.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::blocks {
namespace {

std::string golden(const std::string &name) {
  std::ifstream file(std::string(LLMC_SOURCE_DIR "/test/data/blocks/") + name, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  EXPECT_TRUE(file.good()) << name << " is missing";
  return content.str();
}

const uint8_t *bytesIn(const std::string &content) {
  return reinterpret_cast<const uint8_t *>(content.data());
}

std::vector<float> floatsIn(const std::string &content) {
  std::vector<float> values(content.size() / sizeof(float));
  std::memcpy(values.data(), content.data(), content.size());
  return values;
}

bool sameBits(float a, float b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

/// Formats with a table of numbers have no more codes than the table.
int largestCodeOf(StorageFormat format) {
  switch (format) {
  case StorageFormat::IQ4_NL:
  case StorageFormat::IQ4_XS:
    return 128 + 113;
  case StorageFormat::MXFP4:
    return 16 + 12;
  default:
    return (1 << traitsOf(format).codeBits) - 1;
  }
}

class QuantizedFormatTest : public ::testing::TestWithParam<StorageFormat> {
protected:
  StorageFormat format = GetParam();
  const FormatTraits &traits = traitsOf(GetParam());
  std::string name{traits.name};
  std::string blocks = golden(name + ".blocks");
  std::vector<float> expected = floatsIn(golden(name + ".f32"));
  int64_t elements = static_cast<int64_t>(expected.size());
};

TEST_P(QuantizedFormatTest, GoldenHasTheSizeThatTheTraitsSay) {
  ASSERT_GE(elements, 1024);
  EXPECT_EQ(static_cast<int64_t>(blocks.size()), bytesOf(format, elements));
}

TEST_P(QuantizedFormatTest, DequantizesAsTheReference) {
  std::vector<float> values(elements);
  dequantize(format, bytesIn(blocks), elements, values.data());
  for (int64_t i = 0; i < elements; ++i)
    ASSERT_TRUE(sameBits(values[i], expected[i])) << i << ": " << values[i] << " and " << expected[i];
}

TEST_P(QuantizedFormatTest, DequantizesFromAnOddAddress) {
  std::string shifted = "x" + blocks;
  std::vector<float> values(elements);
  dequantize(format, bytesIn(shifted) + 1, elements, values.data());
  EXPECT_EQ(values, expected);
}

TEST_P(QuantizedFormatTest, CodesScalesAndMinsGiveTheSameValues) {
  std::vector<uint8_t> codes(elements);
  std::vector<float> scales(groupsOf(format, elements)), mins(groupsOf(format, elements));
  decodeCodes(format, bytesIn(blocks), elements, codes.data(), scales.data(), mins.data());
  int largestCode = 0;
  for (int64_t i = 0; i < elements; ++i) {
    int64_t group = i / traits.groupSize;
    float code = codes[i];
    float plain = scales[group] * code;
    plain += mins[group];
    ASSERT_EQ(plain, expected[i]) << i;
    ASSERT_EQ(std::fmaf(scales[group], code, mins[group]), expected[i]) << i;
    if (!traits.hasMin) {
      ASSERT_EQ(mins[group], -traits.zeroCode * scales[group]);
      ASSERT_EQ(scales[group] * (code - traits.zeroCode), expected[i]) << i;
    }
    largestCode = std::max<int>(largestCode, codes[i]);
  }
  EXPECT_EQ(largestCode, largestCodeOf(format));

  std::vector<uint8_t> codesAlone(elements);
  std::vector<float> scalesAlone(scales.size());
  decodeCodes(format, bytesIn(blocks), elements, codesAlone.data(), scalesAlone.data(), nullptr);
  EXPECT_EQ(codesAlone, codes);
  EXPECT_EQ(scalesAlone, scales);
}

INSTANTIATE_TEST_SUITE_P(Formats, QuantizedFormatTest,
                         ::testing::Values(StorageFormat::Q8_0, StorageFormat::Q4_0, StorageFormat::Q4_1,
                                           StorageFormat::Q5_0, StorageFormat::Q5_1, StorageFormat::Q2_K,
                                           StorageFormat::Q3_K, StorageFormat::Q4_K, StorageFormat::Q5_K,
                                           StorageFormat::Q6_K, StorageFormat::IQ4_NL, StorageFormat::IQ4_XS,
                                           StorageFormat::MXFP4),
                         [](const auto &info) { return std::string(nameOf(info.param)); });

TEST(BlockFormatTest, NamesAreParsedInAnyCase) {
  for (StorageFormat format : allFormats)
    EXPECT_EQ(parseFormat(nameOf(format)), format);
  EXPECT_EQ(parseFormat("q4_k"), StorageFormat::Q4_K);
  EXPECT_EQ(parseFormat("bf16"), StorageFormat::BF16);
  for (const char *unknown : {"", "Q4", "Q4_2", "Q4_1 ", "F64"})
    EXPECT_EQ(parseFormat(unknown), std::nullopt) << unknown;
  EXPECT_EQ(
      listFormats(),
      "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4");
}

TEST(BlockFormatTest, TraitsFitTogether) {
  for (StorageFormat format : allFormats) {
    const FormatTraits &traits = traitsOf(format);
    if (!traits.isQuantized()) {
      EXPECT_EQ(traits.blockElements, 1);
      continue;
    }
    EXPECT_EQ(traits.blockElements % traits.groupSize, 0);
    EXPECT_EQ(traits.zeroCode, traits.hasMin ? 0 : 1 << (traits.codeBits - 1));
  }
}

TEST(BlockFormatTest, PlainFloatsKeepTheirValue) {
  const float values[] = {1.5f, -2.0f, 0.0f, 1024.0f};
  for (StorageFormat format : {StorageFormat::F32, StorageFormat::F16, StorageFormat::BF16}) {
    uint8_t bytes[17];
    ASSERT_EQ(quantize(format, values, 4, bytes + 1), std::nullopt);
    float back[4];
    dequantize(format, bytes + 1, 4, back);
    EXPECT_THAT(back, ::testing::ElementsAreArray(values)) << nameOf(format);
  }
}

class RoundingTest : public ::testing::TestWithParam<StorageFormat> {};

TEST_P(RoundingTest, RoundsAsTheReference) {
  std::vector<float> values = floatsIn(golden("values.f32"));
  std::string expected = golden(std::string(nameOf(GetParam())) + ".rounded");
  ASSERT_TRUE(canQuantize(GetParam()));
  ASSERT_EQ(bytesOf(GetParam(), values.size()), static_cast<int64_t>(expected.size()));
  std::vector<uint8_t> bytes(expected.size());
  ASSERT_EQ(quantize(GetParam(), values.data(), values.size(), bytes.data()), std::nullopt);
  for (size_t i = 0; i < bytes.size(); ++i)
    ASSERT_EQ(bytes[i], bytesIn(expected)[i])
        << "byte " << i << " of block " << i / traitsOf(GetParam()).blockBytes;
}

TEST_P(RoundingTest, NamesTheElementThatDoesNotFit) {
  for (float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values(64, 1.0f);
    values[43] = bad;
    std::vector<uint8_t> bytes(64 * 4);
    EXPECT_EQ(quantize(GetParam(), values.data(), 64, bytes.data()), 43) << bad;
  }
  if (GetParam() != StorageFormat::F32 && GetParam() != StorageFormat::BF16)
    for (float large : {1e9f, -1e9f, 3e38f, -3e38f}) {
      std::vector<float> values(64, 1.0f);
      values[43] = large;
      std::vector<uint8_t> bytes(64 * 4);
      EXPECT_EQ(quantize(GetParam(), values.data(), 64, bytes.data()), 43) << large;
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, RoundingTest,
                         ::testing::Values(StorageFormat::F32, StorageFormat::F16, StorageFormat::BF16,
                                           StorageFormat::Q8_0, StorageFormat::Q4_0, StorageFormat::Q4_1),
                         [](const auto &info) { return std::string(nameOf(info.param)); });

/// Formats whose scales the writer chooses: no reference says which.
class FittedFormatTest : public ::testing::TestWithParam<StorageFormat> {
protected:
  /// `values` rounded to the format, and back.
  std::vector<float> rounded(const std::vector<float> &values) const {
    std::vector<uint8_t> bytes(bytesOf(GetParam(), values.size()));
    EXPECT_EQ(quantize(GetParam(), values.data(), values.size(), bytes.data()), std::nullopt);
    std::vector<float> back(values.size());
    dequantize(GetParam(), bytes.data(), values.size(), back.data());
    return back;
  }
};

/// The root of the mean squared difference, relative to that of the values.
double relativeError(const std::vector<float> &found, const std::vector<float> &expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(double(found[i]) - expected[i], 2);
    size += std::pow(double(expected[i]), 2);
  }
  return std::sqrt(error / size);
}

TEST_P(FittedFormatTest, IsNearerThanTheSimpleFormatsOfItsBits) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(8 * 1024);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = normal(random) * (1 + i / 32 % 7);
  // Q4_0 is off by 0.089 here, Q8_0 by 0.0057.
  EXPECT_LT(relativeError(rounded(values), values), GetParam() == StorageFormat::Q4_K ? 0.075 : 0.018);
}

TEST_P(FittedFormatTest, KeepsWhatItHolds) {
  std::string blocks = golden(std::string(nameOf(GetParam())) + ".blocks");
  std::vector<float> values(1024);
  dequantize(GetParam(), bytesIn(blocks), values.size(), values.data());
  // Blocks of the golden file have minima of both signs, which the writer does not make.
  for (float &value : values)
    value = std::fabs(value);
  const std::vector<float> once = rounded(values);
  EXPECT_LT(relativeError(rounded(once), once), 0.02);
}

TEST_P(FittedFormatTest, ZerosConstantsAndTinyValues) {
  EXPECT_THAT(rounded(std::vector<float>(256)), ::testing::Each(0.0f));
  for (float value : {3.25f, -3.25f, 1e-3f})
    EXPECT_LT(relativeError(rounded(std::vector<float>(256, value)), std::vector<float>(256, value)), 0.01);
  for (float value : rounded(std::vector<float>(256, std::numeric_limits<float>::denorm_min())))
    EXPECT_LT(std::fabs(value), 1e-6f);
}

INSTANTIATE_TEST_SUITE_P(Formats, FittedFormatTest,
                         ::testing::Values(StorageFormat::Q4_K, StorageFormat::Q6_K),
                         [](const auto &info) { return std::string(nameOf(info.param)); });

TEST_P(FittedFormatTest, NamesTheElementThatDoesNotFit) {
  for (float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e9f, -1e9f}) {
    std::vector<float> values(512, 1.0f);
    values[300] = bad;
    std::vector<uint8_t> bytes(512 * 4);
    EXPECT_EQ(quantize(GetParam(), values.data(), 512, bytes.data()), 300) << bad;
  }
}

TEST(BlockFormatTest, FormatsWithoutARoundingRuleSaySo) {
  for (StorageFormat format :
       {StorageFormat::Q5_0, StorageFormat::Q5_1, StorageFormat::Q2_K, StorageFormat::Q3_K,
        StorageFormat::Q5_K, StorageFormat::IQ4_NL, StorageFormat::IQ4_XS, StorageFormat::MXFP4})
    EXPECT_FALSE(canQuantize(format));
}

} // namespace
} // namespace llmc::blocks
