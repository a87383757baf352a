//===- Roberta.cpp - RoBERTa and XLM-RoBERTa ---------------------------------------------------------===//
//
// Liu et al., 2019: BERT's graph, trained otherwise. Positions are counted from the id of the padding token:
// the table's rows up to it belong to padding and to nothing.
// XLM-RoBERTa (Conneau et al., 2020) is the same with another vocabulary.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/Encoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

void readFirstPosition(Hyperparameters &fields, Encoder &encoder) {
  constexpr Name padding = {"pad_token_id", ""};
  if (fields.isNull(padding))
    fields.fail(padding, "is null, expected the id from which positions are counted");
  const int64_t id = fields.integerOr(padding, 1, 0, INT32_MAX);
  encoder.firstPosition = id + 1;
  if (encoder.firstPosition >= encoder.positions.value)
    fields.fail(padding, absl::StrCat("is ", id, ", expected at most ", encoder.positions.meaning, " (",
                                      encoder.positions.value, ") - 2: positions are counted from it"));
}

EncoderNames robertaNames() {
  EncoderNames names;
  names.member = "roberta.";
  return names;
}

EncoderHeadNames robertaHeadNames() {
  EncoderHeadNames names;
  names.tokenDense = "lm_head.dense";
  names.tokenNorm = "lm_head.layer_norm";
  names.tokenDecoder = "lm_head.decoder";
  names.tokenBias = "lm_head.bias";
  names.tokenActivation = Activation::Gelu; // whatever the encoder has
  names.pooler = "classifier.dense";
  names.sequenceClassifier = "classifier.out_proj";
  return names;
}

Encoder readRoberta(const Checkpoint &checkpoint, Hyperparameters &fields) {
  const bool isXlm = StringRef(checkpoint.architecture()).starts_with("XLM");
  Encoder encoder = readEncoder(checkpoint, fields,
                                isXlm ? spec::ModelDefinition::XLM_ROBERTA : spec::ModelDefinition::ROBERTA,
                                robertaNames());
  readFirstPosition(fields, encoder);
  return encoder;
}

absl::StatusOr<Graph> buildRoberta(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readRoberta(checkpoint, fields);
  return buildEncoder(checkpoint, fields, encoder, context);
}

absl::StatusOr<Graph> buildRobertaWithHead(Checkpoint &checkpoint, const HeadChoice &choice,
                                           MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readRoberta(checkpoint, fields);
  return buildEncoderWithHead(checkpoint, fields, encoder, robertaHeadNames(), choice, context);
}

absl::StatusOr<Graph> buildDefinedRoberta(const spec::ModelDefinition &model, Checkpoint &checkpoint,
                                          MLIRContext *context) {
  const bool isXlm = model.family() == spec::ModelDefinition::XLM_ROBERTA;
  return buildDefinedEncoder(model, checkpoint, robertaNames(), robertaHeadNames(),
                             isXlm ? "XLMRoberta" : "Roberta", isXlm ? "xlm-roberta" : "roberta", context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"RobertaModel",
                                                "RobertaForMaskedLM",
                                                "RobertaForSequenceClassification",
                                                "RobertaForTokenClassification",
                                                "RobertaForQuestionAnswering",
                                                "XLMRobertaModel",
                                                "XLMRobertaForMaskedLM",
                                                "XLMRobertaForSequenceClassification",
                                                "XLMRobertaForTokenClassification",
                                                "XLMRobertaForQuestionAnswering"};

} // namespace

const Family llmc::frontend::kRoberta = {"roberta",    ModelKind::Embed,    kHuggingFace,        {},
                                         buildRoberta, buildDefinedRoberta, buildRobertaWithHead};
