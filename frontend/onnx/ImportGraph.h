//===- ImportGraph.h - from the graph of an ONNX file to an nn module --------------------------------===//
#ifndef LLMC_FRONTEND_ONNX_IMPORTGRAPH_H
#define LLMC_FRONTEND_ONNX_IMPORTGRAPH_H

#include "frontend/onnx/Emitter.h"
#include "frontend/onnx/Model.h"

namespace llmc::onnx {

/// Sequences are tried up to this length: what a graph does at longer ones is taken to be the same.
constexpr int64_t kLongestTried = 512;

/// What the files beside the model say of it.
struct GraphHints {
  /// Positions that it was made for, which matter where it has no table of positions.
  std::optional<int64_t> contextLength;
  /// Whether the first output is that of a head, if its name does not say.
  bool hasHead = false;
};

/// A program, and the facts of it that are in the graph.
struct ImportedGraph {
  /// What the rows of the result are: states of tokens, outputs of a head for each token, for the text, or
  /// the two of an answer (its start and its end).
  enum class Output { HiddenStates, OfTokens, OfSequence, Answers };

  Output output;
  /// Takes `tokens`, `positions` and `token_types` as far as the graph needs them, and `output_ids` if it has
  /// a head.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<Parameter> parameters;
  TensorPool tensors; ///< of parameters that are in no file as they are
  int64_t vocabulary = 0, tokenTypes = 0, layers = 0, hiddenSize = 0, outputs = 0;
  std::optional<int64_t> contextLength;
  bool isCausal = false;
};

/// Imports the graph of `model`, which has to live as long as the result. Fails with one line that names the
/// file and the node, what was found and what is supported. In `context` the dialects nn, func, arith and
/// math are loaded.
absl::StatusOr<std::unique_ptr<ImportedGraph>> importGraph(const Model &model, const GraphHints &hints,
                                                           mlir::MLIRContext *context);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_IMPORTGRAPH_H
