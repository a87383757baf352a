// The compiler's own check (__builtin_cpu_supports) knows only what its library knew when that was built, and
// says no to all newer features: so this asks the processor. Leaves and bits: Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 2, CPUID; AMD64 Architecture Programmer's Manual, volume
// 3, appendix E.
#include "runtime/core/X86Features.h"

#include "absl/algorithm/container.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace llmc::runtime {
namespace {

enum Register { kEax, kEbx, kEcx, kEdx };

/// Bits of xgetbv(0): registers that the operating system saves when it changes threads.
constexpr uint64_t kNoState = 0, kAvxState = 0x6, kAvx512State = 0xe6, kApxState = uint64_t{1} << 19,
                   kTileState = 0x60000;

constexpr uint32_t kAvx10Leaf = 0x24;

struct Feature {
  absl::string_view name;
  uint32_t leaf, subleaf;
  Register where;
  int bit;
  uint64_t state;
  int avx10Version = 0; ///< of AVX10 beside the bit
};

constexpr Feature kFeatures[] = {
    {"sse3", 1, 0, kEcx, 0, kNoState},
    {"ssse3", 1, 0, kEcx, 9, kNoState},
    {"sse4.1", 1, 0, kEcx, 19, kNoState},
    {"sse4.2", 1, 0, kEcx, 20, kNoState},
    {"popcnt", 1, 0, kEcx, 23, kNoState},
    {"movbe", 1, 0, kEcx, 22, kNoState},
    {"fma", 1, 0, kEcx, 12, kAvxState},
    {"avx", 1, 0, kEcx, 28, kAvxState},
    {"f16c", 1, 0, kEcx, 29, kAvxState},
    {"bmi", 7, 0, kEbx, 3, kNoState},
    {"avx2", 7, 0, kEbx, 5, kAvxState},
    {"bmi2", 7, 0, kEbx, 8, kNoState},
    {"avx512f", 7, 0, kEbx, 16, kAvx512State},
    {"avx512dq", 7, 0, kEbx, 17, kAvx512State},
    {"avx512ifma", 7, 0, kEbx, 21, kAvx512State},
    {"avx512cd", 7, 0, kEbx, 28, kAvx512State},
    {"avx512bw", 7, 0, kEbx, 30, kAvx512State},
    {"avx512vl", 7, 0, kEbx, 31, kAvx512State},
    {"avx512vbmi", 7, 0, kEcx, 1, kAvx512State},
    {"avx512vbmi2", 7, 0, kEcx, 6, kAvx512State},
    {"gfni", 7, 0, kEcx, 8, kNoState},
    {"avx512vnni", 7, 0, kEcx, 11, kAvx512State},
    {"avx512bitalg", 7, 0, kEcx, 12, kAvx512State},
    {"avx512vpopcntdq", 7, 0, kEcx, 14, kAvx512State},
    {"avx512vp2intersect", 7, 0, kEdx, 8, kAvx512State},
    {"avx512fp16", 7, 0, kEdx, 23, kAvx512State},
    {"amx-bf16", 7, 0, kEdx, 22, kTileState},
    {"amx-tile", 7, 0, kEdx, 24, kTileState},
    {"amx-int8", 7, 0, kEdx, 25, kTileState},
    {"avxvnni", 7, 1, kEax, 4, kAvxState},
    {"avx512bf16", 7, 1, kEax, 5, kAvx512State},
    {"cmpccxadd", 7, 1, kEax, 7, kNoState},
    {"avxifma", 7, 1, kEax, 23, kAvxState},
    {"movrs", 7, 1, kEax, 31, kNoState},
    {"avxvnniint8", 7, 1, kEdx, 4, kAvxState},
    {"avxneconvert", 7, 1, kEdx, 5, kAvxState},
    {"avxvnniint16", 7, 1, kEdx, 10, kAvxState},
    {"avx10.1", 7, 1, kEdx, 19, kAvx512State, 1},
    {"avx10.2", 7, 1, kEdx, 19, kAvx512State, 2},
    // APX, of which the second half has a bit of its own.
    {"egpr", 7, 1, kEdx, 21, kApxState},
    {"ppx", 7, 1, kEdx, 21, kApxState},
    {"push2pop2", 7, 1, kEdx, 21, kApxState},
    {"ccmp", 0x29, 0, kEbx, 0, kApxState},
    {"cf", 0x29, 0, kEbx, 0, kApxState},
    {"ndd", 0x29, 0, kEbx, 0, kApxState},
    {"nf", 0x29, 0, kEbx, 0, kApxState},
    {"zu", 0x29, 0, kEbx, 0, kApxState},
    {"lzcnt", 0x80000001, 0, kEcx, 5, kNoState},
    {"sse4a", 0x80000001, 0, kEcx, 6, kNoState},
    {"prfchw", 0x80000001, 0, kEcx, 8, kNoState},
    {"xop", 0x80000001, 0, kEcx, 11, kAvxState},
    {"fma4", 0x80000001, 0, kEcx, 16, kAvxState},
    {"tbm", 0x80000001, 0, kEcx, 21, kNoState},
};

bool has(const X86Processor &processor, const Feature &feature) {
  if ((processor.savedState & feature.state) != feature.state)
    return false;
  if ((processor.cpuid(feature.leaf, feature.subleaf)[feature.where] >> feature.bit & 1) == 0)
    return false;
  return (processor.cpuid(kAvx10Leaf, 0)[kEbx] & 0xff) >= static_cast<uint32_t>(feature.avx10Version);
}

#if defined(__x86_64__)
CpuidRegisters hostCpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r = {};
  // Leaves beyond the last one repeat that, subleaves of leaf 7 too: eax of its first one is their number.
  if (leaf == 7 && subleaf > 0 && hostCpuid(7, 0)[kEax] < subleaf)
    return r;
  if (!__get_cpuid_count(leaf, subleaf, &r[kEax], &r[kEbx], &r[kEcx], &r[kEdx]))
    r = {};
  return r;
}

uint64_t hostSavedState() {
  constexpr uint32_t kOsxsave = uint32_t{1} << 27;
  if ((hostCpuid(1, 0)[kEcx] & kOsxsave) == 0)
    return 0;
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}
#endif

} // namespace

std::vector<absl::string_view> knownX86Features() {
  std::vector<absl::string_view> names;
  for (const Feature &feature : kFeatures)
    names.push_back(feature.name);
  return names;
}

std::vector<absl::string_view> x86FeaturesOf(const X86Processor &processor) {
  std::vector<absl::string_view> names;
  for (const Feature &feature : kFeatures)
    if (has(processor, feature))
      names.push_back(feature.name);
  return names;
}

std::vector<absl::string_view> hostX86Features() {
#if defined(__x86_64__)
  return x86FeaturesOf({hostCpuid, hostSavedState()});
#else
  return {};
#endif
}

} // namespace llmc::runtime
