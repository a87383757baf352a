//===- TrainCommands.cpp - llmc train, llmc data --------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Progress.h"

#include "codegen/compiler/TrainerCompiler.h"
#include "frontend/documents/Documents.h"
#include "frontend/import/Import.h"
#include "frontend/spec/Definition.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "runtime/io/MappedFile.h"
#include "runtime/text/Tokenizer.h"
#include "train/Recipe.h"
#include "train/TokenFile.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "mlir/IR/MLIRContext.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

namespace llmc::tool {

namespace {

namespace fs = std::filesystem;

/// A tokenizer in a folder (tokenizer.json and what stands beside it), or the file itself.
struct TokenizerSource {
  std::string model; ///< serialized
  std::vector<std::pair<std::string, std::string>> files;
};

absl::StatusOr<std::string> readWhole(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  return std::string(reinterpret_cast<const char *>(file->bytes().data()), file->bytes().size());
}

absl::StatusOr<TokenizerSource> readTokenizer(const std::string &path) {
  std::error_code error;
  const bool isFolder = fs::is_directory(path, error);
  const fs::path json = isFolder ? fs::path(path) / "tokenizer.json" : fs::path(path);
  TokenizerSource source;
  absl::StatusOr<std::string> contents = readWhole(json.string());
  if (!contents.ok())
    return contents.status();
  tokenizer::HuggingFaceTokenizerFiles files;
  files.tokenizerJson = *contents;
  source.files.emplace_back("tokenizer.json", *contents);
  std::string config;
  const fs::path configPath = json.parent_path() / "tokenizer_config.json";
  if (fs::exists(configPath, error)) {
    absl::StatusOr<std::string> text = readWhole(configPath.string());
    if (!text.ok())
      return text.status();
    config = *std::move(text);
    files.config.tokenizerConfigJson = config;
    source.files.emplace_back("tokenizer_config.json", config);
  }
  absl::StatusOr<text::TokenizerModel> model = tokenizer::importTokenizerJson(files);
  if (!model.ok())
    return absl::Status(model.status().code(), absl::StrCat(json.string(), ": ", model.status().message()));
  source.model = model->SerializeAsString();
  return source;
}

absl::StatusOr<std::unique_ptr<text::Tokenizer>> makeTokenizer(const TokenizerSource &source) {
  text::TokenizerModel model;
  if (!model.ParseFromString(source.model))
    return absl::InternalError("the tokenizer was lost");
  return text::Tokenizer::create(model);
}

/// A file of a checkpoint, as it goes into new ones: their numbers are f32.
absl::StatusOr<std::string> configOf(const std::string &path) {
  absl::StatusOr<std::string> text = readWhole(path);
  if (!text.ok())
    return text;
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  for (const char *name : {"torch_dtype", "dtype"})
    if (config.is_object() && config.contains(name))
      config[name] = "float32";
  return config.dump(2) + "\n";
}

/// Reads the model that training begins with. `files` gets what checkpoints have of it beside tensors.
absl::StatusOr<frontend::ImportedModel>
readCheckpoint(const std::string &path, mlir::MLIRContext &context,
               std::vector<std::pair<std::string, std::string>> &files) {
  absl::StatusOr<frontend::ImportedModel> model = frontend::importModel(path, {.tokenizer = false}, &context);
  if (!model.ok())
    return model;
  if (model->source->format() != frontend::Format::HuggingFace)
    return absl::UnimplementedError(
        absl::StrCat(path, ": is a GGUF file, expected a folder as transformers writes it"));
  std::error_code error;
  for (const char *name : {"config.json", "generation_config.json"})
    if (const fs::path file = fs::path(path) / name; fs::exists(file, error)) {
      absl::StatusOr<std::string> config = configOf(file.string());
      if (!config.ok())
        return config.status();
      files.emplace_back(name, *std::move(config));
    }
  return model;
}

absl::Status makeTrainer(const TrainRequest &request, codegen::Level level, Progress &progress) {
  absl::StatusOr<train::Recipe> recipe = train::readRecipe(request.recipe);
  if (!recipe.ok())
    return recipe.status();
  codegen::TrainerOptions options;
  mlir::DialectRegistry registry;
  codegen::registerCompilerDialects(registry);
  codegen::registerTrainingDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  std::optional<frontend::ImportedModel> checkpoint;
  std::optional<int64_t> checkpointContext;
  std::error_code error;
  std::string tokenizerPath = request.tokenizer;
  if (!recipe->checkpoint().empty()) {
    std::vector<std::pair<std::string, std::string>> files;
    absl::StatusOr<frontend::ImportedModel> model = readCheckpoint(recipe->checkpoint(), context, files);
    if (!model.ok())
      return model.status();
    if (!recipe->has_lora()) // beside an adapter the model stays where it is
      options.checkpointFiles = std::move(files);
    checkpoint = *std::move(model);
    options.checkpoint = &*checkpoint;
    checkpointContext = checkpoint->info.sizes.contextLength;
    if (tokenizerPath.empty() && fs::exists(fs::path(recipe->checkpoint()) / "tokenizer.json", error))
      tokenizerPath = recipe->checkpoint();
  }
  int64_t vocabulary = 0;
  if (!tokenizerPath.empty()) {
    absl::StatusOr<TokenizerSource> source = readTokenizer(tokenizerPath);
    if (!source.ok())
      return source.status();
    absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = makeTokenizer(*source);
    if (!tokenizer.ok())
      return tokenizer.status();
    vocabulary = static_cast<int64_t>((*tokenizer)->vocabularySize());
    options.tokenizer = std::move(source->model);
    for (auto &file : source->files)
      options.checkpointFiles.push_back(std::move(file));
  }
  absl::StatusOr<train::Recipe> complete = train::complete(*std::move(recipe), vocabulary, checkpointContext);
  if (complete.ok())
    if (absl::Status status = train::checkRun(complete->run()); !status.ok())
      complete = status;
  if (!complete.ok())
    return absl::Status(complete.status().code(),
                        absl::StrCat(request.recipe, ": ", complete.status().message()));
  options.target = request.target == "cuda" ? codegen::TargetKind::Cuda : codegen::TargetKind::Cpu;
  options.gpuArchs = request.gpuArchs;
  options.targetCpu = request.targetCpu;
  options.emit = level;
  options.source = request.recipe;
  options.trainerProgram =
      (fs::read_symlink("/proc/self/exe", error).parent_path() / "llmc-trainer").string();
  return codegen::compileTrainer(*complete, options, context, request.output.empty() ? "-" : request.output,
                                 [&](absl::string_view stage, double) { progress.update(stage, 0, 0); });
}

absl::Status pack(const PackRequest &request, Progress &progress) {
  absl::StatusOr<TokenizerSource> source = readTokenizer(request.tokenizer);
  if (!source.ok())
    return source.status();
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = makeTokenizer(*source);
  if (!tokenizer.ok())
    return tokenizer.status();
  std::error_code error;
  fs::create_directories(request.output, error);
  if (error)
    return absl::UnavailableError(absl::StrCat(request.output, ": cannot be made: ", error.message()));
  const auto vocabulary = static_cast<int64_t>((*tokenizer)->vocabularySize());
  absl::StatusOr<train::TokenFileWriter> train =
      train::TokenFileWriter::create(request.output + "/train.tokens", vocabulary);
  if (!train.ok())
    return train.status();
  absl::StatusOr<train::TokenFileWriter> held =
      train::TokenFileWriter::create(request.output + "/validation.tokens", vocabulary);
  if (!held.ok())
    return held.status();
  int64_t packed = 0;
  double owed = 0; // documents that are to be held out yet
  for (const std::string &input : request.inputs) {
    auto append = [&](absl::string_view text) -> absl::Status {
      text::EncodeOptions encode;
      encode.addSpecialTokens = false;
      encode.parseSpecial = false;
      absl::StatusOr<std::vector<int32_t>> ids = (*tokenizer)->encode(text, encode);
      if (!ids.ok())
        return absl::Status(ids.status().code(), absl::StrCat(input, ": ", ids.status().message()));
      if ((*tokenizer)->eosId())
        ids->push_back(*(*tokenizer)->eosId());
      progress.update(absl::StrCat("packing ", input), ++packed, 0);
      owed += request.validation;
      const bool holdsOut = owed >= 1;
      owed -= holdsOut ? 1 : 0;
      return (holdsOut ? *held : *train).append(*ids);
    };
    if (absl::Status status = documents::forEachDocument(input, request.field, append); !status.ok())
      return status;
  }
  if (train->documents() == 0)
    return absl::InvalidArgumentError("the inputs have no documents to train on");
  if (absl::Status status = train->commit(); !status.ok())
    return status;
  if (held->documents() > 0)
    if (absl::Status status = held->commit(); !status.ok())
      return status;
  progress.clear();
  absl::FPrintF(stderr, "%s/train.tokens: %d tokens of %d documents\n", request.output, train->tokens(),
                train->documents());
  if (held->documents() > 0)
    absl::FPrintF(stderr, "%s/validation.tokens: %d tokens of %d documents\n", request.output, held->tokens(),
                  held->documents());
  return absl::OkStatus();
}

} // namespace

ExitCode compileRecipe(const TrainRequest &request) {
  absl::StatusOr<codegen::Level> level = codegen::parseLevel(request.emit);
  if (!level.ok())
    return fail(level.status(), ExitCode::Usage);
  const bool isText = *level <= codegen::Level::Llvm;
  if (!isText && *level != codegen::Level::Artifact)
    return failUsage(
        absl::StrCat("--emit: is ", request.emit, ", expected imported, nn, tiled, llvm or artifact"));
  if (request.output.empty() && !isText)
    return failUsage("-o FILE is required, for the trainer; see llmc train --help");
  const absl::Time start = absl::Now();
  Progress progress;
  absl::Status status = makeTrainer(request, *level, progress);
  progress.clear();
  if (!status.ok())
    return fail(status);
  std::error_code ignored;
  if (!request.quiet && !isText)
    absl::FPrintF(stderr, "%s: %.1f MB, made in %.1f s; start it to train\n", request.output,
                  static_cast<double>(fs::file_size(request.output, ignored)) / 1e6,
                  absl::ToDoubleSeconds(absl::Now() - start));
  return ExitCode::Success;
}

void listPresets() {
  for (const std::string &name : spec::presetNames())
    absl::PrintF("%s\n", name);
}

ExitCode packData(const PackRequest &request) {
  Progress progress;
  absl::Status status = pack(request, progress);
  progress.clear();
  return status.ok() ? ExitCode::Success : fail(status);
}

} // namespace llmc::tool
