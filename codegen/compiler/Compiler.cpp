//===- Compiler.cpp - from an imported model to an artifact ------------------------------------------===//

#include "codegen/compiler/Compiler.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codegen/common/TemporaryFiles.h"
#include "codegen/compiler/ArtifactOutput.h"
#include "codegen/compiler/FirstError.h"
#include "codegen/compiler/GpuImages.h"
#include "codegen/compiler/PassSequence.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Passes.h"
#include "codegen/cpu/Pipeline.h"
#include "codegen/cpu/StepForm.h"
#include "codegen/cuda/Pipeline.h"
#include "codegen/verify/VerifyCompiled.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"
#include "passes/Statistics.h"
#include "passes/verify/VerifyNumerics.h"
#include "runtime/core/CpuFeatures.h"
#include "runtime/io/AtomicFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include <algorithm>
#include <cstdlib>
#include <filesystem>

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
constexpr LevelName kLevels[] = {{Level::Imported, "imported"}, {Level::NN, "nn"},
                                 {Level::Tiled, "tiled"},       {Level::Llvm, "llvm"},
                                 {Level::Ptx, "ptx"},           {Level::Cubin, "cubin"},
                                 {Level::LlvmIr, "llvm-ir"},    {Level::Assembly, "asm"},
                                 {Level::Object, "obj"},        {Level::Shared, "shared"},
                                 {Level::Artifact, "artifact"}};

/// On a program that was written between two passes: the name of the last pass that has run
/// (PassSequence.h). Compilation goes on from there when the program is read again.
constexpr StringLiteral kAfterAttribute = "llmc.after";

/// The passes that give steps another form, in their order.
constexpr std::pair<StringLiteral, StepForm> kFormPasses[] = {
    {StringLiteral("lower-to-cpu"), StepForm::Buffers},
    {StringLiteral("lower-to-cuda"), StepForm::Buffers},
    {StringLiteral("plan-arena"), StepForm::Arena},
    {StringLiteral("forall-to-spmd"), StepForm::Worker},
    {StringLiteral("launches-to-calls"), StepForm::Worker},
    {StringLiteral("convert-func-to-llvm"), StepForm::Llvm},
    {StringLiteral("step-entry"), StepForm::Entry}};

absl::Status writeToOutput(const std::string &text) {
  llvm::raw_fd_ostream &output = llvm::outs();
  output << text;
  output.flush();
  std::error_code error = output.error();
  if (!error)
    return absl::OkStatus();
  output.clear_error(); // its destructor would end the program with a report of its own
  return absl::DataLossError(absl::StrCat("cannot write to the standard output stream: ", error.message()));
}

absl::Status writeText(const std::string &path, const std::string &text) {
  if (path == "-")
    return writeToOutput(text);
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  (void)file->append(text);
  return file->commit();
}

class Compilation {
public:
  Compilation(frontend::ImportedModel &model, const CompileOptions &options, const std::string &outputPath,
              const ProgressCallback &progress)
      : model(model), options(options), outputPath(outputPath), progress(progress),
        context(model.module->getContext()) {}

  absl::Status run() {
    if (absl::Status status = checkOutput(); !status.ok())
      return status;
    if (absl::Status status = checkTargetKind(); !status.ok())
      return status;
    // Of a program for GPUs only launches run on the processor, whichever it is.
    const bool anyProcessor = isCuda() && options.targetCpu == "native";
    absl::StatusOr<Target> found = getTarget(anyProcessor ? "x86-64" : options.targetCpu);
    if (!found.ok())
      return found.status();
    target = *found;
    if (absl::Status status = chooseSizes(); !status.ok())
      return status;
    ArtifactOutput output(model, target, sizes, options.source);
    output.describeImported(*model.module);
    listPasses();
    absl::StatusOr<size_t> end = lastPosition(), begin = 0;
    if (!end.ok())
      return end.status();
    OwningOpRef<ModuleOp> imported;
    if (!options.startFrom.empty()) {
      imported = std::move(model.module);
      begin = readProgram(*end);
    }
    if (!begin.ok())
      return begin.status();
    if (verifiesCode() && *begin > positionOf(Level::NN))
      if (absl::Status status = makeReference(std::move(imported)); !status.ok())
        return status;
    for (Stage &stage : stages) {
      const size_t first = std::max(stage.begin, *begin), last = std::min(stage.end, *end);
      if (first < last)
        if (absl::Status status = runPasses(stage, sequence.take(first, last)); !status.ok())
          return status;
      if (verifiesCode() && stage.level == Level::NN && !fused)
        fused = model.module->clone();
    }
    if (options.verifyNumerics && options.emit > Level::NN && options.stopAfter.empty() && !verifiesCode())
      leaveUnverified("it is run for --emit=obj, shared and artifact only");
    if (!options.stopAfter.empty() || options.emit <= Level::Llvm)
      return writeProgram(*end);
    return emitMachineCode(output);
  }

private:
  bool isCuda() const { return options.target == TargetKind::Cuda; }

  absl::Status checkTargetKind() const {
    const bool wantsKernels = options.emit == Level::Ptx || options.emit == Level::Cubin;
    if (!isCuda() && (wantsKernels || !options.gpuArchs.empty()))
      return absl::InvalidArgumentError(absl::StrCat(wantsKernels ? "--emit" : "--gpu-arch",
                                                     ": is for kernels of GPUs, expected --target=cuda"));
    if (!isCuda() && options.streamWeights)
      return absl::InvalidArgumentError("--stream-weights: is for kernels of GPUs, expected --target=cuda");
    if (isCuda() && model.info.startToken)
      return absl::UnimplementedError(absl::StrCat("--target: ", model.info.architecture,
                                                   " has an encoder and a decoder, which run on CPUs only"));
    return checkGpuArchs(options.gpuArchs);
  }

  /// Refuses to replace what is read, whatever name or link leads to it.
  absl::Status checkOutput() const {
    if (outputPath == "-")
      return absl::OkStatus();
    std::vector<std::string> inputs = model.files;
    inputs.push_back(options.startFrom);
    for (const std::string &input : inputs) {
      std::error_code missing; // what does not exist is no input
      if (std::filesystem::equivalent(input, outputPath, missing))
        return absl::InvalidArgumentError(
            absl::StrCat("-o ", outputPath, ": is read by this compilation; choose another output"));
    }
    return absl::OkStatus();
  }

  /// Passes that lead to a level.
  struct Stage {
    absl::string_view doing; ///< for people who wait
    Level level;
    size_t begin, end; ///< in the sequence
  };

  void listPasses() {
    auto add = [&](absl::string_view doing, Level level, passes::PassList list) {
      const size_t begin = sequence.size(), end = sequence.append(std::move(list));
      stages.push_back({doing, level, begin, end});
    };
    add("optimizing", Level::NN, nnPasses());
    add("generating kernels", Level::Tiled,
        isCuda() ? cudaTiledPasses(target, sizes, options.streamWeights) : tiledPasses(target, sizes));
    add("lowering", Level::Llvm, isCuda() ? cudaLlvmPasses() : llvmPasses());
  }

  /// The position of the program at `level`.
  size_t positionOf(Level level) const {
    size_t position = 0;
    for (const Stage &stage : stages)
      if (stage.level <= level)
        position = stage.end;
    return position;
  }

  /// Where passes end: behind the one to stop after, or at the level that is to be written.
  absl::StatusOr<size_t> lastPosition() const {
    const size_t end = positionOf(options.emit);
    if (options.stopAfter.empty())
      return end;
    if (std::optional<size_t> position = sequence.positionBehind(options.stopAfter, end))
      return *position;
    return absl::InvalidArgumentError(absl::StrCat("--stop-after: no pass called '", options.stopAfter,
                                                   "' runs before the level of --emit, expected one of ",
                                                   sequence.namesBefore(end)));
  }

  /// Where the program that a user brings is in the sequence: where it says, else where its operations
  /// belong.
  absl::StatusOr<size_t> positionOf(ModuleOp module) const {
    if (auto after = module->getAttrOfType<StringAttr>(kAfterAttribute)) {
      if (std::optional<size_t> position = sequence.positionBehind(after.getValue(), sequence.size()))
        return *position;
      return absl::InvalidArgumentError(absl::StrCat(options.startFrom, ": ", kAfterAttribute.str(), " is '",
                                                     after.getValue().str(), "', expected one of ",
                                                     sequence.namesBefore(sequence.size())));
    }
    Level level = Level::Imported;
    module.walk([&](Operation *op) {
      if (isa<LLVM::LLVMFuncOp>(op))
        level = Level::Llvm;
      else if (op->hasAttr(kStepAttribute) && level == Level::Imported)
        level = Level::Tiled;
    });
    return positionOf(level);
  }

  /// The form that steps have at `position`; none before there are steps.
  std::optional<StepForm> stepFormAt(size_t position) const {
    std::optional<StepForm> form;
    for (auto [pass, made] : kFormPasses)
      if (sequence.positionBehind(pass, position))
        form = made;
    return form;
  }

  /// Reads the program to start from, and says how many passes have run on it: `end` at most.
  absl::StatusOr<size_t> readProgram(size_t end) {
    auto file = llvm::MemoryBuffer::getFileOrSTDIN(options.startFrom);
    if (!file)
      return absl::NotFoundError(
          absl::StrCat(options.startFrom, ": cannot open: ", file.getError().message()));
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
    FirstError error(context, options.startFrom);
    model.module = parseSourceFile<ModuleOp>(sources, context);
    if (!model.module)
      return absl::InvalidArgumentError(error.message());
    absl::StatusOr<size_t> position = positionOf(*model.module);
    if (!position.ok())
      return position.status();
    if (*position > end)
      return absl::InvalidArgumentError(absl::StrCat(options.stopAfter.empty() ? "--emit" : "--stop-after",
                                                     ": ", options.startFrom, " holds a program after ",
                                                     sequence.nameBefore(*position), ", which comes later"));
    (*model.module)->removeAttr(kAfterAttribute);
    if (std::optional<StepForm> form = stepFormAt(*position)) {
      if (failed(verifyStepForm(*model.module, *form)))
        return absl::InvalidArgumentError(error.message());
      if (absl::Status status = checkLoweredFor(*model.module); !status.ok())
        return status;
    }
    return position;
  }

  /// A program with kernels has been lowered for one processor and one context, and for no other.
  absl::Status checkLoweredFor(ModuleOp module) {
    auto cpu = module->getAttrOfType<StringAttr>(kTargetAttribute);
    if (cpu && cpu.getValue() != target.cpu)
      return absl::InvalidArgumentError(absl::StrCat("--target-cpu: is ", target.cpu, ", but ",
                                                     options.startFrom, " has kernels for ",
                                                     cpu.getValue().str()));
    if (absl::Status status = checkFeatures(module); !status.ok())
      return status;
    auto context = module->getAttrOfType<IntegerAttr>(kContextAttribute);
    if (context && options.context != 0 && options.context != context.getInt())
      return absl::InvalidArgumentError(absl::StrCat("--context: is ", options.context, ", but ",
                                                     options.startFrom, " has kernels for ", context.getInt(),
                                                     " positions"));
    if (context && context.getInt() > model.info.sizes.contextLength)
      return absl::InvalidArgumentError(
          absl::StrCat(options.startFrom, ": ", kContextAttribute.str(), " is ", context.getInt(),
                       ", expected 1 to ", model.info.sizes.contextLength, ", for which the model was made"));
    if (context)
      sizes.context = context.getInt();
    if (absl::Status status = checkUnused(); !status.ok())
      return status;
    return checkLogits(module);
  }

  /// Options of passes that a program with kernels has behind it are refused, unless they say what is usual.
  absl::Status checkUnused() const {
    const CompileOptions usual;
    const std::pair<const char *, bool> given[] = {
        {"--dtype", options.computeType != usual.computeType},
        {"--activation-bits", options.activationBits != usual.activationBits},
        {"--cache-type", options.cacheType != usual.cacheType},
        {"--rows-per-step", options.rowsPerStep != usual.rowsPerStep}};
    for (auto [option, unusual] : given)
      if (unusual)
        return absl::InvalidArgumentError(
            absl::StrCat(option, ": has no effect, because ", options.startFrom,
                         " has kernels already; expected it where they were made"));
    return absl::OkStatus();
  }

  /// "native" may have the name of a processor and more or fewer features, on which kernels depend.
  absl::Status checkFeatures(ModuleOp module) const {
    auto features = module->getAttrOfType<ArrayAttr>(kTargetFeaturesAttribute);
    if (!features)
      return absl::OkStatus();
    std::vector<std::string> lowered;
    for (StringAttr feature : features.getAsRange<StringAttr>())
      lowered.push_back(feature.str());
    llvm::sort(lowered);
    auto subtract = [](const std::vector<std::string> &from, const std::vector<std::string> &what) {
      std::vector<std::string> rest;
      std::set_difference(from.begin(), from.end(), what.begin(), what.end(), std::back_inserter(rest));
      return rest;
    };
    const std::vector<std::string> missing = subtract(lowered, target.features),
                                   added = subtract(target.features, lowered);
    if (missing.empty() && added.empty())
      return absl::OkStatus();
    const bool lacks = !missing.empty();
    return absl::InvalidArgumentError(
        absl::StrCat("--target-cpu: is ", target.cpu, lacks ? " without " : " with ",
                     absl::StrJoin(lacks ? missing : added, " "), ", but ", options.startFrom,
                     " has kernels for one ", lacks ? "with" : "without", " that"));
  }

  /// A step of a text generator has a logit for each token.
  absl::Status checkLogits(ModuleOp module) {
    if (model.info.kind != frontend::ModelKind::Generate)
      return absl::OkStatus();
    for (Operation &step : *module.getBody())
      if (auto width = step.getAttrOfType<IntegerAttr>(kOutputWidthAttribute);
          width && width.getInt() < model.info.sizes.vocabulary)
        return absl::InvalidArgumentError(
            absl::StrCat(options.startFrom, ": @", SymbolTable::getSymbolName(&step).getValue().str(),
                         " has ", kOutputWidthAttribute.str(), " = ", width.getInt(), ", expected at least ",
                         model.info.sizes.vocabulary, ", a logit for each token"));
    return absl::OkStatus();
  }

  absl::Status chooseSizes() {
    const frontend::ModelSizes &of = model.info.sizes;
    const bool encodes = model.info.kind != frontend::ModelKind::Generate && !model.info.causal;
    sizes.context = options.context ? options.context : std::min(of.contextLength, kDefaultContext);
    if (sizes.context <= 0 || sizes.context > of.contextLength)
      return absl::InvalidArgumentError(absl::StrCat("--context: ", sizes.context,
                                                     " positions, expected 1 to ", of.contextLength,
                                                     ", for which the model was made"));
    sizes.maxRows = options.rowsPerStep ? options.rowsPerStep
                    : encodes           ? sizes.context
                                        : std::min(kDefaultRowsPerStep, sizes.context);
    if (sizes.maxRows < 1 || sizes.maxRows > sizes.context)
      return absl::InvalidArgumentError(
          absl::StrCat("--rows-per-step: ", sizes.maxRows, " tokens, expected 1 to ", sizes.context));
    return absl::OkStatus();
  }

  passes::PassList nnPasses() const {
    passes::InferencePipelineOptions pipeline;
    pipeline.computeType = options.computeType == "f32"    ? passes::ComputeType::F32
                           : options.computeType == "bf16" ? passes::ComputeType::BF16
                                                           : passes::ComputeType::Auto;
    pipeline.cacheType = options.cacheType != "auto" ? options.cacheType : isCuda() ? "bf16" : "f32";
    pipeline.activationBits = options.activationBits;
    // Tensor cores multiply bf16 by bf16.
    pipeline.quantizeActivations = !isCuda();
    pipeline.bf16Inputs = isCuda();
    return passes::inferencePasses(pipeline);
  }

  /// Whether there will be code to verify.
  bool verifiesCode() const {
    return options.verifyNumerics && options.emit >= Level::Object && options.stopAfter.empty();
  }

  /// Makes of the model itself what code is verified by, for code that comes from a program of a level below.
  absl::Status makeReference(OwningOpRef<ModuleOp> imported) {
    std::swap(model.module, imported);
    absl::Status status = runPasses(stages.front(), nnPasses());
    std::swap(model.module, imported);
    fused = std::move(imported);
    return status;
  }

  /// Says in a remark why the code was not run.
  void leaveUnverified(absl::string_view reason) {
    emitRemark(model.module->getLoc()) << "the code below nn was not verified: " << std::string(reason);
  }

  absl::Status verifyCode(const ArtifactOutput &output, const std::string &sharedObject) {
    if (isCuda()) {
      leaveUnverified("its kernels are for GPUs");
      return absl::OkStatus();
    }
    if (absl::Status status = runtime::checkTarget(output.requirements()); !status.ok()) {
      leaveUnverified(absl::StrCat("it cannot run here: ", status.message()));
      return absl::OkStatus();
    }
    progress("verifying the code", -1);
    context->disableMultithreading(); // the code runs in a copy of this process
    // A program that was brought as far as this went through these passes.
    bounds.add(*createLowerToCpuPass(target, sizes));
    bounds.add(*createApproximateMath());
    absl::Status status = verifyCompiled(*fused, *model.module, sharedObject, sizes, bounds);
    if (!absl::IsUnavailable(status))
      return status;
    leaveUnverified(status.message());
    return absl::OkStatus();
  }

  absl::Status runPasses(const Stage &stage, passes::PassList list) {
    progress(stage.doing, -1);
    PassManager manager(context);
    passes::addPasses(manager, std::move(list));
    // Reference semantics end where loops begin.
    if (options.verifyNumerics && stage.level == Level::NN) {
      VerifyNumericsOptions verification;
      verification.isUntrusted = &passIsToBlame;
      verifyNumerics(manager, std::move(verification));
    } else if (options.verifyNumerics) { // together, by the code that comes out
      manager.addInstrumentation(bounds.instrument());
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
        return absl::InternalError(absl::StrCat(stage.doing, ": ", error.message()));
      }
    }
    printStatistics(statistics, llvm::errs());
    return absl::OkStatus();
  }

  /// Writes the program after so many passes, so that it can be gone on from.
  absl::Status writeProgram(size_t position) {
    ModuleOp module = *model.module;
    if (position > 0)
      module->setAttr(kAfterAttribute, StringAttr::get(context, sequence.nameBefore(position)));
    std::string text;
    llvm::raw_string_ostream(text) << module;
    return writeText(outputPath, text);
  }

  absl::Status emitMachineCode(ArtifactOutput &output) {
    if (absl::Status status = output.plan(*model.module); !status.ok())
      return status;
    progress("generating code", -1);
    if (isCuda()) {
      const ImageForm form = options.emit == Level::Ptx     ? ImageForm::Ptx
                             : options.emit == Level::Cubin ? ImageForm::Cubin
                                                            : ImageForm::All;
      absl::StatusOr<std::vector<KernelImage>> images =
          makeKernelImages(*model.module, options.gpuArchs, form);
      if (!images.ok())
        return images.status();
      if (options.emit <= Level::Cubin)
        return writeText(outputPath, images->back().contents);
      output.describeKernels(*model.module, *images);
      embedImages(*model.module, *images);
    }
    CodeForm form = options.emit == Level::LlvmIr     ? CodeForm::LlvmIr
                    : options.emit == Level::Assembly ? CodeForm::Assembly
                                                      : CodeForm::Object;
    FirstError error(context, options.source);
    absl::StatusOr<std::string> code = emitCode(*model.module, target, form);
    if (!code.ok())
      return error.message().empty()
                 ? code.status()
                 : absl::InternalError(absl::StrCat(code.status().message(), ": ", error.message()));
    if (options.emit < Level::Object || (options.emit == Level::Object && !options.verifyNumerics))
      return writeText(outputPath, *code);
    absl::StatusOr<std::string> shared =
        inFolder([&](const std::string &folder) { return linkShared(*code, folder); });
    // What llmc made calls nothing unknown; what a user wrote may.
    if (absl::IsUnimplemented(shared.status()) && options.startFrom.empty())
      return absl::InternalError(shared.status().message());
    if (!shared.ok())
      return shared.status();
    if (options.verifyNumerics)
      if (absl::Status status = verifyCode(output, *shared); !status.ok())
        return status;
    if (options.emit == Level::Object)
      return writeText(outputPath, *code);
    if (options.emit == Level::Shared)
      return writeText(outputPath, *shared);
    return output.write(*model.module, *shared, outputPath, options.leaveOutWeights, progress);
  }

  /// Runs `make` with a folder for temporary files.
  template <typename Make> static auto inFolder(Make make) -> decltype(make(std::string())) {
    llvm::SmallString<128> folder;
    if (std::error_code error = llvm::sys::fs::createUniqueDirectory("llmc", folder))
      return temporaryFilesError(error);
    absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
    return make(folder.str().str());
  }

  frontend::ImportedModel &model;
  const CompileOptions &options;
  const std::string &outputPath;
  const ProgressCallback &progress;
  MLIRContext *context;
  Target target;
  StepSizes sizes;
  PassSequence sequence;
  SmallVector<Stage> stages;
  OwningOpRef<ModuleOp> fused; ///< the program on nn that code is verified by
  LoweringBounds bounds;
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

void registerCompilerDialects(DialectRegistry &registry) {
  registerCpuDialects(registry);
  registerCudaDialects(registry);
}

absl::Status compileModel(frontend::ImportedModel &model, const CompileOptions &options,
                          const std::string &outputPath, const ProgressCallback &progress) {
  return Compilation(model, options, outputPath, progress).run();
}

} // namespace llmc::codegen
