//===- Import.h - from the files of a model to an nn module ------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_IMPORT_H
#define LLMC_FRONTEND_IMPORT_IMPORT_H

#include "absl/status/statusor.h"
#include "dialects/nn/ParameterSource.h"
#include "frontend/import/Family.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmc::frontend {

/// How the files say that text should be sampled. What they do not say is absent.
struct SamplingDefaults {
  std::optional<bool> sample; ///< false: greedy
  std::optional<double> temperature;
  std::optional<int64_t> topK;
  std::optional<double> topP;
  std::optional<double> minP;
  std::optional<double> repetitionPenalty;
};

/// How an encoder's hidden states become the embedding of a text.
struct Pooling {
  enum class Mode { Mean, First, Last, Max };
  Mode mode = Mode::Mean;
  bool normalize = true; ///< divide by the L2 norm
  int64_t maxTokens = 0; ///< longer texts are cut, special tokens included
};

/// Facts about a model that its graph does not tell.
struct ModelInfo {
  std::string name;
  std::string licence;      ///< empty if the files do not say
  std::string family;       ///< "llama", "bert"
  std::string architecture; ///< as the files name it
  ModelKind kind = ModelKind::Generate;
  ModelSizes sizes;
  /// A serialized llmc.text.TokenizerModel, with the chat template and the ids that end a generation. Empty
  /// only if ImportOptions did not ask for a tokenizer.
  std::string tokenizer;
  SamplingDefaults sampling;      ///< of ModelKind::Generate
  std::optional<Pooling> pooling; ///< of ModelKind::Embed
};

struct ImportOptions {
  /// Whether to read the tokenizer too: tests of graphs have none.
  bool tokenizer = true;
};

/// A model as the compiler sees it.
struct ImportedModel {
  /// Public function @forward, whose arguments carry `nn.input` with the name of a field of LlmcStep:
  ///
  ///     decoders   (tokens, positions, output_ids) -> [output_rows, vocabulary], logits of the wanted rows
  ///     encoders   (tokens, positions, token_types) -> [rows, hidden size], the last hidden state
  ///
  /// It calls a private function for each layer, whose parameters are arguments marked `nn.parameter`. No
  /// caches yet: the rows of one call are one sequence.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The tensors of the module's parameters: memory-mapped files.
  std::unique_ptr<nn::ParameterSource> source;
  ModelInfo info;
};

/// Imports the model at `path`: a GGUF file or a Hugging Face directory. Fails with one line that names file,
/// field, what was found and what was expected.
absl::StatusOr<ImportedModel> importModel(const std::string &path, const ImportOptions &options,
                                          mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_IMPORT_H
