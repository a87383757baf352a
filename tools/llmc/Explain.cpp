//===- Explain.cpp - llmc explain -------------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/Json.h"
#include "tools/llmc/OptionChecks.h"
#include "tools/llmc/Summary.h"

#include "runtime/core/ArtifactFile.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <set>

namespace llmc::tool {

namespace {

struct ExplainOptions {
  std::string path;
  bool json = false;
};

/// How often a step computes each of the manifest's works, in the order in which they first come.
std::vector<std::pair<const runtime::Work *, int64_t>> worksOf(const runtime::Manifest &manifest,
                                                               const runtime::Step &step) {
  std::vector<std::pair<const runtime::Work *, int64_t>> works;
  std::map<uint32_t, size_t> places;
  for (uint32_t number : step.regions()) {
    auto [it, isNew] = places.try_emplace(number, works.size());
    if (isNew)
      works.emplace_back(&manifest.works(number), 0);
    ++works[it->second].second;
  }
  return works;
}

/// "1.11 M", or "2.30 k/position".
std::string withPosition(double number, double ofPosition) {
  if (ofPosition == 0)
    return abbreviate(number);
  return absl::StrCat(number == 0 ? "" : absl::StrCat(abbreviate(number), " + "), abbreviate(ofPosition),
                      "/position");
}

void print(const runtime::Manifest &manifest, const runtime::Step &step) {
  absl::PrintF("\n%s: up to %d rows, %d parallel regions\n", step.name(), step.max_rows(),
               step.regions_size());
  if (step.regions().empty()) {
    absl::PrintF("  what they compute is not known\n");
    return;
  }
  absl::PrintF("%9s  %-11s %-26s %18s %18s  %s\n", "regions", "unit", "kernel", "FLOPs a row", "bytes read",
               "operations");
  std::map<std::string, std::set<std::string>> units; // that a note is about
  for (const auto &[work, count] : worksOf(manifest, step)) {
    const double bytes =
        work->row_parameter_bytes() != 0 ? work->row_parameter_bytes() : work->parameter_bytes();
    absl::PrintF("%9d  %-11s %-26s %18s %18s  %s\n", count, work->unit(), work->kernel(),
                 withPosition(work->flops(), work->position_flops()),
                 withPosition(bytes, work->position_bytes()),
                 work->operation().empty() ? "not known" : work->operation());
    if (!work->note().empty())
      units[work->note()].insert(work->unit());
  }
  for (const auto &[note, of] : units)
    absl::PrintF("  %s: %s\n", absl::StrJoin(of, ", "), note);
}

Json toJson(const runtime::Manifest &manifest, const runtime::Step &step) {
  Json operations = Json::array();
  for (const auto &[work, count] : worksOf(manifest, step))
    operations.push_back({{"operation", work->operation()},
                          {"regions", count},
                          {"kernel", work->kernel()},
                          {"unit", work->unit()},
                          {"note", work->note()},
                          {"flops_per_row", work->flops()},
                          {"flops_per_position", work->position_flops()},
                          {"parameter_bytes", work->parameter_bytes()},
                          {"parameter_bytes_per_row", work->row_parameter_bytes()},
                          {"cache_bytes_per_position", work->position_bytes()}});
  return {{"name", step.name()},
          {"max_rows", step.max_rows()},
          {"regions", step.regions_size()},
          {"operations", std::move(operations)}};
}

ExitCode explain(const ExplainOptions &options) {
  auto file = runtime::ArtifactFile::open(options.path, runtime::Verify::Never);
  if (!file.ok())
    return fail(file.status());
  const runtime::Manifest &manifest = file->manifest();
  if (manifest.has_gpu())
    return fail(absl::UnimplementedError(
        absl::StrCat(options.path, ": is for GPUs, whose kernels explain does not know; it needs an artifact "
                                   "for CPUs")));
  if (options.json) {
    Json steps = Json::array();
    for (const runtime::Step &step : manifest.steps())
      steps.push_back(toJson(manifest, step));
    printJson({{"artifact", options.path}, {"target", manifest.target().cpu()}, {"steps", std::move(steps)}});
    return ExitCode::Success;
  }
  absl::PrintF("%s, for %s\n", options.path, manifest.target().cpu());
  for (const runtime::Step &step : manifest.steps())
    print(manifest, step);
  return ExitCode::Success;
}

} // namespace

void addExplainCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App *command =
      app.add_subcommand("explain", "Show which kernels an artifact has, and why not faster ones");
  command->add_option("FILE", options->path, "An artifact")->required()->check(pathOfFile());
  command->add_flag("--json", options->json, "Print one JSON object instead of tables");
  command->footer("Examples:\n"
                  "  llmc explain model.llmc\n"
                  "  llmc explain model.llmc --json");
  command->callback([options, &invocation] { invocation.result = explain(*options); });
}

} // namespace llmc::tool
