//===- OnnxCheckpoint.cpp - an ONNX file and what lies beside it as a checkpoint ---------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/hf/Directory.h"
#include "frontend/import/DirectoryFields.h"
#include "frontend/import/Encoder.h"
#include "frontend/import/Family.h"
#include "frontend/import/Formats.h"
#include "frontend/import/TokenizerFiles.h"
#include "frontend/onnx/ImportGraph.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

/// How an architecture is called that no file names.
constexpr llvm::StringLiteral kUnnamed = "ONNX";

class OnnxCheckpoint : public Checkpoint {
public:
  OnnxCheckpoint(const std::string &path, onnx::Model model, std::optional<hf::Directory> directory)
      : Checkpoint(Format::Onnx, path), model(std::move(model)), directory(std::move(directory)) {}

  absl::Status load() {
    architectureName = kUnnamed;
    modelCard.name = llvm::sys::path::stem(filePath).str();
    if (!directory)
      return absl::OkStatus();
    modelCard = readModelCard(*directory);
    if (!directory->config().has("architectures"))
      return absl::OkStatus();
    absl::StatusOr<std::vector<std::string>> names = directory->architectures();
    if (names.ok())
      architectureName = names->front();
    return names.status();
  }

  /// Imports the graph; its parameters are the tensors of the checkpoint from then on.
  absl::StatusOr<const onnx::ImportedGraph *> importGraph(const onnx::GraphHints &hints,
                                                          MLIRContext *context);
  OwningOpRef<ModuleOp> takeModule() { return std::move(graph->module); }

  std::vector<std::string> files() const override {
    std::vector<std::string> paths = model.files();
    if (directory)
      paths.insert(paths.end(), directory->files().begin(), directory->files().end());
    return paths;
  }
  Hyperparameters hyperparameters() const override {
    return directory ? fieldsOf(directory->config(), Format::Onnx) : noFields();
  }
  Hyperparameters generationDefaults() const override {
    return directory && directory->generationConfig() ? fieldsOf(*directory->generationConfig(), Format::Onnx)
                                                      : noFields();
  }
  absl::StatusOr<std::string> readTokenizer() const override {
    if (directory)
      return readHuggingFaceTokenizer(*directory);
    return absl::NotFoundError(
        absl::StrCat(model.path(), ": has no tokenizer, expected config.json and tokenizer.json beside it"));
  }
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> readEmbedding() const override {
    if (directory)
      return hf::readSentenceEmbedding(*directory);
    return std::nullopt;
  }

private:
  Hyperparameters noFields() const {
    return Hyperparameters(Format::Onnx, filePath, "", [](const std::string &) { return MissingField(); });
  }

  onnx::Model model;
  std::optional<hf::Directory> directory;
  std::unique_ptr<onnx::ImportedGraph> graph;
};

blocks::StorageFormat storageOf(onnx::ElementType type) {
  switch (type) {
  case onnx::ElementType::F16:
    return blocks::StorageFormat::F16;
  case onnx::ElementType::BF16:
    return blocks::StorageFormat::BF16;
  default: // Emitter makes parameters of these three only.
    return blocks::StorageFormat::F32;
  }
}

absl::StatusOr<const onnx::ImportedGraph *> OnnxCheckpoint::importGraph(const onnx::GraphHints &hints,
                                                                        MLIRContext *context) {
  absl::StatusOr<std::unique_ptr<onnx::ImportedGraph>> imported = onnx::importGraph(model, hints, context);
  if (!imported.ok())
    return imported.status();
  graph = *std::move(imported);
  for (const onnx::Parameter &parameter : graph->parameters) {
    StoredTensor &target = stored[parameter.name];
    target.file = parameter.tensor->file.empty() ? filePath : parameter.tensor->file;
    target.format = storageOf(parameter.tensor->type);
    target.typeName = std::string(onnx::nameOf(parameter.tensor->type));
    target.shape.assign(parameter.tensor->shape.begin(), parameter.tensor->shape.end());
    target.bytes = parameter.tensor->bytes;
    if (parameter.isTransposed)
      transpose(parameter.name);
  }
  return graph.get();
}

/// The task of a head whose outputs are for each token.
HeadTask taskOfTokens(std::optional<HeadTask> named, const onnx::ImportedGraph &graph) {
  if (named == HeadTask::MaskedTokens || named == HeadTask::TokenClassification)
    return *named;
  return graph.outputs == graph.vocabulary ? HeadTask::MaskedTokens : HeadTask::TokenClassification;
}

/// The labels of a head by config.json, which has to agree with the graph.
absl::StatusOr<Head> readHead(Checkpoint &checkpoint, HeadTask task, const onnx::ImportedGraph &graph) {
  const Hyperparameters files = checkpoint.hyperparameters();
  // Files that do not say have as many labels as outputs.
  const bool saysNothing = !files.has({"num_labels", ""}) && !files.has({"id2label", ""});
  Hyperparameters fields(Format::Onnx, files.file(), "", [&](const std::string &key) -> Field {
    if (saysNothing && key == "num_labels")
      return graph.outputs;
    return files.field(key);
  });
  Encoder encoder;
  encoder.vocabulary = {graph.vocabulary, "vocabulary"};
  if (graph.tokenTypes > 0)
    encoder.segments = {graph.tokenTypes, "kinds of tokens"};
  const EncoderHead head = readEncoderHead(fields, encoder, {task});
  if (!fields.ok())
    return fields.status();
  if (head.outputs.value != graph.outputs)
    return absl::InvalidArgumentError(absl::StrCat(checkpoint.path(), ": the graph has ", graph.outputs,
                                                   " outputs, expected ", head.outputs.value, ": ",
                                                   head.outputs.meaning, " of ", fields.file()));
  return head.description;
}

/// A window that is longer than the sequences that are tried would not be noticed.
void refuseLongWindow(Hyperparameters &fields) {
  constexpr Name window = {"sliding_window", ""}, isUsed = {"use_sliding_window", ""};
  if (!fields.has(window) || !fields.flagOr(isUsed, true))
    return;
  if (const int64_t found = fields.size(window).value; found >= onnx::kLongestTried)
    fields.fail(window, absl::StrCat("is ", found, ", expected less than ", onnx::kLongestTried,
                                     ": masks of ONNX graphs are compared for sequences of that length"));
}

absl::StatusOr<Graph> buildOnnx(Checkpoint &checkpoint, MLIRContext *context) {
  auto &onnxCheckpoint = static_cast<OnnxCheckpoint &>(checkpoint); // of this format all are
  Hyperparameters fields = checkpoint.hyperparameters();
  constexpr Name positions = {"max_position_embeddings", ""};
  const std::optional<HeadTask> named = headTaskOf(checkpoint.architecture());
  onnx::GraphHints hints{.hasHead = named.has_value()};
  if (fields.has(positions))
    hints.contextLength = fields.size(positions).value;
  refuseLongWindow(fields);
  if (!fields.ok())
    return fields.status();
  absl::StatusOr<const onnx::ImportedGraph *> imported = onnxCheckpoint.importGraph(hints, context);
  if (!imported.ok())
    return imported.status();
  const onnx::ImportedGraph &graph = **imported;
  if (!graph.contextLength)
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.path(), ": has no table of positions, expected max_position_embeddings in config.json"));

  Graph result;
  result.module = onnxCheckpoint.takeModule();
  result.sizes = {graph.vocabulary, *graph.contextLength, graph.hiddenSize, graph.layers};
  std::optional<HeadTask> task;
  switch (graph.output) {
  case onnx::ImportedGraph::Output::HiddenStates:
    break;
  case onnx::ImportedGraph::Output::OfSequence:
    task = HeadTask::SequenceClassification;
    break;
  case onnx::ImportedGraph::Output::Answers:
    task = HeadTask::QuestionAnswering;
    break;
  case onnx::ImportedGraph::Output::OfTokens:
    if (graph.isCausal && graph.outputs == graph.vocabulary)
      result.kind = ModelKind::Generate;
    else
      task = taskOfTokens(named, graph);
    break;
  }
  if (task) {
    absl::StatusOr<Head> head = readHead(checkpoint, *task, graph);
    if (!head.ok())
      return head.status();
    result.head = *std::move(head);
  }
  return result;
}

} // namespace

const Family llmc::frontend::kOnnx = {"onnx", ModelKind::Embed, {}, {}, buildOnnx};

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openOnnx(const std::string &path) {
  absl::StatusOr<onnx::Model> model = onnx::Model::open(path);
  if (!model.ok())
    return model.status();
  // Repositories have the file in a folder of its own, below that of the tokenizer.
  const llvm::StringRef folder = llvm::sys::path::parent_path(path);
  std::vector<std::string> folders = {folder.empty() ? "." : folder.str()};
  if (llvm::sys::path::filename(folder) == "onnx")
    folders.push_back(folders[0] + "/..");
  std::optional<hf::Directory> directory;
  for (const std::string &candidate : folders) {
    if (directory || !llvm::sys::fs::exists(candidate + "/config.json"))
      continue;
    absl::StatusOr<hf::Directory> opened = hf::Directory::open(candidate);
    if (!opened.ok())
      return opened.status();
    directory = *std::move(opened);
  }
  auto checkpoint = std::make_unique<OnnxCheckpoint>(path, *std::move(model), std::move(directory));
  if (absl::Status status = checkpoint->load(); !status.ok())
    return status;
  return checkpoint;
}
