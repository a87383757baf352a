//===- RoundingTest.cpp - numbers as a storage type holds them -----------------------------------------===//

#include "dialects/nn/reference/Rounding.h"
#include "mlir/IR/Builders.h"
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;
using testing::HasSubstr;

namespace {

class RoundingTest : public testing::Test {
protected:
  RoundingTest() { context.loadDialect<NNDialect>(); }

  template <typename T> T round(Type type, T value) {
    EXPECT_FALSE(static_cast<bool>(roundTo<T>(type, 1, value)));
    return value;
  }
  template <typename T> std::string fail(Type type, int64_t rowSize, std::vector<T> values) {
    return llvm::toString(roundTo<T>(type, rowSize, values));
  }
  BlockType block(BlockFormat format) { return BlockType::get(&context, format); }

  MLIRContext context;
  Builder builder{&context};
};

TEST_F(RoundingTest, TiesGoToEven) {
  EXPECT_EQ(round(builder.getBF16Type(), 1.0f + 0x1p-8f), 1.0f);
  EXPECT_EQ(round(builder.getBF16Type(), 1.0f + 0x3p-8f), 1.0f + 0x1p-6f);
  EXPECT_EQ(round(builder.getF16Type(), 1.0f + 0x1p-11f), 1.0f);
  EXPECT_EQ(round(builder.getF16Type(), -1.0f - 0x3p-11f), -1.0f - 0x1p-9f);
  EXPECT_EQ(round(builder.getF16Type(), 1e6f), INFINITY);
}

TEST_F(RoundingTest, DoublesAreRoundedOnce) {
  // Just above a tie of bf16; f32 would round it to the tie, and the tie down.
  EXPECT_EQ(round(builder.getBF16Type(), 1.0 + 0x1p-8 + 0x1p-40), 1.0 + 0x1p-7);
  EXPECT_EQ(round(builder.getBF16Type(), 1.0 + 0x1p-8 - 0x1p-40), 1.0);
  EXPECT_EQ(round(builder.getF16Type(), -1.0 - 0x1p-11 - 0x1p-50), -1.0 - 0x1p-10);
  EXPECT_EQ(round(builder.getF16Type(), 1e300), INFINITY);
  EXPECT_TRUE(std::isnan(round(builder.getF16Type(), std::nan(""))));
}

TEST_F(RoundingTest, WideTypesChangeNothing) {
  EXPECT_EQ(round(builder.getF32Type(), 1.0 + 0x1p-40), 1.0 + 0x1p-40);
  EXPECT_EQ(round(builder.getF64Type(), 0.1), 0.1);
}

TEST_F(RoundingTest, BlocksGiveTheirDequantizedNumbers) {
  std::vector<double> values(32);
  for (int i = 0; i < 32; ++i)
    values[i] = i - 15.5;
  values[31] = 127; // scale one
  ASSERT_FALSE(static_cast<bool>(roundTo<double>(block(BlockFormat::Q8_0), 32, values)));
  EXPECT_EQ(values[0], -16); // halves away from zero
  EXPECT_EQ(values[16], 1);
  EXPECT_EQ(values[31], 127);
}

TEST_F(RoundingTest, ActivationsHaveCodesOfOneScaleForARun) {
  // Rows of 160: a block of 128 and one of 32.
  std::vector<double> values(320, 0.25);
  values[0] = 32639; // scale one
  values[1] = 128;   // has a low byte of -128 and becomes 129
  values[2] = 127;
  values[3] = -0.5;
  values[128] = 32639 * 4; // another block, scale four
  values[129] = 6;
  ASSERT_FALSE(static_cast<bool>(roundTo<double>(block(BlockFormat::Q16_K), 160, values)));
  EXPECT_EQ(values[1], 129);
  EXPECT_EQ(values[2], 127);
  EXPECT_EQ(values[3], -1); // halves away from zero
  EXPECT_EQ(values[127], 0);
  EXPECT_EQ(values[129], 8);
  EXPECT_FLOAT_EQ(values[160], 0.25); // the next row
  values[0] = 127;
  values[1] = 2.5;
  ASSERT_FALSE(static_cast<bool>(roundTo<double>(block(BlockFormat::Q8_K), 160, values)));
  EXPECT_EQ(values[1], 3);
}

TEST_F(RoundingTest, SaysWhatBlocksCanNotHold) {
  EXPECT_THAT(fail<float>(block(BlockFormat::Q16_K), 40, std::vector<float>(40)),
              HasSubstr("rows of 40 elements are no whole groups of 32"));
  EXPECT_THAT(fail<float>(block(BlockFormat::Q8_0), 5, std::vector<float>(5)),
              HasSubstr("rows of 5 elements are no whole blocks of Q8_0"));
  EXPECT_THAT(fail<float>(block(BlockFormat::Q5_K), 256, std::vector<float>(256)),
              HasSubstr("numbers can not be rounded to Q5_K"));
  std::vector<float> values(64);
  values[40] = NAN;
  EXPECT_THAT(fail<float>(block(BlockFormat::Q4_0), 32, values),
              HasSubstr("element 40 is nan, which Q4_0 can not"));
}

} // namespace
