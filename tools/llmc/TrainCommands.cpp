//===- TrainCommands.cpp - llmc train -------------------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Progress.h"
#include "tools/llmc/TokenizerSource.h"

#include "codegen/compiler/TrainerCompiler.h"
#include "frontend/import/ConfigJson.h"
#include "frontend/import/EncoderHead.h"
#include "frontend/import/Import.h"
#include "frontend/recipe/MaskingRules.h"
#include "frontend/recipe/TrainingGraph.h"
#include "frontend/spec/Definition.h"
#include "train/ObjectiveData.h"
#include "train/Recipe.h"

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

/// Says in config.json which head the model has.
void describeHead(const frontend::ModelInfo &info, nlohmann::ordered_json &config) {
  const frontend::Head &head = *info.head;
  config["architectures"] = {frontend::architectureWithHead(info.architecture, head.task)};
  if (head.task == frontend::HeadTask::MaskedTokens)
    return;
  nlohmann::ordered_json names, numbers;
  for (size_t i = 0; i < head.labels.size(); ++i) {
    names[std::to_string(i)] = head.labels[i];
    numbers[head.labels[i]] = i;
  }
  config["id2label"] = names;
  config["label2id"] = numbers;
  config.erase("num_labels");
  if (head.task == frontend::HeadTask::SequenceClassification)
    config["problem_type"] =
        head.problem == frontend::Head::Problem::Regression ? "regression" : "single_label_classification";
}

/// A file of a checkpoint, as it goes into new ones: their numbers are f32.
absl::StatusOr<std::string> configOf(const std::string &path, const frontend::ModelInfo &info) {
  absl::StatusOr<std::string> text = readWhole(path);
  if (!text.ok())
    return text;
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  for (const char *name : {"torch_dtype", "dtype"})
    if (config.is_object() && config.contains(name))
      config[name] = "float32";
  if (info.head && fs::path(path).filename() == "config.json")
    describeHead(info, config);
  return config.dump(2) + "\n";
}

/// Reads the model at `path` with the head that the recipe's objective asks for.
absl::StatusOr<frontend::ImportedModel> readModel(const std::string &path, const train::Recipe &recipe,
                                                  mlir::MLIRContext &context) {
  frontend::ImportOptions parts;
  parts.tokenizer = false;
  parts.headToTrain = recipe::headToTrain(recipe.objective());
  parts.head = !recipe.objective().has_contrastive();
  absl::StatusOr<frontend::ImportedModel> model = frontend::importModel(path, parts, &context);
  if (!model.ok())
    return model;
  if (model->source->format() != frontend::Format::HuggingFace)
    return absl::UnimplementedError(
        absl::StrCat(path, ": is no Hugging Face directory, expected a folder as transformers writes it"));
  return model;
}

/// The files that say how sentence-transformers makes an embedding of states, beside config.json.
std::vector<std::string> filesOfEmbedding(const std::string &folder) {
  std::vector<std::string> files = {"modules.json", "sentence_bert_config.json",
                                    "config_sentence_transformers.json"};
  absl::StatusOr<std::string> text = readWhole((fs::path(folder) / files.front()).string());
  const auto modules = nlohmann::json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
  for (const auto &module : modules) // the importer has checked them
    if (const std::string path = module.is_object() ? module.value("path", "") : ""; !path.empty())
      files.push_back(path + "/config.json");
  return files;
}

/// Reads the model that training begins with. `files` gets what checkpoints have of it beside tensors.
absl::StatusOr<frontend::ImportedModel>
readCheckpoint(const train::Recipe &recipe, mlir::MLIRContext &context,
               std::vector<std::pair<std::string, std::string>> &files) {
  const std::string &path = recipe.checkpoint();
  absl::StatusOr<frontend::ImportedModel> model = readModel(path, recipe, context);
  if (!model.ok())
    return model;
  std::error_code error;
  std::vector<std::string> names = {"config.json", "generation_config.json"};
  if (recipe.objective().has_contrastive())
    for (std::string &name : filesOfEmbedding(path))
      names.push_back(std::move(name));
  for (const std::string &name : names)
    if (const fs::path file = fs::path(path) / name; fs::exists(file, error)) {
      absl::StatusOr<std::string> config = configOf(file.string(), model->info);
      if (!config.ok())
        return config.status();
      files.emplace_back(name, *std::move(config));
    }
  return model;
}

/// What the recipe, a complete one, defines. `files` gets config.json.
absl::StatusOr<frontend::ImportedModel>
buildDefinition(const train::Recipe &recipe, const std::string &path, const std::string &tokenizer,
                mlir::MLIRContext &context, std::vector<std::pair<std::string, std::string>> &files) {
  absl::StatusOr<frontend::ImportedModel> model = frontend::importDefinition(recipe.model(), path, &context);
  if (!model.ok())
    return model;
  const std::string &gap = model->description.gap[static_cast<int>(frontend::Format::HuggingFace)];
  if (!gap.empty())
    return absl::UnimplementedError(absl::StrCat(path, ": the model cannot be saved, since ", gap));
  text::TokenizerModel ids;
  if (!ids.ParseFromString(tokenizer))
    return absl::InternalError("the tokenizer cannot be read back");
  nlohmann::ordered_json config = frontend::configJson(model->description, ids, "float32");
  if (model->info.head)
    describeHead(model->info, config);
  files.emplace_back("config.json", config.dump(2) + "\n");
  return model;
}

/// Reads the model that stays as it is beside the one that learns, which `recipe`, a complete one, asks for.
absl::StatusOr<frontend::ImportedModel> readReference(const train::Recipe &recipe,
                                                      mlir::MLIRContext &context) {
  const std::string &path = recipe.has_distillation() ? recipe.distillation().teacher() : recipe.checkpoint();
  absl::StatusOr<frontend::ImportedModel> model = readModel(path, recipe, context);
  if (!model.ok())
    return model;
  const frontend::ModelSizes &sizes = model->info.sizes;
  for (auto [field, length] : {std::pair("batch.length", recipe.batch().length()),
                               std::pair("batch.source_length", recipe.batch().source_length())})
    if (length > sizes.contextLength)
      return absl::InvalidArgumentError(absl::StrCat(path, ": has a context of ", sizes.contextLength,
                                                     ", expected at least ", field, " (", length, ")"));
  return model;
}

/// Labels that the recipe does not name are those of its data.
absl::Status completeLabels(train::Recipe &recipe) {
  train::Objective &objective = *recipe.mutable_objective();
  if (!objective.has_sequence_classification() && !objective.has_token_classification())
    return absl::OkStatus();
  train::Objective::Labels &labels = objective.has_sequence_classification()
                                         ? *objective.mutable_sequence_classification()
                                         : *objective.mutable_token_classification();
  if (labels.names_size() > 0)
    return absl::OkStatus();
  absl::StatusOr<train::TokenFile> data = train::TokenFile::open(recipe.run().train_data());
  if (!data.ok())
    return data.status();
  if (absl::Status status = train::checkLabelKind(*data, objective); !status.ok())
    return status;
  for (const std::string &name : data->labelNames())
    labels.add_names(name);
  return absl::OkStatus();
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
  frontend::ImportedModel model;
  std::optional<int64_t> checkpointContext;
  std::error_code error;
  std::string tokenizerPath = request.tokenizer;
  if (recipe->has_objective())
    if (absl::Status status = completeLabels(*recipe); !status.ok())
      return status;
  if (!recipe->checkpoint().empty()) {
    std::vector<std::pair<std::string, std::string>> files;
    absl::StatusOr<frontend::ImportedModel> checkpoint = readCheckpoint(*recipe, context, files);
    if (!checkpoint.ok())
      return checkpoint.status();
    if (!recipe->has_lora()) // beside an adapter the model stays where it is
      options.checkpointFiles = std::move(files);
    model = *std::move(checkpoint);
    checkpointContext = model.info.sizes.contextLength;
    if (tokenizerPath.empty() && fs::exists(fs::path(recipe->checkpoint()) / "tokenizer.json", error))
      tokenizerPath = recipe->checkpoint();
  }
  int64_t vocabulary = 0;
  std::unique_ptr<text::Tokenizer> tokenizer;
  if (!tokenizerPath.empty()) {
    absl::StatusOr<TokenizerSource> source = readTokenizer(tokenizerPath);
    if (!source.ok())
      return source.status();
    absl::StatusOr<std::unique_ptr<text::Tokenizer>> made = makeTokenizer(*source);
    if (!made.ok())
      return made.status();
    tokenizer = *std::move(made);
    vocabulary = static_cast<int64_t>(tokenizer->vocabularySize());
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
  if (complete->checkpoint().empty()) {
    std::vector<std::pair<std::string, std::string>> files;
    absl::StatusOr<frontend::ImportedModel> defined =
        buildDefinition(*complete, request.recipe, options.tokenizer, context, files);
    if (!defined.ok())
      return defined.status();
    model = *std::move(defined);
    if (!complete->has_lora())
      options.checkpointFiles.insert(options.checkpointFiles.end(), files.begin(), files.end());
  }
  options.model = &model;
  std::optional<frontend::ImportedModel> reference;
  if (complete->has_distillation() || complete->objective().has_preference()) {
    absl::StatusOr<frontend::ImportedModel> found = readReference(*complete, context);
    if (!found.ok())
      return found.status();
    reference = *std::move(found);
    options.reference = &*reference;
  }
  if (complete->objective().has_masked_tokens()) {
    if (!tokenizer)
      return absl::InvalidArgumentError(
          absl::StrCat(request.recipe, ": objective.masked_tokens needs a tokenizer, expected one of the "
                                       "checkpoint or of --tokenizer"));
    absl::StatusOr<runtime::Masking> masking =
        recipe::maskingRules(complete->objective().masked_tokens(), *tokenizer);
    if (!masking.ok())
      return masking.status();
    options.masking = *std::move(masking);
  }
  options.target = request.target == "cuda" ? codegen::TargetKind::Cuda : codegen::TargetKind::Cpu;
  options.gpuArchs = request.gpuArchs;
  options.debugNumerics = request.debugNumerics;
  if (!request.productTiles.empty())
    options.productTiles = {request.productTiles[0], request.productTiles[1]};
  options.targetCpu = request.targetCpu;
  options.emit = level;
  options.source = request.recipe;
  options.trainerProgram =
      (fs::read_symlink("/proc/self/exe", error).parent_path() / "llmc-trainer").string();
  return codegen::compileTrainer(*complete, options, context, request.output.empty() ? "-" : request.output,
                                 [&](absl::string_view stage, double) { progress.update(stage, 0, 0); });
}

} // namespace

ExitCode compileRecipe(const TrainRequest &request) {
  absl::StatusOr<codegen::Level> level = codegen::parseLevel(request.emit);
  if (!level.ok())
    return fail(level.status(), ExitCode::Usage);
  const bool isText = *level <= codegen::Level::Ptx;
  if (!isText && *level != codegen::Level::Artifact)
    return failUsage(
        absl::StrCat("--emit: is ", request.emit, ", expected imported, nn, tiled, llvm, ptx or artifact"));
  if (*level == codegen::Level::Ptx && request.target != "cuda")
    return failUsage("--emit=ptx: is of kernels of GPUs, expected --target=cuda");
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

} // namespace llmc::tool
