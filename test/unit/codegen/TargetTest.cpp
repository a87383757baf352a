#include "codegen/common/Target.h"
#include "absl/strings/match.h"
#include "runtime/core/CpuFeatures.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <set>

using namespace llmc::codegen;
using testing::HasSubstr;

namespace {

/// What LLVM knows of the processor `name`, instructions and what is fast on it.
bool mayUse(const Target &target, const char *feature) {
  return std::binary_search(target.features.begin(), target.features.end(), feature);
}

TEST(TargetTest, KnowsWhatKernelsDependOn) {
  Target zen4 = *getTarget("znver4");
  EXPECT_EQ(zen4.lanes, 16);
  EXPECT_EQ(zen4.registers, 32);
  EXPECT_TRUE(zen4.hasByteDot);
  EXPECT_TRUE(zen4.hasBf16Dot);
  Target skylakeServer = *getTarget("skylake-avx512");
  EXPECT_EQ(skylakeServer.lanes, 16);
  EXPECT_FALSE(skylakeServer.hasByteDot);
  EXPECT_TRUE(skylakeServer.hasPairDot);
  EXPECT_FALSE(skylakeServer.hasBf16Dot);
  Target haswell = *getTarget("x86-64-v3");
  EXPECT_EQ(haswell.lanes, 8);
  EXPECT_EQ(haswell.registers, 16);
  EXPECT_FALSE(haswell.hasByteDot);
  EXPECT_TRUE(haswell.hasPairDot);
  Target alderLake = *getTarget("alderlake");
  EXPECT_EQ(alderLake.lanes, 8);
  EXPECT_TRUE(alderLake.hasByteDot);
  EXPECT_EQ(getTarget("x86-64")->lanes, 4);
  EXPECT_FALSE(getTarget("x86-64-v2")->hasF16Conversion);
  EXPECT_TRUE(haswell.hasF16Conversion);
}

TEST(TargetTest, KnowsArm) {
  Target neon = *getTarget("armv8-a");
  EXPECT_EQ(neon.triple, "aarch64-unknown-linux-gnu");
  EXPECT_EQ(neon.cpu, "armv8-a");
  EXPECT_EQ(neon.llvmCpu, "generic");
  EXPECT_EQ(neon.vectors, VectorUnit::Neon);
  EXPECT_EQ(neon.lanes, 4);
  EXPECT_EQ(neon.registers, 32);
  EXPECT_FALSE(neon.hasByteDot);
  EXPECT_TRUE(neon.hasPairDot);
  EXPECT_FALSE(neon.hasBf16Dot);
  EXPECT_TRUE(neon.hasF16Conversion);
  for (const char *cpu : {"cortex-a76", "neoverse-n1", "armv8.2-a+dotprod"}) {
    Target dots = *getTarget(cpu);
    EXPECT_TRUE(dots.hasByteDot) << cpu;
    EXPECT_TRUE(dots.byteDotIsSigned) << cpu;
    EXPECT_FALSE(dots.hasBf16Dot) << cpu;
  }
  for (const char *cpu : {"neoverse-v1", "apple-m2", "armv8.6-a"}) {
    Target mixed = *getTarget(cpu);
    EXPECT_TRUE(mixed.hasByteDot) << cpu;
    EXPECT_FALSE(mixed.byteDotIsSigned) << cpu;
    EXPECT_TRUE(mixed.hasBf16Dot) << cpu;
  }
  EXPECT_EQ(getTarget("cortex-a72")->llvmCpu, "cortex-a72");
}

TEST(TargetTest, ExtensionsFollowProcessorsOfArm) {
  EXPECT_FALSE(getTarget("cortex-a76+nodotprod")->hasByteDot);
  EXPECT_TRUE(getTarget("cortex-a55+i8mm")->has("i8mm"));
  EXPECT_THAT(
      std::string(getTarget("armv8-a+dotproducts").status().message()),
      testing::StartsWith("--target-cpu: unknown processor 'armv8-a+dotproducts', the closest names are "));
  EXPECT_FALSE(getTarget("znver4+avx").ok());
}

TEST(TargetTest, FeaturesAreSortedNames) {
  Target target = *getTarget("x86-64-v4");
  EXPECT_TRUE(std::is_sorted(target.features.begin(), target.features.end()));
  EXPECT_THAT(target.features, testing::IsSupersetOf({"avx512f", "avx512vl", "fma"}));
}

// Code for a processor uses instructions that every x86-64 has, or that a runtime looks for.
TEST(TargetTest, CodeUsesOnlyWhatARuntimeChecks) {
  std::set<std::string> instructions;
  llvm::SmallVector<llvm::StringRef> processors, features;
  llvm::X86::fillValidCPUArchList(processors);
  for (llvm::StringRef processor : processors)
    llvm::X86::getFeaturesForCPU(processor, features);
  for (llvm::StringRef feature : features)
    instructions.insert(feature.str());
  for (const char *baseline : {"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "x87"})
    instructions.erase(baseline);
  for (absl::string_view feature : llmc::runtime::checkableFeatures("x86_64"))
    instructions.erase(std::string(feature));
  EXPECT_GT(knownProcessors().size(), 50U);
  for (const std::string &processor : knownProcessors()) {
    Target target = *getTarget(processor);
    for (const std::string &feature : instructions)
      EXPECT_FALSE(mayUse(target, feature.c_str())) << processor << " " << feature;
    for (const std::string &feature : target.unusedFeatures)
      EXPECT_FALSE(mayUse(target, feature.c_str())) << processor << " " << feature;
  }
}

TEST(TargetTest, CodeForArmUsesOnlyWhatARuntimeChecks) {
  std::vector<absl::string_view> checkable = llmc::runtime::checkableFeatures("aarch64");
  int processors = 0;
  for (const std::string &processor : knownProcessors()) {
    Target target = *getTarget(processor);
    if (!absl::StartsWith(target.triple, "aarch64-"))
      continue;
    ++processors;
    for (const llvm::AArch64::ExtensionInfo &extension : llvm::AArch64::Extensions)
      if (!extension.PosTargetFeature.empty() &&
          mayUse(target, extension.PosTargetFeature.drop_front().str().c_str()))
        EXPECT_TRUE(
            llvm::is_contained(checkable, absl::string_view(extension.PosTargetFeature.drop_front().str())))
            << processor << " " << extension.PosTargetFeature.str();
  }
  EXPECT_GT(processors, 50);
}

TEST(TargetTest, KeepsWhatARuntimeChecks) {
  Target target = *getTarget("diamondrapids");
  for (const char *feature : {"avx512vnni", "avx10.2", "egpr", "ndd", "zu"})
    EXPECT_TRUE(mayUse(target, feature)) << feature;
  EXPECT_THAT(target.unusedFeatures, testing::IsSupersetOf({"amx-complex", "aes", "sha"}));
  // And what makes code fast.
  EXPECT_TRUE(mayUse(*getTarget("znver4"), "fast-lzcnt"));
}

TEST(TargetTest, SeesTheSameProcessorAsARuntime) {
  Target native = *getTarget("native");
  const std::vector<absl::string_view> has = llmc::runtime::hostFeatures();
  for (const auto &[name, present] : llvm::sys::getHostCPUFeatures())
    if (llvm::is_contained(llmc::runtime::checkableFeatures("x86_64"), absl::string_view(name.str()))) {
      EXPECT_EQ(present, llvm::is_contained(has, absl::string_view(name.str()))) << name.str();
      EXPECT_EQ(present, mayUse(native, name.str().c_str())) << name.str();
    }
}

TEST(TargetTest, RefusesProcessorsWithout64Bits) {
  EXPECT_THAT(std::string(getTarget("i386").status().message()),
              testing::StartsWith("--target-cpu: unknown processor 'i386', the closest names are "));
}

TEST(TargetTest, NativeIsThisMachine) {
  absl::StatusOr<Target> native = getTarget("native");
  ASSERT_TRUE(native.ok());
  EXPECT_NE(native->cpu, "native");
  EXPECT_EQ(getTarget("")->cpu, native->cpu);
}

TEST(TargetTest, RefusesUnknownProcessorsWithTheClosestOnes) {
  EXPECT_THAT(
      std::string(getTarget("znver44").status().message()),
      testing::MatchesRegex("--target-cpu: unknown processor 'znver44', the closest names are znver4, "
                            "[^, ]+, [^, ]+; llmc compile --list-cpus prints all"));
}

} // namespace
