//===- DistilBert.cpp - DistilBERT -------------------------------------------------------------------===//
//
// Sanh et al., 2019: BERT's graph in fewer layers, without segments.
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/Encoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

EncoderNames distilBertNames() {
  EncoderNames names;
  names.layers = {"n_layers", ""};
  names.hidden = {"dim", ""};
  names.intermediate = {"hidden_dim", ""};
  names.heads = {"n_heads", ""};
  names.epsilon = {"", ""}; // always 1e-12
  names.activation = {"activation", ""};
  names.segments = {"", ""};
  names.member = "distilbert.";
  names.layer = {"transformer.layer.", ""};
  names.query = {"attention.q_lin", ""};
  names.key = {"attention.k_lin", ""};
  names.value = {"attention.v_lin", ""};
  names.projection = {"attention.out_lin", ""};
  names.attentionNorm = {"sa_layer_norm", ""};
  names.inner = {"ffn.lin1", ""};
  names.outer = {"ffn.lin2", ""};
  names.outputNorm = {"output_layer_norm", ""};
  return names;
}

EncoderHeadNames distilBertHeadNames() {
  EncoderHeadNames names;
  names.tokenDense = "vocab_transform";
  names.tokenNorm = "vocab_layer_norm";
  names.tokenDecoder = "vocab_projector";
  names.tokenBias = "vocab_projector.bias";
  names.pooler = "pre_classifier";
  names.poolerActivation = PoolerActivation::Relu;
  return names;
}

Encoder readDistilBert(const Checkpoint &checkpoint, Hyperparameters &fields) {
  return readEncoder(checkpoint, fields, spec::ModelDefinition::DISTILBERT, distilBertNames());
}

absl::StatusOr<Graph> buildDistilBert(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readDistilBert(checkpoint, fields);
  return buildEncoder(checkpoint, fields, encoder, context);
}

absl::StatusOr<Graph> buildDistilBertWithHead(Checkpoint &checkpoint, const HeadChoice &choice,
                                              MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readDistilBert(checkpoint, fields);
  return buildEncoderWithHead(checkpoint, fields, encoder, distilBertHeadNames(), choice, context);
}

absl::StatusOr<Graph> buildDefinedDistilBert(const spec::ModelDefinition &model, Checkpoint &checkpoint,
                                             MLIRContext *context) {
  return buildDefinedEncoder(model, checkpoint, distilBertNames(), distilBertHeadNames(), "DistilBert",
                             "distilbert", context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {
    "DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification",
    "DistilBertForTokenClassification", "DistilBertForQuestionAnswering"};

} // namespace

const Family llmc::frontend::kDistilBert = {
    "distilbert",    ModelKind::Embed,       kHuggingFace,           {},
    buildDistilBert, buildDefinedDistilBert, buildDistilBertWithHead};
