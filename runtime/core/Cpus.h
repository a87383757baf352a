//===- Cpus.h - how many CPUs this process may use ----------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_CPUS_H
#define LLMC_RUNTIME_CORE_CPUS_H

#include "absl/strings/string_view.h"

#include <optional>

namespace llmc::runtime {

/// Logical CPUs on which this process may run: its affinity mask, cut to the CPU quota of its control group.
/// At least 1.
int availableLogicalCpus();

/// Physical cores among them (hyper-threads of one core count once), cut to the same quota. At least 1.
int availablePhysicalCpus();

/// Number of whole CPUs, rounded up, in a cgroup v2 `cpu.max` text ("200000 100000" is 2, "max 100000" none).
std::optional<int> parseCpuMax(absl::string_view text);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_CPUS_H
