//===- Encoder.h - the encoders with layer norm after each residual ----------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ENCODER_H
#define LLMC_FRONTEND_IMPORT_ENCODER_H

#include "frontend/import/Activation.h"
#include "frontend/import/EncoderHead.h"
#include "frontend/import/Family.h"
#include "frontend/import/GraphBuilder.h"

namespace llmc::frontend {

/// How a family of encoders calls its fields and tensors. Without a word: as BERT does.
struct EncoderNames {
  // Hyperparameters.
  Name layers = {"num_hidden_layers", "block_count"};
  Name hidden = {"hidden_size", "embedding_length"};
  Name intermediate = {"intermediate_size", "feed_forward_length"};
  Name heads = {"num_attention_heads", "attention.head_count"};
  Name epsilon = {"layer_norm_eps", "attention.layer_norm_epsilon"};
  Name activation = {"hidden_act", ""};
  /// Empty: the family has no segments.
  Name segments = {"type_vocab_size", "tokenizer.ggml.token_type_count"};

  /// Before the names of tensors if the encoder is a member of a model with a head.
  const char *member = "bert.";

  // Tensors of a layer.
  Name layer = {"encoder.layer.", "blk."};
  Name query = {"attention.self.query", "attn_q"};
  Name key = {"attention.self.key", "attn_k"};
  Name value = {"attention.self.value", "attn_v"};
  Name projection = {"attention.output.dense", "attn_output"};
  Name attentionNorm = {"attention.output.LayerNorm", "attn_output_norm"};
  Name inner = {"intermediate.dense", "ffn_up"};
  Name outer = {"output.dense", "ffn_down"};
  Name outputNorm = {"output.LayerNorm", "layer_output_norm"};
};

/// Sizes and options of an encoder with learned positions and layer norm after each residual: BERT and what
/// came of it (Devlin et al., 2019).
struct Encoder {
  spec::ModelDefinition::Family family; ///< as definitions call it
  EncoderNames names;
  /// `positions` counts the rows of the table of positions.
  Size layers, vocabulary, positions, hidden, intermediate;
  /// Kinds of tokens that have an embedding of their own, if the family has such.
  std::optional<Size> segments;
  /// The row of the table of positions that belongs to the first token.
  int64_t firstPosition = 0;
  double epsilon;
  AttentionShape attention;
  Activation activation;
};

/// Reads the hyperparameters and refuses options that the graph has not.
Encoder readEncoder(const Checkpoint &checkpoint, Hyperparameters &fields,
                    spec::ModelDefinition::Family family, const EncoderNames &names);

/// What a definition says of the encoder and of its head, if it has one, and what a complete definition says.
spec::ModelDefinition defineEncoder(const Encoder &encoder, const EncoderHead *head);
Encoder encoderOf(const spec::ModelDefinition &model, const EncoderNames &names);
EncoderHead encoderHeadOf(const spec::ModelDefinition &model);

/// The encoder as files of Hugging Face describe it. `name` is how its classes begin: "Bert".
Description describeEncoder(const Encoder &encoder, const EncoderHead *head, const char *name,
                            const char *modelType);

/// Builds the graph, whose result is the last hidden state. Poolers and heads are not used.
absl::StatusOr<Graph> buildEncoder(Checkpoint &checkpoint, Hyperparameters &fields, const Encoder &encoder,
                                   mlir::MLIRContext *context);

/// The same with a head, whose outputs are the result: those of the rows `output_ids`.
absl::StatusOr<Graph> buildEncoderWithHead(Checkpoint &checkpoint, Hyperparameters &fields,
                                           const Encoder &encoder, const EncoderHeadNames &names,
                                           const HeadChoice &choice, mlir::MLIRContext *context);

/// Builds the graph of a complete definition. `name` is how classes of the family begin.
absl::StatusOr<Graph> buildDefinedEncoder(const spec::ModelDefinition &model, Checkpoint &checkpoint,
                                          const EncoderNames &names, const EncoderHeadNames &headNames,
                                          const char *name, const char *modelType,
                                          mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ENCODER_H
