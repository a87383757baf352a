#include "runtime/core/X86Features.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "test/unit/runtime/TinyArtifact.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <map>
#include <set>

using namespace llmc::runtime;
using llmc::runtime::test::readFile;
using testing::Contains;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

namespace {

/// Every bit of every leaf.
CpuidRegisters everything(uint32_t, uint32_t) { return {~0U, ~0U, ~0U, ~0U}; }
constexpr uint64_t kAllState = ~uint64_t{0};

TEST(X86FeaturesTest, KnowsAllThatAProcessorHas) {
  EXPECT_EQ(x86FeaturesOf({everything, kAllState}), knownX86Features());
  EXPECT_THAT(x86FeaturesOf({[](uint32_t, uint32_t) { return CpuidRegisters{}; }, kAllState}), IsEmpty());
}

TEST(X86FeaturesTest, CountsOnlyWhatTheSystemSaves) {
  const auto none = x86FeaturesOf({everything, 0});
  EXPECT_THAT(none, IsSupersetOf({"sse4.2", "bmi2", "popcnt"}));
  EXPECT_THAT(none, Not(Contains("avx")));
  const auto avx = x86FeaturesOf({everything, 0x6});
  EXPECT_THAT(avx, IsSupersetOf({"avx", "avx2", "fma", "f16c", "avxvnni"}));
  EXPECT_THAT(avx, Not(Contains("avx512f")));
  const auto avx512 = x86FeaturesOf({everything, 0xe6});
  EXPECT_THAT(avx512, IsSupersetOf({"avx512f", "avx512bf16", "avx10.2"}));
  EXPECT_THAT(avx512, Not(Contains("egpr"))) << "16 more registers, which are not saved";
}

TEST(X86FeaturesTest, KnowsVersionsOfAvx10AndHalvesOfApx) {
  auto first = [](uint32_t leaf, uint32_t subleaf) {
    return leaf == 0x24   ? CpuidRegisters{0, 1, 0, 0}
           : leaf == 0x29 ? CpuidRegisters{}
                          : everything(leaf, subleaf);
  };
  const auto has = x86FeaturesOf({first, kAllState});
  EXPECT_THAT(has, IsSupersetOf({"avx10.1", "egpr", "ppx", "push2pop2"}));
  for (const char *missing : {"avx10.2", "ndd", "nf", "ccmp", "cf", "zu"})
    EXPECT_THAT(has, Not(Contains(missing)));
}

#if defined(__x86_64__)
TEST(X86FeaturesTest, AgreesWithTheKernel) {
  const std::string cpuinfo = readFile("/proc/cpuinfo");
  const size_t begin = cpuinfo.find("flags");
  const std::string flags = cpuinfo.substr(begin, cpuinfo.find('\n', begin) - begin) + " ";
  // Where the kernel's name is not LLVM's with '.' and '-' as '_'.
  const std::map<std::string, std::string> kernelNames = {
      {"sse3", "pni"},
      {"bmi", "bmi1"},
      {"lzcnt", "abm"},
      {"prfchw", "3dnowprefetch"},
      {"avxvnni", "avx_vnni"},
      {"avxvnniint8", "avx_vnni_int8"},
      {"avxvnniint16", "avx_vnni_int16"},
      {"avxifma", "avx_ifma"},
      {"avxneconvert", "avx_ne_convert"},
      {"avx512vp2intersect", "avx512_vp2intersect"},
      {"avx512vbmi2", "avx512_vbmi2"},
      {"avx512vnni", "avx512_vnni"},
      {"avx512bitalg", "avx512_bitalg"},
      {"avx512vpopcntdq", "avx512_vpopcntdq"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512fp16", "avx512_fp16"},
  };
  // What kernels of these days do not name.
  const std::set<absl::string_view> unnamed = {"avx10.1", "avx10.2", "egpr", "ppx", "push2pop2", "ccmp",
                                               "cf",      "ndd",     "nf",   "zu",  "movrs"};
  const std::vector<absl::string_view> has = hostX86Features();
  for (absl::string_view feature : knownX86Features()) {
    if (unnamed.contains(feature))
      continue;
    const auto known = kernelNames.find(std::string(feature));
    const std::string flag =
        known != kernelNames.end() ? known->second : absl::StrReplaceAll(feature, {{".", "_"}, {"-", "_"}});
    EXPECT_EQ(testing::Value(has, testing::Contains(feature)),
              absl::StrContains(flags, absl::StrCat(" ", flag, " ")))
        << feature;
  }
}
#endif

} // namespace
