//===- Inspect.cpp - llmc inspect -----------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/InspectOptions.h"
#include "tools/llmc/Model.h"
#include "tools/llmc/OptionChecks.h"
#include "tools/llmc/Summary.h"

#include "runtime/core/ArtifactFile.h"

#include "absl/strings/str_join.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace llmc::tool {

void addInspectOptions(CLI::App &command, InspectOptions &options) {
  command
      .add_option("FILE", options.path,
                  "An artifact, a GGUF file, an ONNX file, a Hugging Face directory or a model definition")
      ->required()
      ->check(pathOfFile());
  CLI::Option *json = command.add_flag("--json", options.json, "Print one JSON object instead of a table");
  command
      .add_flag("--definition", options.definition, "Print the model as a definition, which llmc train takes")
      ->excludes(json);
  command.add_flag(
      "--verify", options.verify,
      "Check the checksums of all weights of an artifact; those of code and manifest always are");
  command.footer("Examples:\n"
                 "  llmc inspect model.llmc\n"
                 "  llmc inspect model.llmc --verify\n"
                 "  llmc inspect model.gguf --json\n"
                 "  llmc inspect model.gguf --definition > model.textproto");
}

static Summary summarize(const runtime::ArtifactFile &file) {
  const runtime::Manifest &manifest = file.manifest();
  Summary summary;
  summary.path = file.path();
  auto fact = [&](const char *name, Json value) { summary.facts.emplace_back(name, std::move(value)); };
  for (const runtime::Parameter &parameter : manifest.parameters())
    summary.parameters.push_back({parameter.name(),
                                  {parameter.shape().begin(), parameter.shape().end()},
                                  parameter.format(),
                                  parameter.bytes()});
  std::vector<std::string> steps;
  for (const runtime::Step &step : manifest.steps())
    steps.push_back(absl::StrCat(step.name(), " (up to ", step.max_rows(), " rows)"));
  fact("kind", manifest.kind() == runtime::EMBED     ? "embedding model"
               : manifest.kind() == runtime::PREDICT ? "model with a head"
                                                     : "text generator");
  fact("model_name", manifest.model_name());
  fact("architecture", manifest.architecture());
  fact("licence", manifest.licence());
  fact("source", manifest.source());
  fact("producer", manifest.producer());
  fact("target", absl::StrCat(manifest.target().triple(), ", ", manifest.target().cpu()));
  fact("needs", absl::StrJoin(manifest.target().required_features(), " "));
  fact("steps", absl::StrJoin(steps, ", "));
  if (!manifest.adapters().empty())
    fact("adapters", absl::StrJoin(manifest.adapters(), ", "));
  fact("context_length", manifest.context_length());
  fact("vocabulary_size", manifest.vocabulary_size());
  fact("output_width", manifest.output_width());
  fact("parameter_count", manifest.parameter_count());
  fact("flops_per_token", manifest.flops_per_token());
  fact("bytes_per_token", manifest.bytes_per_token());
  fact("file_bytes", file.fileSize());
  fact("code_bytes", manifest.code().size());
  fact("weights_bytes", manifest.weights().size());
  fact("activation_bytes", manifest.arena_bytes());
  fact("cache_bytes", manifest.cache_bytes());
  return summary;
}

static ExitCode inspect(const InspectOptions &options) {
  auto file = runtime::ArtifactFile::open(options.path,
                                          options.verify ? runtime::Verify::Always : runtime::Verify::Never);
  if (!file.ok())
    return fail(file.status());
  if (options.definition)
    return failUsage(absl::StrCat("--definition: ", options.path,
                                  " is an artifact, expected a checkpoint or a definition"));
  Summary summary = summarize(*file);
  if (options.verify)
    summary.facts.emplace_back("checksums", "all match");
  options.json ? printSummaryJson(summary) : printTable(summary);
  return ExitCode::Success;
}

void addInspectCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *command =
      app.add_subcommand("inspect", "Show the parameters, costs and memory of a checkpoint or an artifact");
  addInspectOptions(*command, *options);
  command->callback([options, &invocation] {
    const bool isModel = isCheckpoint(options->path) || isDefinition(options->path);
    invocation.result = isModel ? continueInCompiler(invocation) : inspect(*options);
  });
}

} // namespace llmc::tool
