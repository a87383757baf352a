//===- X86Features.h - what an x86 processor says it can do -------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_X86FEATURES_H
#define LLMC_RUNTIME_CORE_X86FEATURES_H

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include <array>
#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// What the instruction cpuid answers: eax, ebx, ecx, edx.
using CpuidRegisters = std::array<uint32_t, 4>;

/// A processor: cpuid of a leaf and a subleaf (zeros where there is none), and the state that the operating
/// system saves for each thread, as xgetbv(0) says.
struct X86Processor {
  absl::FunctionRef<CpuidRegisters(uint32_t leaf, uint32_t subleaf)> cpuid;
  uint64_t savedState;
};

/// The features that code for x86-64 may need, by LLVM's names. Left out is what every x86-64 processor has.
std::vector<absl::string_view> knownX86Features();

/// Those that `processor` has and whose registers the operating system saves.
std::vector<absl::string_view> x86FeaturesOf(const X86Processor &processor);

/// Those of this machine; empty if it is no x86-64.
std::vector<absl::string_view> hostX86Features();

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_X86FEATURES_H
