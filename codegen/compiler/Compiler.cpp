//===- Compiler.cpp - from an imported model to an artifact
//---------------------------------------------------===//

#include "codegen/compiler/Compiler.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "codegen/compiler/ArtifactOutput.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Passes.h"
#include "codegen/cpu/Pipeline.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "passes/NotSupported.h"
#include "passes/Pipelines.h"
#include "passes/Statistics.h"
#include "passes/verify/VerifyNumerics.h"
#include "runtime/io/AtomicFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include <cstdlib>

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Positions that a cache holds unless the user asks for more: models claim contexts whose caches fill a
/// server.
constexpr int64_t kDefaultContext = 4096;
constexpr int64_t kDefaultRowsPerStep = 256;

struct LevelName {
  Level level;
  const char *name;
};
constexpr LevelName kLevels[] = {
    {Level::Imported, "imported"}, {Level::NN, "nn"},          {Level::Tiled, "tiled"},
    {Level::Llvm, "llvm"},         {Level::LlvmIr, "llvm-ir"}, {Level::Assembly, "asm"},
    {Level::Object, "obj"},        {Level::Shared, "shared"},  {Level::Artifact, "artifact"}};

/// Keeps the program as it is after the last run of one pass.
class Snapshot : public PassInstrumentation {
public:
  Snapshot(std::string pass, ModuleOp module) : pass(std::move(pass)), module(module) {}
  void runAfterPass(Pass *done, Operation *) override {
    if (done->getArgument() != pass)
      return;
    text.clear();
    llvm::raw_string_ostream(text) << *module;
  }
  const std::string pass;
  std::string text;

private:
  ModuleOp module;
};

std::string printed(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

absl::Status writeText(const std::string &path, const std::string &text) {
  if (path == "-") {
    llvm::outs() << text;
    llvm::outs().flush();
    return absl::OkStatus();
  }
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  (void)file->append(text);
  return file->commit();
}

/// Begins errors about `location`: `program.mlir:12:8: `, or `unknown` where it is in no file.
std::string prefixOf(Location location, const std::string &unknown) {
  auto place = location->findInstanceOf<FileLineColLoc>();
  if (!place)
    return unknown + ": ";
  if (place.getLine() == 0) // the file as a whole
    return place.getFilename().str() + ": ";
  return absl::StrCat(place.getFilename().str(), ":", place.getLine(), ":", place.getColumn(), ": ");
}

/// Keeps the first error of a context while it lives, which are then for no other handler.
class FirstError {
public:
  FirstError(MLIRContext *context, std::string place)
      : place(std::move(place)),
        handler(context, [this](Diagnostic &diagnostic) { return keep(diagnostic); }) {}
  /// One line, which begins with where the error is; empty if there was none.
  const std::string &message() const { return text; }
  /// Whether the program is at fault, and not the pass that said so.
  bool isAboutProgram() const { return notSupported; }

private:
  LogicalResult keep(Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure(); // remarks and notes are for other handlers
    if (text.empty()) {
      text = prefixOf(diagnostic.getLocation(), place) + diagnostic.str();
      notSupported = saysNotSupported(diagnostic);
    }
    return success();
  }

  const std::string place; ///< for errors that know none
  std::string text;
  bool notSupported = false;
  ScopedDiagnosticHandler handler;
};

/// Where a program that a user brings enters the pipeline.
Level levelOf(ModuleOp module) {
  Level level = Level::Imported;
  module.walk([&](Operation *op) {
    if (isa<LLVM::LLVMFuncOp>(op))
      level = Level::Llvm;
    else if (op->hasAttr(kStepAttribute) && level == Level::Imported)
      level = Level::Tiled;
  });
  return level;
}

class Compilation {
public:
  Compilation(frontend::ImportedModel &model, const CompileOptions &options, const std::string &outputPath,
              const ProgressCallback &progress)
      : model(model), options(options), outputPath(outputPath), progress(progress),
        context(model.module->getContext()) {}

  absl::Status run() {
    absl::Status status = compile();
    if (status.ok() && !options.stopAfter.empty() && !finished)
      return absl::InvalidArgumentError(absl::StrCat("--stop-after: no pass called '", options.stopAfter,
                                                     "' ran before the level of --emit"));
    return status;
  }

private:
  /// Writes a level, unless the user wants the program after a pass that did not run.
  absl::Status writeLevel(const std::string &text) {
    return options.stopAfter.empty() ? writeText(outputPath, text) : absl::OkStatus();
  }

  absl::Status compile() {
    absl::StatusOr<Target> found = getTarget(options.targetCpu);
    if (!found.ok())
      return found.status();
    target = *found;
    if (absl::Status status = chooseSizes(); !status.ok())
      return status;
    ArtifactOutput output(model, target, sizes, options.source);
    output.describeImported(*model.module);
    Level start = Level::Imported;
    if (!options.startFrom.empty()) {
      if (absl::Status status = readProgram(); !status.ok())
        return status;
      start = levelOf(*model.module);
    }
    if (options.emit == Level::Imported)
      return writeLevel(printed(*model.module));
    if (start == Level::Imported) {
      if (absl::Status status = optimize(); !status.ok() || finished)
        return status;
      if (options.emit == Level::NN)
        return writeLevel(printed(*model.module));
      if (absl::Status status = runPasses("generating kernels",
                                          [&](OpPassManager &pm) { buildTiledPipeline(pm, target, sizes); });
          !status.ok() || finished)
        return status;
    }
    if (options.emit == Level::Tiled)
      return writeLevel(printed(*model.module));
    if (absl::Status status = output.plan(*model.module); !status.ok())
      return status;
    if (start != Level::Llvm)
      if (absl::Status status = runPasses("lowering", [](OpPassManager &pm) { buildLlvmPipeline(pm); });
          !status.ok() || finished)
        return status;
    if (!options.stopAfter.empty())
      return absl::OkStatus();
    if (options.emit == Level::Llvm)
      return writeLevel(printed(*model.module));
    return emitMachineCode(output);
  }

  /// Reads the program to start from.
  absl::Status readProgram() {
    auto file = llvm::MemoryBuffer::getFileOrSTDIN(options.startFrom);
    if (!file)
      return absl::NotFoundError(
          absl::StrCat(options.startFrom, ": cannot open: ", file.getError().message()));
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
    FirstError error(context, options.startFrom);
    model.module = parseSourceFile<ModuleOp>(sources, context);
    return model.module ? absl::OkStatus() : absl::InvalidArgumentError(error.message());
  }

  absl::Status chooseSizes() {
    const frontend::ModelSizes &of = model.info.sizes;
    const bool embeds = model.info.kind == frontend::ModelKind::Embed;
    sizes.context = options.context ? options.context : std::min(of.contextLength, kDefaultContext);
    if (sizes.context <= 0 || sizes.context > of.contextLength)
      return absl::InvalidArgumentError(absl::StrCat("--context: ", sizes.context,
                                                     " positions, expected 1 to ", of.contextLength,
                                                     ", for which the model was made"));
    sizes.maxRows = options.rowsPerStep ? options.rowsPerStep
                    : embeds            ? sizes.context
                                        : std::min(kDefaultRowsPerStep, sizes.context);
    if (sizes.maxRows < 1 || sizes.maxRows > sizes.context)
      return absl::InvalidArgumentError(
          absl::StrCat("--rows-per-step: ", sizes.maxRows, " tokens, expected 1 to ", sizes.context));
    return absl::OkStatus();
  }

  void buildInference(OpPassManager &manager) {
    passes::InferencePipelineOptions pipeline;
    pipeline.computeType = options.computeType == "f32"    ? passes::ComputeType::F32
                           : options.computeType == "bf16" ? passes::ComputeType::BF16
                                                           : passes::ComputeType::Auto;
    pipeline.cacheType = options.cacheType;
    pipeline.activationBits = options.activationBits;
    passes::buildInferencePipeline(manager, pipeline);
  }

  /// The passes on nn, each of which can be held to its numeric bound: reference semantics end where loops
  /// begin.
  absl::Status optimize() {
    return runPasses("optimizing", [&](PassManager &manager) {
      buildInference(manager);
      if (!options.verifyNumerics)
        return;
      VerifyNumericsOptions verification;
      verification.isUntrusted = &passIsToBlame;
      verifyNumerics(manager, std::move(verification));
    });
  }

  absl::Status runPasses(absl::string_view stage, llvm::function_ref<void(PassManager &)> build) {
    progress(stage, -1);
    PassManager manager(context);
    build(manager);
    Snapshot *snapshot = nullptr;
    if (!options.stopAfter.empty()) {
      auto instrumentation = std::make_unique<Snapshot>(options.stopAfter, *model.module);
      snapshot = instrumentation.get();
      manager.addInstrumentation(std::move(instrumentation));
    }
    if (options.timing)
      manager.enableTiming();
    StatisticsReport statistics;
    if (options.statistics)
      manager.addInstrumentation(createStatisticsInstrumentation(statistics));
    {
      FirstError error(context, options.startFrom.empty() ? options.source : options.startFrom);
      if (failed(manager.run(*model.module))) {
        if (passIsToBlame)
          return absl::AbortedError(error.message());
        if (error.isAboutProgram())
          return absl::UnimplementedError(error.message());
        return absl::InternalError(absl::StrCat(stage, ": ", error.message()));
      }
    }
    printStatistics(statistics, llvm::errs());
    if (snapshot && !snapshot->text.empty()) {
      finished = true;
      return writeText(outputPath, snapshot->text);
    }
    return absl::OkStatus();
  }

  absl::Status emitMachineCode(ArtifactOutput &output) {
    progress("generating code", -1);
    CodeForm form = options.emit == Level::LlvmIr     ? CodeForm::LlvmIr
                    : options.emit == Level::Assembly ? CodeForm::Assembly
                                                      : CodeForm::Object;
    FirstError error(context, options.source);
    absl::StatusOr<std::string> code = emitCode(*model.module, target, form);
    if (!code.ok())
      return error.message().empty()
                 ? code.status()
                 : absl::InternalError(absl::StrCat(code.status().message(), ": ", error.message()));
    if (options.emit < Level::Shared)
      return writeText(outputPath, *code);
    llvm::SmallString<128> folder;
    if (std::error_code error = llvm::sys::fs::createUniqueDirectory("llmc", folder))
      return absl::InternalError(absl::StrCat("no folder for temporary files: ", error.message()));
    absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
    absl::StatusOr<std::string> shared = linkShared(*code, folder.str().str());
    if (!shared.ok())
      return shared.status();
    if (options.emit == Level::Shared)
      return writeText(outputPath, *shared);
    return output.write(*model.module, *shared, outputPath, progress);
  }

  frontend::ImportedModel &model;
  const CompileOptions &options;
  const std::string &outputPath;
  const ProgressCallback &progress;
  MLIRContext *context;
  Target target;
  StepSizes sizes;
  bool finished = false;
  bool passIsToBlame = false; ///< a pass departed from its numeric bound or declares none
};

} // namespace

absl::StatusOr<Level> parseLevel(const std::string &name) {
  std::string known;
  for (const LevelName &level : kLevels) {
    if (name == level.name)
      return level.level;
    absl::StrAppend(&known, known.empty() ? "" : ", ", level.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--emit: no level is called '", name, "', expected one of ", known));
}

void registerCompilerDialects(DialectRegistry &registry) { registerCpuDialects(registry); }

absl::Status compileModel(frontend::ImportedModel &model, const CompileOptions &options,
                          const std::string &outputPath, const ProgressCallback &progress) {
  return Compilation(model, options, outputPath, progress).run();
}

} // namespace llmc::codegen
