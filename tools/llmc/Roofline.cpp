//===- Roofline.cpp - what each operation took, and what it had to take ---------------------------------===//

#include "tools/llmc/Roofline.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace llmc::tool {

namespace {

using runtime::Profile;
using runtime::RegionSpan;
using runtime::Work;
using TimePoint = RegionSpan::Clock::time_point;

double secondsBetween(TimePoint begin, TimePoint end) {
  return std::max(0.0, std::chrono::duration<double>(end - begin).count());
}

/// What the rows of a step attend to by one Work.
struct Attended {
  double pairs = 0;     ///< of a row and a position
  double positions = 0; ///< of caches that are read, of all sequences
};

Attended attendedBy(const Work &work, const Profile::Step &step, bool readsSource, bool hasEncoder) {
  Attended attended;
  const double window = work.window() == 0 ? HUGE_VAL : static_cast<double>(work.window());
  std::map<int64_t, double> read; // positions of each sequence's cache
  for (size_t row = 0; row < step.positions.size(); ++row) {
    double seen = step.positions[row] + 1.0;
    if (!work.is_causal()) // all of a text, or of the source that the decoder attends to
      seen = hasEncoder && !readsSource && row < step.tokenTypes.size() ? step.tokenTypes[row] + 1.0
                                                                        : static_cast<double>(step.rows);
    double &most = read[step.cacheOffsets.empty() ? 0 : step.cacheOffsets[row]];
    most = std::max(most, seen);
    attended.pairs += std::min(seen, window);
  }
  for (const auto &[offset, positions] : read)
    attended.positions += std::min(positions, window + static_cast<double>(step.rows) - 1);
  return attended;
}

double parameterBytes(const Work &work, double rows) {
  return work.row_parameter_bytes() == 0
             ? work.parameter_bytes()
             : std::min(work.parameter_bytes(), rows * work.row_parameter_bytes());
}

/// All workers' spans of one step, by region.
using StepSpans = std::vector<std::vector<const RegionSpan *>>;

std::vector<StepSpans> groupSpans(const Profile &profile) {
  std::vector<StepSpans> steps(profile.steps.size());
  for (const std::vector<RegionSpan> &spans : profile.workers)
    for (const RegionSpan &span : spans) {
      StepSpans &regions = steps[span.step];
      if (regions.size() <= span.region)
        regions.resize(span.region + 1);
      regions[span.region].push_back(&span);
    }
  return steps;
}

/// When a region was over: with its last chunk. A worker that comes late leaves it later.
TimePoint endOf(absl::Span<const RegionSpan *const> spans) {
  TimePoint done = TimePoint::min(), left = TimePoint::max();
  for (const RegionSpan *span : spans) {
    if (span->chunks > 0)
      done = std::max(done, span->done);
    left = std::min(left, span->leave);
  }
  return done != TimePoint::min() ? done : left;
}

/// The step of the manifest that `function` is; null for none.
const runtime::Step *findStep(const runtime::Artifact &artifact, LlmcStepFunction function) {
  const auto number = [&](const runtime::Artifact::Step &step) {
    return &artifact.manifest().steps(step.number);
  };
  if (const runtime::Artifact::Step *source = artifact.sourceStep(); source && source->function == function)
    return number(*source);
  for (const runtime::Artifact::Step &step : artifact.steps())
    if (step.function == function)
      return number(step);
  return nullptr;
}

} // namespace

const Work *workOf(const runtime::Artifact &artifact, LlmcStepFunction function, size_t region) {
  const runtime::Step *step = findStep(artifact, function);
  if (step && region < static_cast<size_t>(step->regions_size()))
    return &artifact.manifest().works(step->regions(static_cast<int>(region)));
  return step ? &Work::default_instance() : nullptr;
}

Roofline makeRoofline(const Profile &profile, const runtime::Artifact &artifact,
                      const MachineLimits &limits) {
  const runtime::Manifest &manifest = artifact.manifest();
  Roofline roofline;
  std::map<const Work *, OperationTime> operations;
  const std::vector<StepSpans> steps = groupSpans(profile);
  for (size_t number = 0; number < steps.size(); ++number) {
    const Profile::Step &step = profile.steps[number];
    const runtime::Step *described = findStep(artifact, step.function);
    if (!described || steps[number].empty() || steps[number].front().empty())
      continue;
    ++roofline.steps;
    TimePoint last = (*std::ranges::min_element(steps[number].front(), {}, &RegionSpan::enter))->enter;
    for (size_t region = 0; region < steps[number].size(); ++region) {
      // A list of another length is of another program.
      const bool isKnown = static_cast<size_t>(described->regions_size()) == steps[number].size();
      const Work &work =
          isKnown ? *workOf(artifact, step.function, region) : runtime::Work::default_instance();
      OperationTime &operation = operations[&work];
      operation.work = &work;
      ++operation.regions;
      const TimePoint end = std::max(last, endOf(steps[number][region]));
      for (const RegionSpan *span : steps[number][region])
        if (span->chunks > 0)
          operation.busy += secondsBetween(std::max(span->enter, last), span->done);
      operation.seconds += secondsBetween(last, end);
      last = end;
      const double rows = static_cast<double>(work.of_outputs() ? step.outputRows : step.rows);
      const Attended attended = attendedBy(work, step, described->reads_source(), manifest.has_encoder());
      const double flops = rows * work.flops() + attended.pairs * work.position_flops();
      const double bytes =
          rows == 0 ? 0 : parameterBytes(work, rows) + attended.positions * work.position_bytes();
      operation.flops += flops;
      operation.bytes += bytes;
      const auto peak = limits.peaks.find(work.unit());
      const double reading = bytes / limits.readBandwidth;
      const double passes = std::max<double>(work.passes(), 1);
      const double computing = peak == limits.peaks.end() ? 0 : passes * flops / peak->second;
      operation.reading += reading;
      operation.computing += computing;
      operation.limit += std::max(reading, computing);
      operation.isLimitKnown &= flops == 0 || peak != limits.peaks.end();
    }
  }
  for (auto &[work, operation] : operations) {
    roofline.regions += operation.regions;
    roofline.seconds += operation.seconds;
    roofline.busy += operation.busy;
    roofline.limit += operation.limit;
    roofline.operations.push_back(operation);
  }
  std::ranges::sort(roofline.operations, std::greater(), &OperationTime::seconds);
  const double workers = static_cast<double>(profile.workers.size());
  for (OperationTime &operation : roofline.operations)
    operation.busy = operation.seconds == 0 ? 0 : operation.busy / (operation.seconds * workers);
  roofline.busy = roofline.seconds == 0 ? 0 : roofline.busy / (roofline.seconds * workers);
  return roofline;
}

void printRoofline(const Roofline &roofline, const MachineLimits &limits) {
  auto line = [](absl::string_view name, absl::string_view regions, double seconds, double part, double flops,
                 double bytes, double limit, absl::string_view by) {
    absl::PrintF("  %-64s %7s %9.3f %5.1f%% %9.1f %8.1f %9.3f %5.0f%% %s\n", name, regions, 1e3 * seconds,
                 1e2 * part, seconds == 0 ? 0 : 1e-9 * flops / seconds,
                 seconds == 0 ? 0 : 1e-9 * bytes / seconds, 1e3 * limit,
                 seconds == 0 ? 0 : 1e2 * limit / seconds, by);
  };
  absl::PrintF("  %-64s %7s %9s %6s %9s %8s %9s %6s %s\n", "operation", "regions", "ms", "part", "GFLOP/s",
               "GB/s", "limit ms", "of it", "by");
  double flops = 0, bytes = 0;
  for (const OperationTime &operation : roofline.operations) {
    const Work &work = *operation.work;
    flops += operation.flops;
    bytes += operation.bytes;
    line(work.operation().empty() ? "(not known)" : work.operation(), absl::StrCat(operation.regions),
         operation.seconds, operation.seconds / roofline.seconds, operation.flops, operation.bytes,
         operation.limit, operation.limit == 0 ? std::string() : operation.by());
  }
  line("all", absl::StrCat(roofline.regions), roofline.seconds, 1, flops, bytes, roofline.limit, "");
  std::vector<std::string> peaks;
  for (const auto &[unit, peak] : limits.peaks)
    peaks.push_back(absl::StrFormat("%s %.0f GFLOP/s", unit, 1e-9 * peak));
  absl::PrintF(
      "  %d steps, %.0f regions each; threads computed %.0f%% of the time. This machine: %.1f GB/s, %s.\n",
      roofline.steps, roofline.steps == 0 ? 0 : static_cast<double>(roofline.regions) / roofline.steps,
      1e2 * roofline.busy, 1e-9 * limits.readBandwidth, absl::StrJoin(peaks, ", "));
}

Json toJson(const Roofline &roofline) {
  Json operations = Json::array();
  for (const OperationTime &operation : roofline.operations) {
    const Work &work = *operation.work;
    operations.push_back({{"operation", work.operation()},
                          {"kernel", work.kernel()},
                          {"unit", work.unit()},
                          {"note", work.note()},
                          {"regions", operation.regions},
                          {"seconds", operation.seconds},
                          {"busy", operation.busy},
                          {"flops", operation.flops},
                          {"bytes", operation.bytes},
                          {"limit_seconds", operation.limit},
                          {"limited_by", operation.by()}});
  }
  return {{"steps", roofline.steps},         {"regions", roofline.regions},
          {"seconds", roofline.seconds},     {"busy", roofline.busy},
          {"limit_seconds", roofline.limit}, {"operations", std::move(operations)}};
}

Json toJson(const MachineLimits &limits) {
  return {{"read_bytes_per_second", limits.readBandwidth}, {"flops_per_second", limits.peaks}};
}

} // namespace llmc::tool
