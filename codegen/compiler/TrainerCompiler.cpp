//===- TrainerCompiler.cpp - from a recipe to a trainer ----------------------------------------------===//

#include "codegen/compiler/TrainerCompiler.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "codegen/common/TemporaryFiles.h"
#include "codegen/compiler/FiniteChecks.h"
#include "codegen/compiler/FirstError.h"
#include "codegen/compiler/GpuImages.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Passes.h"
#include "codegen/cpu/Pipeline.h"
#include "codegen/cuda/Pipeline.h"
#include "frontend/import/GraphBuilder.h"
#include "frontend/recipe/TrainingGraph.h"
#include "frontend/spec/ParameterAttributes.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "runtime/core/ArtifactWriter.h"
#include "runtime/core/CpuFeatures.h"
#include "runtime/core/StepAbi.h"
#include "runtime/io/AtomicFile.h"
#include "train/Recipe.h"
#include "llvm/Support/FileSystem.h"
#include <filesystem>

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t integerAttribute(Operation *op, StringRef name) {
  auto attribute = op->getAttrOfType<IntegerAttr>(name);
  return attribute ? attribute.getInt() : 0;
}

double numberAttribute(Operation *op, StringRef name) {
  auto attribute = op->getAttrOfType<FloatAttr>(name);
  return attribute ? attribute.getValueAsDouble() : 0;
}

class TrainerCompilation {
public:
  TrainerCompilation(const train::Recipe &recipe, const TrainerOptions &options, MLIRContext &context,
                     const std::string &outputPath, const ProgressCallback &progress)
      : recipe(recipe), options(options), context(context), outputPath(outputPath), progress(progress) {}

  absl::Status run() {
    if (!isCuda() && !options.gpuArchs.empty())
      return absl::InvalidArgumentError("--gpu-arch: is for kernels of GPUs, expected --target=cuda");
    if (const int64_t columns = options.productTiles.columns;
        columns != 0 && columns != 128 && columns != 256)
      return absl::InvalidArgumentError(absl::StrCat("--product-tiles: found ", columns,
                                                     " columns, expected 128, 256, or 0 for what costs say"));
    if (!isCuda() && (options.productTiles.columns || options.productTiles.parts))
      return absl::InvalidArgumentError("--product-tiles: is for kernels of GPUs, expected --target=cuda");
    if (absl::Status status = checkGpuArchs(options.gpuArchs); !status.ok())
      return status;
    // Of a program for GPUs only launches run on the processor, whichever it is.
    const bool anyProcessor = isCuda() && options.targetCpu == "native";
    absl::StatusOr<Target> found = getTarget(anyProcessor ? "x86-64" : options.targetCpu);
    if (!found.ok())
      return found.status();
    target = *std::move(found);
    if (!absl::StartsWith(target.triple, absl::StrCat(runtime::hostArchitecture(), "-")))
      return absl::UnimplementedError(absl::StrCat(
          "--target-cpu: ", target.cpu, " is a processor of ", target.triple, ", expected one of ",
          runtime::hostArchitecture(), ": a trainer holds the program llmc-trainer of this machine"));
    progress("building the graph", -1);
    absl::StatusOr<OwningOpRef<ModuleOp>> graph =
        recipe::buildTrainingGraph(recipe, *options.model, options.reference);
    if (!graph.ok())
      return graph.status();
    module = *std::move(graph);
    describeParameters();
    passes::TrainingPipelineOptions pipeline;
    pipeline.rows = int64_t{recipe.batch().sequences()} * recipe.batch().length();
    pipeline.bf16Products = recipe.precision() == train::BF16;
    pipeline.f16Products = recipe.precision() == train::F16;
    const std::pair<Level, absl::string_view> stages[] = {
        {Level::NN, "differentiating"}, {Level::Tiled, "generating kernels"}, {Level::Llvm, "lowering"}};
    for (auto [level, doing] : stages) {
      if (options.emit < level)
        break;
      if (level == Level::Tiled) {
        if (options.debugNumerics)
          addFiniteChecks(cast<func::FuncOp>(module->lookupSymbol("loss")));
        collectOperands();
      }
      progress(doing, -1);
      absl::Status status = runPasses(level == Level::NN      ? passes::trainingPasses(pipeline)
                                      : level == Level::Tiled ? tiledPasses(pipeline.bf16Products)
                                      : isCuda()              ? cudaLlvmPasses()
                                                              : llvmPasses());
      if (!status.ok())
        return status;
    }
    return options.emit <= Level::Llvm ? writeProgram() : writeTrainer();
  }

private:
  int64_t vocabulary() const { return options.model->info.sizes.vocabulary; }
  /// Logits of a row: tokens, labels, or texts of a batch.
  int64_t outputWidth() const {
    const train::Objective &objective = recipe.objective();
    const int64_t texts = recipe.batch().sequences();
    return objective.has_contrastive()               ? texts - texts / train::groupSizeOf(objective)
           : objective.has_preference()              ? 2
           : objective.has_sequence_classification() ? objective.sequence_classification().names_size()
           : objective.has_token_classification()    ? objective.token_classification().names_size()
           : objective.has_regression()              ? 1
                                                     : vocabulary();
  }
  bool isCuda() const { return options.target == TargetKind::Cuda; }
  passes::PassList tiledPasses(bool bf16Products) const {
    return isCuda() ? cudaTiledTrainingPasses(/*bf16Attention=*/bf16Products, options.productTiles)
                    : tiledTrainingPasses(target);
  }

  absl::Status runPasses(passes::PassList list) {
    PassManager manager(&context);
    passes::addPasses(manager, std::move(list));
    FirstError error(&context, options.source);
    if (succeeded(manager.run(*module)))
      return absl::OkStatus();
    if (error.isAboutProgram())
      return absl::UnimplementedError(error.message());
    return absl::InternalError(error.message());
  }

  absl::Status writeProgram() {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream);
    return writeText(text + "\n");
  }

  absl::Status writeText(const std::string &text) {
    if (outputPath == "-") {
      llvm::outs() << text;
      return absl::OkStatus();
    }
    absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(outputPath);
    if (!file.ok())
      return file.status();
    (void)file->append(text);
    return file->commit();
  }

  /// How parameters begin, from the attributes that the frontend gave them.
  void describeParameters() {
    runtime::Training &training = *manifest.mutable_training();
    int64_t elements = 0;
    for (auto param : module->getOps<nn::ParamOp>()) {
      auto type = cast<RankedTensorType>(param.getType());
      runtime::Parameter &parameter = *training.add_parameters();
      parameter.set_name(param.getSymName().str());
      for (int64_t size : type.getShape())
        parameter.add_shape(size);
      parameter.set_format("F32");
      parameter.set_bytes(type.getNumElements() * sizeof(float));
      runtime::Initializer &initializer = *training.add_initializers();
      initializer.set_deviation(numberAttribute(param, spec::kDeviationAttribute));
      initializer.set_value(numberAttribute(param, spec::kValueAttribute));
      initializer.set_transposed(param->hasAttr(spec::kTransposedAttribute));
      initializer.set_row(param->hasAttr(recipe::kRowAttribute));
      if (auto numbers = param->getAttrOfType<DenseElementsAttr>(recipe::kContentsAttribute))
        for (float number : numbers.getValues<float>())
          initializer.mutable_contents()->append(reinterpret_cast<const char *>(&number), sizeof(number));
      initializer.set_frozen(param->hasAttr(nn::kFrozenAttribute));
      initializer.set_optional(param->hasAttr(frontend::kNewParameter));
      initializer.set_reference(param->hasAttr(recipe::kReferenceAttribute));
      if (auto name = param->getAttrOfType<StringAttr>(recipe::kFirstNameAttribute))
        initializer.set_first_name(name.getValue().str());
      elements += initializer.reference() ? 0 : type.getNumElements();
    }
    manifest.set_parameter_count(elements);
  }

  /// The sizes of what a step takes beside its sections, by name.
  void collectOperands() {
    auto elementsOf = [](Type type) { return cast<ShapedType>(type).getNumElements(); };
    for (auto function : module->getOps<func::FuncOp>()) {
      llvm::StringMap<int64_t> &sizes = operandSizes[function.getName()];
      for (unsigned i = 0; i < function.getNumArguments(); ++i) {
        if (auto name = function.getArgAttrOfType<StringAttr>(i, "nn.input"))
          sizes[name.getValue()] = elementsOf(function.getArgument(i).getType());
        else if (auto result = function.getArgAttrOfType<IntegerAttr>(i, nn::kSeedAttribute))
          sizes["seed" + std::to_string(result.getInt())] = elementsOf(function.getArgument(i).getType());
      }
      for (unsigned i = 0; i < function.getNumResults(); ++i)
        if (auto name = function.getResultAttrOfType<StringAttr>(i, "nn.output"))
          sizes[name.getValue()] = elementsOf(function.getResultTypes()[i]);
    }
  }

  absl::Status writeTrainer() {
    progress("generating machine code", -1);
    if (isCuda()) {
      const bool isPtx = options.emit == Level::Ptx;
      if (isPtx && (options.gpuArchs.size() != 1 || !absl::StartsWith(options.gpuArchs[0], "sm_")))
        return absl::InvalidArgumentError("--emit=ptx: expected --gpu-arch with one architecture of a GPU");
      absl::StatusOr<std::vector<KernelImage>> images =
          makeKernelImages(*module, options.gpuArchs, isPtx ? ImageForm::Ptx : ImageForm::All);
      if (!images.ok())
        return images.status();
      if (isPtx)
        return writeText(images->back().contents);
      describeKernels(manifest, *module, *images);
      embedImages(*module, *images);
    }
    absl::StatusOr<std::string> object = emitCode(*module, target, CodeForm::Object);
    if (!object.ok())
      return object.status();
    llvm::SmallString<128> folder;
    if (std::error_code error = llvm::sys::fs::createUniqueDirectory("llmc", folder))
      return temporaryFilesError(error);
    absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
    absl::StatusOr<std::string> shared = linkShared(*object, folder.str().str());
    if (!shared.ok())
      return shared.status();
    describe();
    const std::string artifact = (folder + "/steps").str();
    if (absl::Status status = writeArtifact(*shared, artifact); !status.ok())
      return status;
    return append(artifact);
  }

  void describe() {
    runtime::Training &training = *manifest.mutable_training();
    for (auto [index, param] : llvm::enumerate(module->getOps<nn::ParamOp>()))
      training.mutable_parameters(index)->set_offset(integerAttribute(param, kOffsetAttribute));
    for (Operation &function : *module->getBody()) {
      auto name = function.getAttrOfType<StringAttr>(kStepAttribute);
      if (!name)
        continue;
      runtime::Step &step = *manifest.add_steps();
      step.set_name(name.getValue().str());
      step.set_symbol(stepSymbol(name.getValue()));
      step.set_max_rows(recipe.batch().sequences() * recipe.batch().length());
      runtime::StepOperands &operands = *training.add_operands();
      for (StringRef operand :
           function.getAttrOfType<ArrayAttr>(kOperandsAttribute).getAsValueRange<StringAttr>()) {
        operands.add_names(operand.str());
        operands.add_elements(operandSizes[name.getValue()].lookup(operand));
      }
      manifest.set_arena_bytes(
          std::max<uint64_t>(manifest.arena_bytes(), integerAttribute(&function, kArenaBytesAttribute)));
    }
    training.set_sequences(recipe.batch().sequences());
    training.set_length(recipe.batch().length());
    training.set_source_length(recipe.batch().source_length());
    for (const std::string &state : recipe::stateNames(recipe))
      training.add_states(state);
    training.set_recipe(recipe.SerializeAsString());
    auto files = options.checkpointFiles;
    training.set_adapter(recipe.has_lora());
    if (recipe.has_lora())
      files.emplace_back(
          "adapter_config.json",
          recipe::adapterConfig(*module, recipe.lora(), recipe.dropout().lora(), recipe.run().start_from()));
    for (auto &[name, contents] : files) {
      runtime::CheckpointFile &file = *training.add_files();
      file.set_name(name);
      file.set_contents(contents);
    }
    manifest.set_abi_version(kLlmcStepAbiVersion);
    manifest.set_producer("llmc 0.1.0");
    manifest.set_kind(runtime::TRAIN);
    manifest.set_model_name(options.source);
    manifest.set_source(options.source);
    manifest.set_vocabulary_size(vocabulary());
    manifest.set_context_length(recipe.batch().length());
    manifest.set_output_width(outputWidth());
    manifest.set_tokenizer(options.tokenizer);
    *training.mutable_masking() = options.masking;
    training.set_first_position(static_cast<uint32_t>(options.model->info.sizes.firstPosition));
    if (options.model->info.startToken)
      training.set_start_token(static_cast<uint32_t>(*options.model->info.startToken));
    runtime::Target &described = *manifest.mutable_target();
    described.set_triple(target.triple);
    described.set_cpu(target.cpu);
    const llvm::StringRef architecture = llvm::StringRef(target.triple).split('-').first;
    for (absl::string_view feature :
         runtime::checkableFeatures(absl::string_view(architecture.data(), architecture.size())))
      if (llvm::is_contained(target.features, std::string(feature)))
        described.add_required_features(std::string(feature));
  }

  absl::Status writeArtifact(const std::string &shared, const std::string &path) {
    absl::StatusOr<runtime::ArtifactWriter> writer = runtime::ArtifactWriter::begin(path);
    if (!writer.ok())
      return writer.status();
    if (absl::Status status = writer->writeCode(
            absl::Span<const uint8_t>(reinterpret_cast<const uint8_t *>(shared.data()), shared.size()));
        !status.ok())
      return status;
    if (absl::Status status = writer->leaveOutWeights(integerAttribute(*module, kWeightsBytesAttribute));
        !status.ok())
      return status;
    return writer->finish(manifest);
  }

  /// The trainer is the program that trains, with the artifact behind it.
  absl::Status append(const std::string &artifact) {
    std::error_code error;
    const uint64_t programBytes = std::filesystem::file_size(options.trainerProgram, error);
    if (error)
      return absl::NotFoundError(absl::StrCat(options.trainerProgram, ": cannot open: ", error.message(),
                                              "; it belongs beside llmc"));
    absl::StatusOr<io::AtomicFile> file =
        io::AtomicFile::create(outputPath, io::AtomicFile::Mode::Executable);
    if (!file.ok())
      return file.status();
    (void)file->appendFile(options.trainerProgram, 0, programBytes);
    (void)file->alignTo(runtime::kWeightsAlignment);
    (void)file->appendFile(artifact, 0, std::filesystem::file_size(artifact));
    return file->commit();
  }

  const train::Recipe &recipe;
  const TrainerOptions &options;
  MLIRContext &context;
  const std::string &outputPath;
  const ProgressCallback &progress;
  Target target;
  OwningOpRef<ModuleOp> module;
  runtime::Manifest manifest;
  llvm::StringMap<llvm::StringMap<int64_t>> operandSizes; ///< by function and operand
};

} // namespace

void registerTrainingDialects(DialectRegistry &registry) {
  registry.insert<linalg::LinalgDialect, tensor::TensorDialect>();
  func::registerInlinerExtension(registry);
  nn::registerGradientModels(registry);
}

absl::Status compileTrainer(const train::Recipe &recipe, const TrainerOptions &options, MLIRContext &context,
                            const std::string &outputPath, const ProgressCallback &progress) {
  return TrainerCompilation(recipe, options, context, outputPath, progress).run();
}

} // namespace llmc::codegen
