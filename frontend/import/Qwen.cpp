//===- Qwen.cpp - Qwen2, Qwen2.5, Qwen3 --------------------------------------------------------------===//
//
// The gated decoder with biases of queries, keys and values (Yang et al., 2024), or in Qwen3 with norms of
// their heads (Yang et al., 2025). In both some layers may have a sliding window.
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/GatedDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Name kWindow = {"sliding_window", "attention.sliding_window"};
constexpr Name kUseWindow = {"use_sliding_window", ""};

/// Sets the layers with a window: those that layer_types names, or without it those from max_window_layers
/// on.
void readWindows(Hyperparameters &fields, GatedDecoder &decoder) {
  if (fields.format() == Format::Gguf) {
    fields.refuse(kWindow, "GGUF files do not say which layers have it");
    return;
  }
  if (fields.flagOr(kUseWindow, false) && !fields.isNull(kWindow))
    decoder.attention.window = fields.sizeOr(kWindow, {4096, ""}).value;
  const size_t first = fields.integerOr({"max_window_layers", ""}, 28, 0, 1 << 24);
  readWindowedLayers(fields, decoder, [&](size_t layer) { return layer >= first; });
}

void describeWindows(GatedDecoder &decoder) {
  decoder.own.add(kUseWindow, decoder.attention.window.has_value());
  if (decoder.attention.window)
    decoder.own.refuse(Format::Gguf, "it has a sliding window in some layers");
}

void describeQwen2(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::QWEN2;
  decoder.own = {
      .huggingFaceArchitecture = "Qwen2ForCausalLM", .modelType = "qwen2", .ggufArchitecture = "qwen2"};
  describeWindows(decoder);
}

void describeQwen3(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::QWEN3;
  decoder.own = {
      .huggingFaceArchitecture = "Qwen3ForCausalLM", .modelType = "qwen3", .ggufArchitecture = "qwen3"};
  decoder.own.add({"attention_bias", ""}, decoder.attentionBias == Bias::Yes);
  describeWindows(decoder);
}

absl::StatusOr<Graph> buildQwen2(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGatedDecoder(checkpoint, fields, {}, context);
  readWindows(fields, decoder);
  decoder.attentionBias = Bias::Yes;
  describeQwen2(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

absl::StatusOr<Graph> buildQwen3(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGatedDecoder(checkpoint, fields, {.headDim = 128}, context);
  readWindows(fields, decoder);
  decoder.headNorms = true;
  decoder.attentionBias = decoder.outputBias =
      fields.flagOr({"attention_bias", ""}, false) ? Bias::Yes : Bias::No;
  describeQwen3(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace2[] = {"Qwen2ForCausalLM", "Qwen2Model"}, kGguf2[] = {"qwen2"};
constexpr llvm::StringLiteral kHuggingFace3[] = {"Qwen3ForCausalLM", "Qwen3Model"}, kGguf3[] = {"qwen3"};

} // namespace

const Family llmc::frontend::kQwen2 = {"qwen2", ModelKind::Generate, kHuggingFace2,
                                       kGguf2,  buildQwen2,          buildDefinedDecoder<describeQwen2>};
const Family llmc::frontend::kQwen3 = {"qwen3", ModelKind::Generate, kHuggingFace3,
                                       kGguf3,  buildQwen3,          buildDefinedDecoder<describeQwen3>};
