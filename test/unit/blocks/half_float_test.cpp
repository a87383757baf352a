#include "dialects/blocks/HalfFloat.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace llmc::blocks {
namespace {

/// The value of a half by the definition of IEEE 754, with nothing shared with the code under test.
double valueByDefinition(uint16_t bits) {
  int exponent = bits >> 10 & 31;
  double fraction = (bits & 1023) / 1024.0;
  double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == 31)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return exponent == 0 ? sign * std::ldexp(fraction, -14) : sign * std::ldexp(1 + fraction, exponent - 15);
}

TEST(HalfFloatTest, EveryHalfHasItsValueAndComesBack) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    double expected = valueByDefinition(static_cast<uint16_t>(bits));
    float value = halfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(value)))) << bits;
      continue;
    }
    ASSERT_EQ(value, expected) << bits;
    ASSERT_EQ(std::signbit(value), std::signbit(expected)) << bits;
    ASSERT_EQ(floatToHalf(value), bits);
  }
}

TEST(HalfFloatTest, RoundsToTheNearestHalfTiesToEven) {
  // Between each pair of neighbours: a little below the middle, the middle, a little above.
  for (int bits = 0; bits < 0x7bff; ++bits) {
    double low = valueByDefinition(static_cast<uint16_t>(bits));
    double high = valueByDefinition(static_cast<uint16_t>(bits + 1));
    float middle = static_cast<float>((low + high) / 2);
    int even = bits % 2 ? bits + 1 : bits;
    ASSERT_EQ(floatToHalf(middle), even) << bits;
    ASSERT_EQ(floatToHalf(std::nextafterf(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(floatToHalf(std::nextafterf(middle, 1e9f)), bits + 1) << bits;
    ASSERT_EQ(floatToHalf(-middle), even | 0x8000) << bits;
  }
}

TEST(HalfFloatTest, LargeBecomesInfinity) {
  EXPECT_EQ(floatToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(floatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(floatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(floatToHalf(1e30f), 0x7c00);
  EXPECT_EQ(floatToHalf(-std::numeric_limits<float>::infinity()), 0xfc00);
}

TEST(HalfFloatTest, BfloatRoundsToTheNearestTiesToEven) {
  EXPECT_EQ(floatToBfloat(1.0f), 0x3f80);
  EXPECT_EQ(floatToBfloat(1.00390625f), 0x3f80); // tie to the even 1.0
  EXPECT_EQ(floatToBfloat(1.01171875f), 0x3f82); // tie to the even 1.015625
  EXPECT_EQ(floatToBfloat(1.00390637f), 0x3f81); // just above the tie
  EXPECT_EQ(floatToBfloat(-3.4e38f), 0xff80);    // rounds up to infinity
  EXPECT_EQ(bfloatToFloat(0xc040), -3.0f);
  EXPECT_TRUE(std::isnan(bfloatToFloat(floatToBfloat(std::nanf("")))));
  // A NaN whose payload lies in the lower half alone must not become infinity.
  EXPECT_TRUE(std::isnan(bfloatToFloat(floatToBfloat(std::bit_cast<float>(0x7f800001)))));
}

} // namespace
} // namespace llmc::blocks
