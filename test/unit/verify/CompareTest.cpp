//===- CompareTest.cpp - numeric bounds --------------------------------------------------------------===//

#include "passes/verify/Compare.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"
#include "passes/verify/VerifyNumerics.h"
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn::reference;
using testing::HasSubstr;

namespace {

class CompareTest : public testing::Test {
protected:
  CompareTest() { context.loadDialect<nn::NNDialect, func::FuncDialect>(); }

  std::string compare(std::vector<float> before, std::vector<float> after, NumericBound bound,
                      Type element = {}) {
    SmallVector<int64_t> shape{1, static_cast<int64_t>(before.size())};
    Type type = RankedTensorType::get(shape, element ? element : builder.getF32Type());
    return describeDeparture<float>(type, Tensor<float>(shape, before), Tensor<float>(shape, after), bound);
  }
  bool accepts(float before, float after, NumericBound bound, Type element = {}) {
    return compare({before}, {after}, bound, element).empty();
  }

  MLIRContext context;
  Builder builder{&context};
};

TEST_F(CompareTest, ExactIsToTheBit) {
  NumericBound exact = NumericBound::exact();
  EXPECT_TRUE(accepts(0.1f, 0.1f, exact));
  EXPECT_FALSE(accepts(1.0f, std::nextafter(1.0f, 2.0f), exact));
  EXPECT_FALSE(accepts(0.0f, -0.0f, exact));
  EXPECT_TRUE(accepts(NAN, NAN, exact));
  EXPECT_FALSE(accepts(NAN, 1.0f, exact));
  EXPECT_TRUE(accepts(INFINITY, INFINITY, exact));
}

TEST_F(CompareTest, UlpsAreThoseOfTheElementType) {
  NumericBound two = NumericBound::ulps(2, "test");
  EXPECT_TRUE(accepts(1.0f, 1.0f + 0x2p-23f, two));
  EXPECT_FALSE(accepts(1.0f, 1.0f + 0x3p-23f, two));
  EXPECT_TRUE(accepts(1.0f, 1.0f + 0x2p-7f, two, builder.getBF16Type()));
  EXPECT_FALSE(accepts(1.0f, 1.0f + 0x3p-7f, two, builder.getBF16Type()));
  EXPECT_TRUE(accepts(1024.0f, 1026.0f, two, builder.getF16Type()));
  EXPECT_FALSE(accepts(1024.0f, 1027.0f, two, builder.getF16Type()));
  EXPECT_FALSE(accepts(1.0f, INFINITY, two));
  EXPECT_TRUE(accepts(0.0f, -0.0f, two));
}

TEST_F(CompareTest, RelativeIsToTheLargestMagnitudeBefore) {
  NumericBound hundredth = NumericBound::relative(0.01, "test");
  EXPECT_EQ(compare({-100, 1}, {-100, 1.9f}, hundredth), "");
  EXPECT_EQ(compare({1, 1}, {1, 1.9f}, hundredth), "element [0, 1] is 1 before and 1.89999998 after");
  EXPECT_NE(compare({0}, {1e-30f}, hundredth), "");
}

TEST_F(CompareTest, AbsoluteIsADistance) {
  NumericBound half = NumericBound::absolute(0.5, "test");
  EXPECT_TRUE(accepts(100.0f, 100.5f, half));
  EXPECT_FALSE(accepts(0.0f, 0.6f, half));
}

TEST_F(CompareTest, SpacingAddsToBoundsThatAreNotExact) {
  Type type = RankedTensorType::get({2}, builder.getF32Type());
  auto accepts = [&](float after, const NumericBound &bound) {
    return describeDeparture<float>(type, Tensor<float>({2}, {1, 100}), Tensor<float>({2}, {after, 100}),
                                    bound,
                                    /*spacing=*/0.01)
        .empty();
  };
  EXPECT_TRUE(accepts(2.75f, NumericBound::relative(0.01, "test")));
  EXPECT_FALSE(accepts(3.25f, NumericBound::relative(0.01, "test")));
  EXPECT_TRUE(accepts(2.25f, NumericBound::absolute(0.5, "test")));
  EXPECT_FALSE(accepts(2.75f, NumericBound::absolute(0.5, "test")));
  EXPECT_FALSE(accepts(1.25f, NumericBound::exact()));
}

TEST_F(CompareTest, SpacingIsThatOfTheCoarsestActivations) {
  auto spacingOf = [&](StringRef input, StringRef output) {
    std::string text =
        ("func.func @f(%x: tensor<" + input + ">) -> tensor<" + output + "> {\n%0 = nn.convert %x : tensor<" +
         input + "> -> tensor<" + output + ">\nreturn %0 : tensor<" + output + ">\n}")
            .str();
    auto module = parseSourceString<ModuleOp>(text, &context);
    return module ? findSpacing(*module) : -1;
  };
  EXPECT_EQ(spacingOf("?x32xf64", "?x32xf32"), 0);
  EXPECT_EQ(spacingOf("?x32xf32", "?x32xbf16"), 0x1p-7);
  EXPECT_EQ(spacingOf("?x32xf32", "?x32xf16"), 0x1p-10);
  EXPECT_EQ(spacingOf("?x32xf32", "?x32x!nn.block<q8_0>"), 1.0 / 127);
  EXPECT_EQ(spacingOf("2x32xf32", "2x32xbf16"), 0) << "weights are not rounded anew";
}

TEST_F(CompareTest, ShapesAndKindsMustAgree) {
  Type type = RankedTensorType::get({ShapedType::kDynamic, 2}, builder.getF32Type());
  EXPECT_EQ(describeDeparture<float>(type, Tensor<float>({1, 2}), Tensor<float>({3, 2}),
                                     NumericBound::absolute(9, "test")),
            "has shape 1x2 before and 3x2 after");
  EXPECT_EQ(describeDeparture<float>(type, Tensor<float>({1, 2}), IntegerTensor({1, 2}),
                                     NumericBound::absolute(9, "test")),
            "is another kind of value after");
}

TEST_F(CompareTest, IntegersAreExact) {
  Type type = RankedTensorType::get({2}, builder.getI32Type());
  EXPECT_EQ(describeDeparture<float>(type, IntegerTensor({2}, {1, 2}), IntegerTensor({2}, {1, 3}),
                                     NumericBound::absolute(9, "test")),
            "element [1] is 2 before and 3 after");
}

TEST_F(CompareTest, CachesAreComparedByPosition) {
  Type type = nn::KvCacheType::get(&context, 1, 1, builder.getF32Type());
  auto cache = [](std::map<int32_t, float> keys) {
    KvCache<float> made{1, 1, {}};
    for (auto [position, key] : keys)
      made.rows[position] =
          std::make_shared<const KvCache<float>::Row>(KvCache<float>::Row{{key}, {2 * key}});
    return made;
  };
  auto compare = [&](std::map<int32_t, float> before, std::map<int32_t, float> after) {
    return describeDeparture<float>(type, cache(before), cache(after), NumericBound::absolute(0.15, "test"));
  };
  EXPECT_EQ(compare({{3, 1.0f}}, {{3, 1.0f}}), "");
  EXPECT_EQ(compare({{3, 1.0f}}, {{3, 1.125f}}), "value of position 3, element 0 is 2 before and 2.25 after");
  EXPECT_EQ(compare({{3, 1.0f}}, {{4, 1.0f}}), "holds position 3 before but not after");
  EXPECT_EQ(compare({{3, 1.0f}}, {}), "holds 1 positions before and 0 after");
}

TEST(Bounds, OfUpstreamPassesAreKnown) {
  auto canonicalizer = createCanonicalizerPass();
  EXPECT_EQ(findNumericBound(*canonicalizer)->kind, NumericBound::Kind::Exact);
  auto viewer = createPrintOpGraphPass();
  EXPECT_FALSE(findNumericBound(*viewer));
  declareNumericBound(viewer->getArgument(), NumericBound::ulps(3, "test"));
  EXPECT_EQ(describeBound(*findNumericBound(*viewer)), "within 3 ulps");
}

} // namespace
