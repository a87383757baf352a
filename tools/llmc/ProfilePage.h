//===- ProfilePage.h - a profile as a page for browsers --------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_PROFILEPAGE_H
#define LLMC_TOOLS_LLMC_PROFILEPAGE_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Profile.h"
#include "runtime/io/AtomicFile.h"
#include "tools/llmc/Roofline.h"

#include "absl/status/status.h"
#include "absl/types/span.h"

#include <string>

namespace llmc::tool {

/// What was measured of one workload.
struct ProfiledWorkload {
  std::string title;
  runtime::Profile profile;
  Roofline roofline;
};

/// Makes `file` a page that needs no other file: for each workload the table of its roofline and a timeline
/// of its last steps, a line for each thread.
absl::Status writeProfilePage(io::AtomicFile &file, const runtime::Artifact &artifact,
                              const MachineLimits &limits, absl::Span<const ProfiledWorkload> workloads);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_PROFILEPAGE_H
