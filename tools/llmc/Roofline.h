//===- Roofline.h - what each operation took, and what it had to take ------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_ROOFLINE_H
#define LLMC_TOOLS_LLMC_ROOFLINE_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Profile.h"
#include "tools/llmc/Json.h"
#include "tools/llmc/MachineLimits.h"

#include <string>
#include <vector>

namespace llmc::tool {

/// What region `region` of a step of `artifact` computes; a Work without operation if it is not known, null
/// if `function` is none of its steps.
const runtime::Work *workOf(const runtime::Artifact &artifact, LlmcStepFunction function, size_t region);

/// The parallel regions of one Work, in all steps of a profile.
struct OperationTime {
  const runtime::Work *work;
  int64_t regions = 0;
  double seconds = 0; ///< from the end of the region before to the end of this one
  double busy = 0;    ///< part of that in which a thread computed, of all threads
  double flops = 0, bytes = 0;
  double limit = 0;                  ///< seconds that the machine's limits allow
  double reading = 0, computing = 0; ///< seconds of both limits; the longer one of each region is `limit`
  bool isLimitKnown = true;          ///< false: nothing is known of the unit, and `limit` is that of memory

  /// What is the limit: "memory" or a unit.
  std::string by() const {
    return !isLimitKnown ? work->unit() + ", not known" : reading >= computing ? "memory" : work->unit();
  }
};

/// A profile as a roofline: each region takes at least the time that its bytes take to be read, or its
/// products to be computed by the unit that its kernel uses, whichever is longer.
struct Roofline {
  std::vector<OperationTime> operations; ///< the slowest first
  int64_t steps = 0, regions = 0;
  double seconds = 0; ///< of all steps
  double busy = 0;    ///< part of that in which a thread computed, of all threads
  double limit = 0;
};

/// The roofline of what `artifact` did, whose team `profile` is of. Parameters and caches are counted once a
/// step, activations not: they stay in caches.
Roofline makeRoofline(const runtime::Profile &profile, const runtime::Artifact &artifact,
                      const MachineLimits &limits);

/// Prints `roofline` as a table.
void printRoofline(const Roofline &roofline, const MachineLimits &limits);

Json toJson(const Roofline &roofline);
Json toJson(const MachineLimits &limits);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_ROOFLINE_H
