//===- Profile.h - when the workers of a team did what --------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_PROFILE_H
#define LLMC_RUNTIME_CORE_PROFILE_H

#include "runtime/core/StepAbi.h"

#include <chrono>
#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// A worker's way through one parallel region.
struct RegionSpan {
  using Clock = std::chrono::steady_clock;
  uint32_t step;           ///< number of the step since the recording began
  uint32_t region;         ///< number of the region in the step
  uint32_t chunks = 0;     ///< that this worker did
  Clock::time_point enter; ///< when it came to the region
  Clock::time_point done;  ///< when it had done its last chunk, or `enter`
  Clock::time_point leave; ///< when the region was over
};

/// What the workers of a team did in some steps.
struct Profile {
  /// A step, as the caller gave it.
  struct Step {
    LlmcStepFunction function;
    int64_t rows, outputRows;
    std::vector<int32_t> positions, tokenTypes; ///< of its rows
    std::vector<int64_t> cacheOffsets;          ///< of its rows; empty: 0
  };
  std::vector<Step> steps;
  std::vector<std::vector<RegionSpan>> workers; ///< of each worker, in order
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_PROFILE_H
