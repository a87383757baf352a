//===- Phi3.cpp - Phi-3, Phi-3.5, Phi-4 --------------------------------------------------------------===//
//
// The gated decoder with merged weights, whose heads may rotate in part, with a sliding window (Abdin et al.,
// 2024).
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/GatedDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

std::optional<int64_t> readWindow(Hyperparameters &fields) {
  constexpr Name window = {"sliding_window", "attention.sliding_window"};
  // In GGUF files 0 stands for none.
  const bool isNone = fields.format() == Format::Gguf && fields.integerOr(window, 0, 0, INT64_MAX) == 0;
  if (isNone || !fields.has(window))
    return {};
  return fields.size(window).value;
}

void describe(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::PHI3;
  decoder.mergedWeights = true;
  decoder.own = {
      .huggingFaceArchitecture = "Phi3ForCausalLM", .modelType = "phi3", .ggufArchitecture = "phi3"};
  decoder.own.add({"original_max_position_embeddings", "rope.scaling.original_context_length"},
                  decoder.context.value);
}

absl::StatusOr<Graph> buildPhi3(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder =
      readGatedDecoder(checkpoint, fields, {.rope = {.part = RotaryPart::MayBePart}}, context);
  decoder.attention.window = readWindow(fields);
  fields.expect({"attention_bias", ""}, {false});
  describe(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"Phi3ForCausalLM", "Phi3Model"};
constexpr llvm::StringLiteral kGguf[] = {"phi3"};

} // namespace

const Family llmc::frontend::kPhi3 = {"phi3", ModelKind::Generate, kHuggingFace,
                                      kGguf,  buildPhi3,           buildDefinedDecoder<describe>};
