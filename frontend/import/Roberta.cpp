//===- Roberta.cpp - RoBERTa and XLM-RoBERTa ---------------------------------------------------------===//
//
// Liu et al., 2019: BERT's graph, trained otherwise. Positions are counted from the id of the padding token:
// the table's rows up to it belong to padding and to nothing. The head for masked tokens is not used.
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

absl::StatusOr<Graph> buildRoberta(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  EncoderNames names;
  names.member = "roberta.";
  Encoder encoder = readEncoder(checkpoint, fields, names);
  readFirstPosition(fields, encoder);
  return buildEncoder(checkpoint, fields, encoder, {"lm_head.*"}, context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"RobertaModel", "RobertaForMaskedLM", "XLMRobertaModel",
                                                "XLMRobertaForMaskedLM"};

} // namespace

const Family llmc::frontend::kRoberta = {"roberta", ModelKind::Embed, kHuggingFace, {}, buildRoberta};
