//===- Import.h - from the files of a model to an nn module ------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_IMPORT_H
#define LLMC_FRONTEND_IMPORT_IMPORT_H

#include "absl/status/statusor.h"
#include "frontend/import/Checkpoint.h"
#include "frontend/import/Description.h"
#include "frontend/import/ModelInfo.h"
#include "frontend/spec/Definition.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmc::frontend {

/// Low-rank matrices for a model: a directory of PEFT, and what they are multiplied by beside the scale that
/// it has itself.
struct AdapterChoice {
  std::string path;
  double scale = 1;
  /// What it is called where the model runs, and chosen by. Empty: it is added to the weights.
  std::string name = {};
};

/// What the sums of weights and adapters are stored as. Auto: what products of the checkpoint's weights are
/// computed in, and Q8_0 for quantized ones.
enum class AdaptedType { Auto, F32, BF16 };

/// Which parts of a model to import, all by default, and what is added to it.
struct ImportOptions {
  /// Whether to read the tokenizer too: tests of graphs have none.
  bool tokenizer = true;
  /// Whether an encoder has the head that its architecture names; else its hidden states are pooled. Models
  /// of sentence-transformers never have one.
  bool head = true;
  /// A head to train, instead of that of the files. Only for encoders.
  std::optional<HeadChoice> headToTrain;
  /// The model makes embeddings, which are pooled like this whatever the files say: a decoder is read without
  /// its head, and so is an encoder.
  std::optional<Pooling::Mode> pooling;
  /// Merged into the weights (MergeAdapters.h), or kept beside them (SeparateAdapters.h).
  std::vector<AdapterChoice> adapters;
  AdaptedType adaptedType = AdaptedType::Auto;
};

/// A model as the compiler sees it.
struct ImportedModel {
  /// Public function @forward, whose arguments carry `nn.input` with the name of a field of LlmcStep:
  ///
  ///     decoders   (tokens, positions, output_ids) -> [output_rows, vocabulary], logits of the wanted rows,
  ///                or [output_rows, hidden size], their last hidden states
  ///     encoders   (tokens, positions, token_types) -> [rows, hidden size], the last hidden state
  ///     with heads (tokens, positions, token_types, output_ids) -> [output_rows, outputs]
  ///     both       (tokens, positions, output_ids, source_ends, a source_cache for each layer) -> logits;
  ///                @encode (tokens, positions, the source_caches) -> the source_caches with the source
  ///
  /// It calls a private function for each layer, whose parameters are arguments marked `nn.parameter`. No
  /// caches yet but those of a source: the rows of one call are one sequence.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The tensors of the module's parameters: memory-mapped files.
  std::unique_ptr<Checkpoint> source;
  /// The paths of all files that were read: none may be written over.
  std::vector<std::string> files;
  ModelInfo info;
  /// What files of the other format say of the model.
  Description description;
  /// The model as a complete definition, or why there is none.
  absl::StatusOr<spec::ModelDefinition> definition =
      absl::UnimplementedError("is a graph of ONNX, which no definition says");
};

/// Imports the model at `path`: a GGUF file, a Hugging Face directory or an ONNX file. Fails with one line
/// that names file, field, what was found and what was expected.
absl::StatusOr<ImportedModel> importModel(const std::string &path, const ImportOptions &options,
                                          mlir::MLIRContext *context);

/// The model that a complete definition says, with parameters that say how they begin
/// (frontend/spec/ParameterAttributes.h) and without a tokenizer. `source` names it in messages.
absl::StatusOr<ImportedModel> importDefinition(const spec::ModelDefinition &definition,
                                               const std::string &source, mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_IMPORT_H
