//===- CompileCheckpoint.cpp - llmc compile -------------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Model.h"
#include "tools/llmc/Progress.h"

#include "codegen/common/Target.h"
#include "codegen/compiler/Compiler.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "passes/Remarks.h"
#include "runtime/core/Generator.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

#include <cmath>
#include <filesystem>

using namespace mlir;

namespace llmc::tool {

namespace {

constexpr std::pair<const char *, frontend::Pooling::Mode> kPoolings[] = {
    {"last", frontend::Pooling::Mode::Last},
    {"mean", frontend::Pooling::Mode::Mean},
    {"first", frontend::Pooling::Mode::First},
    {"max", frontend::Pooling::Mode::Max},
    {"weighted-mean", frontend::Pooling::Mode::WeightedMean}};

/// More is no scale of an adapter.
constexpr double kMostScale = 1e6;

/// What is printed as MLIR or assembly, and so may go to a terminal.
bool isText(codegen::Level level) { return level <= codegen::Level::Assembly; }

codegen::CompileOptions compileOptions(const CompileRequest &request, codegen::Level level) {
  codegen::CompileOptions options;
  options.target = request.target == "cuda" ? codegen::TargetKind::Cuda : codegen::TargetKind::Cpu;
  options.gpuArchs = request.gpuArchs;
  options.streamWeights = request.streamWeights;
  options.targetCpu = request.targetCpu;
  options.context = request.context;
  options.rowsPerStep = request.rowsPerStep;
  options.computeType = request.dtype;
  options.cacheType = request.cacheType;
  options.activationBits = request.activationBits;
  options.leaveOutWeights = request.weights == "none";
  options.emit = level;
  options.stopAfter = request.stopAfter;
  options.startFrom = request.startFrom;
  options.verifyNumerics = request.verifyNumerics;
  options.timing = request.timing;
  options.statistics = request.statistics;
  options.source = request.model;
  return options;
}

/// Messages about the command line begin with the option: with --NAME, or -o for the output.
ExitCode failCompile(const absl::Status &status) {
  if (status.code() == absl::StatusCode::kAborted)
    return fail(status, ExitCode::Numerics);
  bool usage = absl::StartsWith(status.message(), "--") || absl::StartsWith(status.message(), "-o ");
  return fail(status, usage ? ExitCode::Usage : ExitCode::Failure);
}

/// A directory may have commas in its name: what follows the last one is a scale if it is a number.
frontend::AdapterChoice adapterOf(const std::string &argument) {
  const size_t comma = argument.rfind(',');
  double scale;
  if (comma != std::string::npos && absl::SimpleAtod(argument.substr(comma + 1), &scale) &&
      std::abs(scale) <= kMostScale)
    return {argument.substr(0, comma), scale};
  return {argument};
}

/// Those to merge, and those to keep beside the weights, behind their names.
std::vector<frontend::AdapterChoice> adaptersOf(const CompileRequest &request) {
  std::vector<frontend::AdapterChoice> adapters;
  for (const std::string &argument : request.adapters)
    adapters.push_back(adapterOf(argument));
  for (const std::string &argument : request.separateAdapters) {
    const size_t end = argument.find('=');
    adapters.push_back(adapterOf(argument.substr(end + 1)));
    adapters.back().name = argument.substr(0, end);
  }
  return adapters;
}

absl::Status compile(const CompileRequest &request, codegen::Level level, Progress &progress) {
  DialectRegistry registry;
  codegen::registerCompilerDialects(registry);
  nn::reference::registerReferenceModels(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  // Remarks say what passes declined, where these were enabled, and what was not verified; diagnostics of
  // errors come back as statuses.
  ScopedDiagnosticHandler remarks(&context, [&](Diagnostic &diagnostic) {
    bool isRemark = diagnostic.getSeverity() == DiagnosticSeverity::Remark;
    if (isRemark && (request.remarks || request.verifyNumerics)) {
      progress.clear();
      llvm::errs() << diagnostic.getLocation() << ": remark: " << diagnostic << "\n";
    }
    return success(isRemark);
  });
  if (request.remarks)
    enableRemarks(context);
  progress.update("reading the model", 0, 0);
  frontend::ImportOptions options{.head = !request.noHead, .adapters = adaptersOf(request)};
  for (const auto &[name, mode] : kPoolings)
    if (request.pooling == name)
      options.pooling = mode;
  if (request.dtype != "auto")
    options.adaptedType = request.dtype == "f32" ? frontend::AdaptedType::F32 : frontend::AdaptedType::BF16;
  auto model = frontend::importModel(request.model, options, &context);
  if (!model.ok())
    return model.status();
  if (model->info.causal && request.pooling.empty() && !request.quiet) {
    progress.clear();
    absl::FPrintF(stderr, "llmc: %s: makes embeddings, as its files say\n", request.model);
  }
  return codegen::compileModel(
      *model, compileOptions(request, level), request.output.empty() ? "-" : request.output,
      [&](absl::string_view stage, double fraction) {
        constexpr int64_t kParts = 1000;
        progress.update(stage, static_cast<int64_t>(fraction * kParts), fraction < 0 ? 0 : kParts);
      });
}

} // namespace

ExitCode compileCheckpoint(const CompileRequest &request) {
  absl::StatusOr<codegen::Level> level = codegen::parseLevel(request.emit);
  if (!level.ok())
    return fail(level.status(), ExitCode::Usage);
  if (isArtifact(request.model))
    return fail(absl::InvalidArgumentError(absl::StrCat(
        request.model,
        ": is an artifact already, expected a checkpoint; llmc run, embed, predict and bench run it")));
  if (request.output.empty() && !isText(*level) && request.stopAfter.empty())
    return failUsage(
        absl::StrCat("-o FILE is required for --emit=", request.emit, "; see llmc compile --help"));

  if (request.output == "-" && *level == codegen::Level::Artifact && request.stopAfter.empty())
    return failUsage("-o -: an artifact is loaded from where it lies, expected the name of a file; see "
                     "llmc compile --help");

  absl::Time start = absl::Now();
  Progress progress;
  absl::Status status = compile(request, *level, progress);
  progress.clear();
  if (!status.ok())
    return failCompile(status);
  std::error_code ignored;
  if (!request.quiet && !request.output.empty() && request.output != "-")
    absl::FPrintF(stderr, "%s: %.1f MB, made in %.1f s; peak memory %d MiB\n", request.output,
                  static_cast<double>(std::filesystem::file_size(request.output, ignored)) / 1e6,
                  absl::ToDoubleSeconds(absl::Now() - start), runtime::peakResidentBytes() >> 20);
  return ExitCode::Success;
}

std::vector<std::string> poolings() {
  std::vector<std::string> names;
  for (const auto &[name, mode] : kPoolings)
    names.push_back(name);
  return names;
}

void listProcessors() {
  for (const std::string &processor : codegen::knownProcessors())
    absl::PrintF("%s\n", processor);
}

} // namespace llmc::tool
