#include "codegen/common/Target.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace llmc::codegen;
using testing::HasSubstr;

namespace {

TEST(TargetTest, KnowsWhatKernelsDependOn) {
  Target zen4 = *getTarget("znver4");
  EXPECT_EQ(zen4.lanes, 16);
  EXPECT_EQ(zen4.registers, 32);
  EXPECT_TRUE(zen4.hasByteDot);
  EXPECT_TRUE(zen4.hasBf16Dot);
  Target skylakeServer = *getTarget("skylake-avx512");
  EXPECT_EQ(skylakeServer.lanes, 16);
  EXPECT_FALSE(skylakeServer.hasByteDot);
  EXPECT_FALSE(skylakeServer.hasBf16Dot);
  Target haswell = *getTarget("x86-64-v3");
  EXPECT_EQ(haswell.lanes, 8);
  EXPECT_EQ(haswell.registers, 16);
  EXPECT_FALSE(haswell.hasByteDot);
  Target alderLake = *getTarget("alderlake");
  EXPECT_EQ(alderLake.lanes, 8);
  EXPECT_TRUE(alderLake.hasByteDot);
  EXPECT_EQ(getTarget("x86-64")->lanes, 4);
  EXPECT_FALSE(getTarget("x86-64-v2")->hasF16Conversion);
  EXPECT_TRUE(haswell.hasF16Conversion);
}

TEST(TargetTest, FeaturesAreSortedNames) {
  Target target = *getTarget("x86-64-v4");
  EXPECT_TRUE(std::is_sorted(target.features.begin(), target.features.end()));
  EXPECT_THAT(target.features, testing::IsSupersetOf({"avx512f", "avx512vl", "fma"}));
}

TEST(TargetTest, NativeIsThisMachine) {
  absl::StatusOr<Target> native = getTarget("native");
  ASSERT_TRUE(native.ok());
  EXPECT_NE(native->cpu, "native");
  EXPECT_EQ(getTarget("")->cpu, native->cpu);
}

TEST(TargetTest, RefusesUnknownProcessorsWithTheKnownOnes) {
  absl::StatusOr<Target> target = getTarget("z80");
  ASSERT_FALSE(target.ok());
  const std::string message(target.status().message());
  EXPECT_THAT(message,
              testing::StartsWith("--target-cpu: unknown processor 'z80', expected native or one of: "));
  EXPECT_THAT(message, HasSubstr(" znver4"));
  EXPECT_THAT(message, testing::Not(HasSubstr("\n")));
}

} // namespace
