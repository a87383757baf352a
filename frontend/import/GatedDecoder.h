//===- GatedDecoder.h - Llama and the decoders that follow it ----------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_GATEDDECODER_H
#define LLMC_FRONTEND_IMPORT_GATEDDECODER_H

#include "frontend/import/Experts.h"
#include "frontend/import/Family.h"
#include "frontend/import/GraphBuilder.h"

namespace llmc::frontend {

/// A decoder of layers with RMS norm, rotary embedding, grouped-query attention and a gated feed-forward
/// network (Touvron et al., 2023). Families are this graph with their own options.
struct GatedDecoder {
  spec::ModelDefinition::Family family; ///< as definitions call it
  Size layers, vocabulary, context, hidden, intermediate, heads, kvHeads, headDim;
  double epsilon; ///< of all norms
  NormWeight normWeight = NormWeight::Whole;
  bool scaledEmbeddings = false;            ///< by the root of the hidden size
  Activation activation = Activation::Silu; ///< of the gate
  Rope rope;
  AttentionShape attention;
  /// Which layers have attention.window. Empty: all.
  std::vector<bool> windowedLayers;
  /// How those rotate; nothing: as all others.
  std::optional<Rope> windowRope;
  Bias attentionBias = Bias::No; ///< of queries, keys and values
  Bias outputBias = Bias::No;    ///< of the product after attention
  Bias mlpBias = Bias::No;
  /// Each head of queries and keys has an RMS norm before it rotates.
  bool headNorms = false;
  /// What attention and the feed-forward network give has an RMS norm before it is added.
  bool outputNorms = false;
  /// The soft limit of logits.
  std::optional<double> logitCap;
  /// Queries, keys and values are one tensor, and so are the two products before the gate.
  bool mergedWeights = false;
  bool tied; ///< the head's weight is the embedding table
  /// Of layers that have such instead of one feed-forward network.
  std::optional<Experts> experts;
  /// Rows of queries and keys are neighbours in GGUF files (NamedTensor::neighbourHeads).
  bool neighboursInGguf = false;
  /// The family's architectures, and the fields that no other family has.
  Description own = {};
};

/// What families do differently while fields are read.
struct GatedDecoderReading {
  RopeReading rope;
  /// The `head_dim` of a config.json without it; nothing: hidden_size / heads.
  std::optional<int64_t> headDim;
  Activation activation = Activation::Silu; ///< of the gate, which files must not contradict
  bool tied = false;                        ///< the `tie_word_embeddings` of a config.json without it
  bool softcaps = false;                    ///< the family has soft limits, and reads them by itself
  bool experts = false;                     ///< the family may have experts, and reads them by itself
};

/// Reads what all of these decoders have, and refuses options that none has. No layer has a window.
GatedDecoder readGatedDecoder(const Checkpoint &checkpoint, Hyperparameters &fields,
                              const GatedDecoderReading &reading, mlir::MLIRContext *context);

/// Sets the layers with a window: those that `layer_types` of config.json calls sliding_attention, or without
/// such a list those that `isWindowed` names. The window is known already.
void readWindowedLayers(Hyperparameters &fields, GatedDecoder &decoder,
                        llvm::function_ref<bool(size_t layer)> isWindowed);

/// Adds the fields that readGatedDecoder() and readWindowedLayers() read.
void describeGatedDecoder(const GatedDecoder &decoder, Description &description);

/// What a definition says of the decoder, and the decoder that a complete definition says, without what is
/// the family's own: its description, its names, and how its files hold weights.
spec::ModelDefinition defineGatedDecoder(const GatedDecoder &decoder);
GatedDecoder gatedDecoderOf(const spec::ModelDefinition &model, mlir::MLIRContext *context);

/// Builds the graph. `fields` are those that `decoder` was read from; their error comes first.
absl::StatusOr<Graph> buildGatedDecoder(Checkpoint &checkpoint, Hyperparameters &fields,
                                        const GatedDecoder &decoder, mlir::MLIRContext *context);

/// Builds the graph of a complete definition. `describe` sets what is the family's own, for a checkpoint of a
/// format.
template <void (*describe)(GatedDecoder &decoder, Format format)>
absl::StatusOr<Graph> buildDefinedDecoder(const spec::ModelDefinition &model, Checkpoint &checkpoint,
                                          mlir::MLIRContext *context) {
  GatedDecoder decoder = gatedDecoderOf(model, context);
  describe(decoder, checkpoint.format());
  Hyperparameters fields = checkpoint.hyperparameters();
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_GATEDDECODER_H
