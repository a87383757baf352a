//===- EncoderHead.h - what encoders were trained to predict -----------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ENCODERHEAD_H
#define LLMC_FRONTEND_IMPORT_ENCODERHEAD_H

#include "frontend/import/Activation.h"
#include "frontend/import/GraphBuilder.h"
#include "frontend/import/ModelInfo.h"

namespace llmc::frontend {

struct Encoder;

/// The activation behind a pooler.
enum class PoolerActivation { Tanh, Relu };

/// How a family calls the tensors of its heads. Without a word: as BERT does.
struct EncoderHeadNames {
  // Masked tokens: a product, an activation, a norm, and a product with the embeddings of the tokens.
  std::string tokenDense = "cls.predictions.transform.dense";
  std::string tokenNorm = "cls.predictions.transform.LayerNorm";
  std::string tokenDecoder = "cls.predictions.decoder"; ///< where it is not the embeddings'
  std::string tokenBias = "cls.predictions.bias";
  std::optional<Activation> tokenActivation; ///< none: the encoder's

  // Sequences: a product and an activation of the first token's state, and a product.
  std::string pooler = "bert.pooler.dense";
  PoolerActivation poolerActivation = PoolerActivation::Tanh;
  std::string sequenceClassifier = "classifier";
  // Tokens and answers: one product.
  std::string tokenClassifier = "classifier";
  std::string answers = "qa_outputs";
};

/// A head as the files describe it.
struct EncoderHead {
  Head description;
  Size outputs;
  /// Whether the embeddings of tokens are the last product of masked tokens.
  bool tied = true;
};

/// Tensors of the heads of all families, with a `*` for any text.
inline constexpr llvm::StringRef kHeadTensors[] = {
    "cls.*",        "lm_head.*",        "vocab_transform.*", "vocab_layer_norm.*", "vocab_projector.*",
    "classifier.*", "pre_classifier.*", "qa_outputs.*"};

/// The task in the name of an architecture: BertForMaskedLM. Nothing if it names no head.
std::optional<HeadTask> headTaskOf(llvm::StringRef architecture);

/// The architecture of the same family with another head, or with one: BertModel becomes BertForMaskedLM.
std::string architectureWithHead(llvm::StringRef architecture, HeadTask task);

/// Reads the labels, and what they are to each other; of a head to train, `choice` has them.
EncoderHead readEncoderHead(Hyperparameters &fields, const Encoder &encoder, const HeadChoice &choice);

/// The head's outputs for `rows`, states of an encoder: [rows, outputs].
mlir::Value buildEncoderHead(GraphBuilder &graph, mlir::Value rows, const Encoder &encoder,
                             const EncoderHeadNames &names, const EncoderHead &head);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ENCODERHEAD_H
