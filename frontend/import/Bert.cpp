//===- Bert.cpp - BERT and sentence encoders that are BERT -------------------------------------------===//
//
// Devlin et al., 2019. The graph gives the last hidden state; heads for pretraining are not used.
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/Encoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

absl::StatusOr<Graph> buildBert(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Encoder encoder = readEncoder(checkpoint, fields, EncoderNames());
  return buildEncoder(checkpoint, fields, encoder, {"cls.*"}, context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"BertModel", "BertForMaskedLM", "BertForPreTraining"};
constexpr llvm::StringLiteral kGguf[] = {"bert"};

} // namespace

const Family llmc::frontend::kBert = {"bert", ModelKind::Embed, kHuggingFace, kGguf, buildBert};
