//===- CpuFeatures.h - what the CPU of this machine can do --------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_CPUFEATURES_H
#define LLMC_RUNTIME_CORE_CPUFEATURES_H

#include "runtime/core/artifact.pb.h"

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include <vector>

namespace llmc::runtime {

/// The architecture of this machine as the first part of an LLVM triple: "x86_64", "aarch64" or "unknown".
absl::string_view hostArchitecture();

/// The names, as LLVM spells them, of the features of `architecture` that a runtime on such a machine can
/// check: Target.required_features may hold these and no others. Code generators use no instructions beyond
/// them and what every processor of the architecture has.
std::vector<absl::string_view> checkableFeatures(absl::string_view architecture);

/// Whether code for `target` runs on this machine, which has the features `has`. The error says what is
/// missing.
absl::Status checkTarget(const Target &target, absl::string_view architecture,
                         const std::vector<absl::string_view> &has);

/// The same for this machine. Where the target uses matrix tiles, asks the system for them.
absl::Status checkTarget(const Target &target);

/// Asks Linux to let this process use the registers of AMX, which each thread's saved state would else not
/// have room for. Returns whether it may.
bool requestMatrixTiles();

/// The checkable features that this CPU has and that the operating system has enabled.
std::vector<absl::string_view> hostFeatures();

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_CPUFEATURES_H
