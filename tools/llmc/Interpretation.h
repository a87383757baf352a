//===- Interpretation.h - a checkpoint run by its reference semantics ----------------------------------===//
#ifndef LLMC_TOOLS_LLMC_INTERPRETATION_H
#define LLMC_TOOLS_LLMC_INTERPRETATION_H

#include "dialects/nn/reference/ForwardPass.h"
#include "frontend/import/Import.h"
#include "runtime/core/TokenSequence.h"

#include "mlir/IR/MLIRContext.h"

#include <optional>
#include <string>
#include <vector>

namespace llmc::tool {

/// The imported program of a checkpoint, with caches where it makes text, in f32: the engine of --interpret.
class Interpretation : public runtime::TokenSequence {
public:
  /// `path` must outlive this.
  explicit Interpretation(const std::string &path) : path(path) {}

  /// Imports the checkpoint, which must be of `kind`. Call it first.
  absl::Status load(frontend::ModelKind kind);
  const frontend::ModelInfo &info() const { return model.info; }

  int64_t contextLength() const override { return model.info.sizes.contextLength; }
  int64_t vocabularySize() const override { return model.info.sizes.vocabulary; }
  absl::Span<const int32_t> history() const override { return sequence; }
  bool readsSource() const override { return model.info.startToken.has_value(); }
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, runtime::Rows rows) override;
  using TokenSequence::feed;
  absl::StatusOr<absl::Span<const float>> feedSequence(absl::Span<const int32_t> tokens) override;
  void reset() override;
  void truncate(int64_t length) override;

  /// The embedding of a text, pooled as the checkpoint says.
  absl::StatusOr<std::vector<float>> embed(absl::Span<const int32_t> text);

  /// What the head makes of the tokens `wanted` of a text, [wanted, width]; valid until the next call.
  absl::StatusOr<absl::Span<const float>>
  predict(absl::Span<const int32_t> text, absl::Span<const int32_t> types, absl::Span<const int32_t> wanted);

private:
  /// Runs the program on `tokens`, which come next, for the outputs of the rows `outputIds`.
  absl::Status run(absl::Span<const int32_t> tokens, absl::Span<const int32_t> types,
                   llvm::ArrayRef<int32_t> outputIds);

  const std::string &path;
  mlir::DialectRegistry registry;
  mlir::MLIRContext context;
  frontend::ImportedModel model;
  std::optional<nn::reference::ForwardPass<float>> forward;
  std::vector<int32_t> sequence;
  nn::reference::Tensor<float> output; ///< of the last run
};

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_INTERPRETATION_H
