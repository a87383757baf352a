//===- ProfilePage.cpp - a profile as a page for browsers -----------------------------------------------===//

#include "tools/llmc/ProfilePage.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include <algorithm>

namespace llmc::tool {

namespace {

/// Steps of a timeline at most: those of a prompt are long, and of a text alike.
constexpr size_t kStepsShown = 4;

/// The page. @DATA@ becomes {model, limits, workloads: [{title, roofline, timeline}]}.
constexpr const char *kPage = R"page(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Profile</title><style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .15em .8em; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } .swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em }
svg { width: 100%; background: #f4f4f4; cursor: grab; touch-action: none } p { color: #555; max-width: 60em }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1a1a1a } svg { background: #2a2a2a } td, th { border-color: #444 } p { color: #aaa } }
</style></head><body><h1></h1><p id="limits"></p><main></main><script>
const data = @DATA@;
const make = (name, parent, text) => { const e = document.createElement(name); if (text !== undefined) e.textContent = text; parent.append(e); return e };
const rate = (number, seconds) => seconds > 0 ? (number / seconds / 1e9).toFixed(1) : "";
const percent = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(1) + "%" : "";
const color = i => `hsl(${i * 137.5 % 360} 60% 50%)`;
document.querySelector("h1").textContent = data.model;
document.querySelector("#limits").textContent = `Limits: ${(data.limits.read_bytes_per_second / 1e9).toFixed(1)} GB/s read from memory; ` +
  Object.entries(data.limits.flops_per_second).map(([unit, peak]) => `${unit} ${(peak / 1e9).toFixed(0)} GFLOP/s`).join(", ") +
  ". A region takes from the end of the one before to its own end. In the timelines colors are threads at work, gaps are threads that wait; the wheel zooms, dragging moves.";
for (const workload of data.workloads) {
  const main = document.querySelector("main"), roofline = workload.roofline;
  make("h2", main, workload.title);
  const table = make("table", main), head = make("tr", table);
  for (const name of ["operation", "kernel", "regions", "ms", "part", "GFLOP/s", "GB/s", "limit ms", "of it", "by", "busy"]) make("th", head, name);
  const row = (o, index) => {
    const tr = make("tr", table), first = make("td", tr);
    if (index !== undefined) make("span", first).className = "swatch", first.firstChild.style.background = color(index);
    first.append(o.operation || "not known");
    for (const cell of [o.kernel ? `${o.kernel}, ${o.unit}` : "", o.regions, (1e3 * o.seconds).toFixed(3), percent(o.seconds, roofline.seconds),
      o.flops === undefined ? "" : rate(o.flops, o.seconds), o.bytes === undefined ? "" : rate(o.bytes, o.seconds),
      (1e3 * o.limit_seconds).toFixed(3), percent(o.limit_seconds, o.seconds), o.limited_by || "", (100 * o.busy).toFixed(0) + "%"]) make("td", tr, cell);
    if (o.note) tr.title = o.note;
  };
  roofline.operations.forEach(row);
  row({ ...roofline, operation: "all" });
  const timeline = workload.timeline, lane = 40, height = lane * timeline.threads.length;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("height", height);
  svg.setAttribute("preserveAspectRatio", "none");
  let from = 0, width = timeline.microseconds;
  const show = () => svg.setAttribute("viewBox", `${from} 0 ${width} ${height}`);
  timeline.threads.forEach((spans, thread) => {
    for (const [operation, begin, length] of spans) {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ x: begin, y: lane * thread + 4, width: length, height: lane - 8, fill: color(operation) })) rect.setAttribute(key, value);
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = `thread ${thread}: ${roofline.operations[operation].operation || "not known"}, ${length.toFixed(1)} µs`;
      rect.append(title);
      svg.append(rect);
    }
  });
  svg.addEventListener("wheel", event => {
    event.preventDefault();
    const at = from + width * event.offsetX / svg.clientWidth, scale = event.deltaY < 0 ? 0.8 : 1.25;
    width = Math.min(timeline.microseconds, width * scale);
    from = Math.max(0, Math.min(timeline.microseconds - width, at - width * event.offsetX / svg.clientWidth));
    show();
  });
  svg.addEventListener("pointermove", event => {
    if (!event.buttons) return;
    from = Math.max(0, Math.min(timeline.microseconds - width, from - event.movementX * width / svg.clientWidth));
    show();
  });
  show();
  main.append(svg);
}
</script></body></html>
)page";

/// When threads were at work in the last steps: for each thread [number in the roofline, begin, length], in
/// microseconds.
Json timelineOf(const ProfiledWorkload &workload, const runtime::Artifact &artifact) {
  const runtime::Profile &profile = workload.profile;
  const size_t firstStep = profile.steps.size() - std::min(profile.steps.size(), kStepsShown);
  using TimePoint = runtime::RegionSpan::Clock::time_point;
  TimePoint begin = TimePoint::max(), end = TimePoint::min();
  for (const std::vector<runtime::RegionSpan> &spans : profile.workers)
    for (const runtime::RegionSpan &span : spans)
      if (span.step >= firstStep) {
        begin = std::min(begin, span.enter);
        end = std::max(end, span.leave);
      }
  auto microseconds = [](TimePoint from, TimePoint to) {
    return std::chrono::duration<double, std::micro>(to - from).count();
  };
  Json threads = Json::array();
  for (const std::vector<runtime::RegionSpan> &spans : profile.workers) {
    Json thread = Json::array();
    for (const runtime::RegionSpan &span : spans) {
      if (span.step < firstStep || span.chunks == 0)
        continue;
      const runtime::Work *work = workOf(artifact, profile.steps[span.step].function, span.region);
      const auto found = std::ranges::find(workload.roofline.operations, work, &OperationTime::work);
      if (found != workload.roofline.operations.end())
        thread.push_back({found - workload.roofline.operations.begin(), microseconds(begin, span.enter),
                          microseconds(span.enter, span.done)});
    }
    threads.push_back(std::move(thread));
  }
  return {{"microseconds", end < begin ? 0 : microseconds(begin, end)}, {"threads", std::move(threads)}};
}

} // namespace

absl::Status writeProfilePage(io::AtomicFile &file, const runtime::Artifact &artifact,
                              const MachineLimits &limits, absl::Span<const ProfiledWorkload> workloads) {
  Json list = Json::array();
  for (const ProfiledWorkload &workload : workloads)
    list.push_back({{"title", workload.title},
                    {"roofline", toJson(workload.roofline)},
                    {"timeline", timelineOf(workload, artifact)}});
  const Json data = {{"model", artifact.path()}, {"limits", toJson(limits)}, {"workloads", std::move(list)}};
  std::string text = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  // "</script>" in a name would end the script.
  text = absl::StrReplaceAll(text, {{"<", "\\u003c"}});
  file.append(absl::StrReplaceAll(kPage, {{"@DATA@", text}})).IgnoreError(); // commit() tells
  return file.commit();
}

} // namespace llmc::tool
