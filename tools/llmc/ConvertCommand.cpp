//===- ConvertCommand.cpp - llmc convert ----------------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Progress.h"

#include "frontend/export/Export.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace llmc::tool {

ExitCode convertModel(const ConvertRequest &request) {
  frontend::ExportOptions options;
  if (!request.dtype.empty())
    options.format = *blocks::parseFormat(request.dtype);
  const absl::Time start = absl::Now();
  Progress progress;
  absl::StatusOr<frontend::ExportReport> report =
      frontend::exportModel(request.model, request.output, options, [&](int64_t done, int64_t total) {
        progress.update("writing tensors", done, total);
      });
  progress.clear();
  if (!report.ok()) {
    // As those of llmc compile, messages about the command line begin with the option.
    const absl::string_view message = report.status().message();
    const bool usage = absl::StartsWith(message, "--") || absl::StartsWith(message, "-o ");
    return fail(report.status(), usage ? ExitCode::Usage : ExitCode::Failure);
  }
  if (request.quiet)
    return ExitCode::Success;
  for (const std::string &note : report->notes)
    absl::FPrintF(stderr, "%s: %s\n", request.output, note);
  absl::FPrintF(stderr, "%s: %d tensors, %.1f MB, made in %.1f s\n", request.output, report->tensors,
                static_cast<double>(report->bytes) / 1e6, absl::ToDoubleSeconds(absl::Now() - start));
  return ExitCode::Success;
}

std::vector<std::string> convertedTypes() {
  std::vector<std::string> names;
  for (blocks::StorageFormat format : blocks::allFormats)
    if (blocks::canQuantize(format))
      names.push_back(absl::AsciiStrToLower(std::string(blocks::nameOf(format))));
  return names;
}

} // namespace llmc::tool
