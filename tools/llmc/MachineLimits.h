//===- MachineLimits.h - what this machine can do at most -----------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_MACHINELIMITS_H
#define LLMC_TOOLS_LLMC_MACHINELIMITS_H

#include "absl/status/statusor.h"

#include <map>
#include <string>

namespace llmc::tool {

/// What some threads of this machine reach together in loops that do nothing else.
struct MachineLimits {
  /// Bytes a second, read from memory in order.
  double readBandwidth = 0;
  /// Multiplies and adds a second of each unit (Work.unit of artifact.proto) that this processor has, without
  /// "int32", of which there is no instruction.
  std::map<std::string, double> peaks;
};

/// Measures `threads` threads; takes about a second. Fails where the memory to read is not to be had.
absl::StatusOr<MachineLimits> measureMachineLimits(int threads);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_MACHINELIMITS_H
