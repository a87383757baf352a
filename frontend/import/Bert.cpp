//===- Bert.cpp - BERT and sentence encoders that are BERT -------------------------------------------===//
//
// Devlin et al., 2019. Of the heads for pretraining, that for the next sentence is not used.
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/Encoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

absl::StatusOr<Graph> buildBert(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readEncoder(checkpoint, fields, spec::ModelDefinition::BERT, EncoderNames());
  return buildEncoder(checkpoint, fields, encoder, context);
}

absl::StatusOr<Graph> buildBertWithHead(Checkpoint &checkpoint, const HeadChoice &choice,
                                        MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readEncoder(checkpoint, fields, spec::ModelDefinition::BERT, EncoderNames());
  return buildEncoderWithHead(checkpoint, fields, encoder, EncoderHeadNames(), choice, context);
}

absl::StatusOr<Graph> buildDefinedBert(const spec::ModelDefinition &model, Checkpoint &checkpoint,
                                       MLIRContext *context) {
  return buildDefinedEncoder(model, checkpoint, EncoderNames(), EncoderHeadNames(), "Bert", "bert", context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"BertModel",
                                                "BertForMaskedLM",
                                                "BertForPreTraining",
                                                "BertForSequenceClassification",
                                                "BertForTokenClassification",
                                                "BertForQuestionAnswering"};
constexpr llvm::StringLiteral kGguf[] = {"bert"};

} // namespace

const Family llmc::frontend::kBert = {"bert",    ModelKind::Embed, kHuggingFace,     kGguf,
                                      buildBert, buildDefinedBert, buildBertWithHead};
