//===- GatedDecoder.h - Llama and the decoders that follow it ----------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_GATEDDECODER_H
#define LLMC_FRONTEND_IMPORT_GATEDDECODER_H

#include "frontend/import/Family.h"
#include "frontend/import/GraphBuilder.h"

namespace llmc::frontend {

/// A decoder of layers with RMS norm, rotary embedding, grouped-query attention and a gated feed-forward
/// network (Touvron et al., 2023). Families are this graph with their own options.
struct GatedDecoder {
  Size layers, vocabulary, context, hidden, intermediate, heads, kvHeads, headDim;
  double epsilon; ///< of all norms
  Rope rope;
  AttentionShape attention;
  /// Which layers have attention.window. Empty: all.
  std::vector<bool> windowedLayers;
  Bias attentionBias = Bias::No; ///< of queries, keys and values
  Bias outputBias = Bias::No;    ///< of the product after attention
  Bias mlpBias = Bias::No;
  /// Each head of queries and keys has an RMS norm before it rotates.
  bool headNorms = false;
  /// Queries, keys and values are one tensor, and so are the two products before the gate.
  bool mergedWeights = false;
  bool tied; ///< the head's weight is the embedding table
};

/// What families do differently while fields are read.
struct GatedDecoderReading {
  nn::RopeStyle ggufStyle = nn::RopeStyle::Half; ///< of files in GGUF
  RotaryPart rotary = RotaryPart::Whole;
  /// The `head_dim` of a config.json without it; nothing: hidden_size / heads.
  std::optional<int64_t> headDim;
};

/// Reads what all of these decoders have, and refuses options that none has. No layer has a window.
GatedDecoder readGatedDecoder(const Checkpoint &checkpoint, Hyperparameters &fields,
                              const GatedDecoderReading &reading, mlir::MLIRContext *context);

/// Builds the graph. `fields` are those that `decoder` was read from; their error comes first.
absl::StatusOr<Graph> buildGatedDecoder(Checkpoint &checkpoint, Hyperparameters &fields,
                                        const GatedDecoder &decoder, mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_GATEDDECODER_H
