#include "runtime/core/CpuFeatures.h"

#include "runtime/core/X86Features.h"

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace llmc::runtime {
namespace {

/// Bits of the auxiliary vector: asm/hwcap.h of Linux on AArch64, which is not there on other machines. Only
/// what kernels may be made of is here, which vectors of unknown length (SVE) are not.
struct ArmFeature {
  absl::string_view name;
  int word;           ///< 1: AT_HWCAP, 2: AT_HWCAP2
  unsigned long bits; ///< all of them: Linux tells scalars and vectors of f16 apart
};
constexpr unsigned long bit(int number) { return 1UL << number; }
constexpr ArmFeature kArmFeatures[] = {
    {"fp-armv8", 1, bit(0)},           {"neon", 1, bit(1)},  {"lse", 1, bit(8)},
    {"fullfp16", 1, bit(9) | bit(10)}, {"rdm", 1, bit(12)},  {"dotprod", 1, bit(20)},
    {"fp16fml", 1, bit(23)},           {"i8mm", 2, bit(13)}, {"bf16", 2, bit(14)},
};

} // namespace

absl::string_view hostArchitecture() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "unknown";
#endif
}

std::vector<absl::string_view> checkableFeatures(absl::string_view architecture) {
  if (architecture == "x86_64")
    return knownX86Features();
  std::vector<absl::string_view> names;
  if (architecture == "aarch64")
    for (const ArmFeature &feature : kArmFeatures)
      names.push_back(feature.name);
  return names;
}

std::vector<absl::string_view> hostFeatures() {
  std::vector<absl::string_view> has = hostX86Features();
#if defined(__aarch64__)
  for (const ArmFeature &feature : kArmFeatures)
    if ((getauxval(feature.word == 1 ? AT_HWCAP : AT_HWCAP2) & feature.bits) == feature.bits)
      has.push_back(feature.name);
#endif
  return has;
}

absl::Status checkTarget(const Target &target, absl::string_view architecture,
                         const std::vector<absl::string_view> &has) {
  const std::vector<absl::string_view> triple = absl::StrSplit(target.triple(), '-');
  if (triple[0] != architecture || !absl::StrContains(target.triple(), "linux"))
    return absl::FailedPreconditionError(absl::StrCat("artifact was compiled for ",
                                                      absl::Utf8SafeCEscape(target.triple()),
                                                      ", but this machine is ", architecture, " Linux"));
  std::vector<absl::string_view> missing;
  for (const std::string &feature : target.required_features()) {
    if (!absl::c_linear_search(checkableFeatures(architecture), feature))
      return absl::InvalidArgumentError(absl::StrCat("artifact needs CPU feature '",
                                                     absl::Utf8SafeCEscape(feature),
                                                     "', which this runtime does not know"));
    if (!absl::c_linear_search(has, feature))
      missing.push_back(feature);
  }
  if (missing.empty())
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("artifact was compiled for ",
                                                    absl::Utf8SafeCEscape(target.cpu()), " and needs ",
                                                    absl::StrJoin(missing, ", "), ", which this CPU lacks"));
}

bool requestMatrixTiles() {
#if defined(__x86_64__)
  // asm/prctl.h: ARCH_REQ_XCOMP_PERM, for the XSAVE component XTILEDATA.
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

absl::Status checkTarget(const Target &target) {
  std::vector<absl::string_view> has = hostFeatures();
  auto isMatrixFeature = [](absl::string_view name) { return absl::StartsWith(name, "amx-"); };
  if (absl::c_any_of(target.required_features(), isMatrixFeature) && !requestMatrixTiles())
    std::erase_if(has, isMatrixFeature);
  return checkTarget(target, hostArchitecture(), has);
}

} // namespace llmc::runtime
