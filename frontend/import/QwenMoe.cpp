//===- QwenMoe.cpp - Qwen2-MoE and Qwen3-MoE ---------------------------------------------------------===//
//
// Qwen2 and Qwen3 with experts for feed-forward networks, in Qwen2-MoE beside one that all tokens share (Yang
// et al., 2024 and 2025).
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/GatedDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Experts::Names kNames = {
    "mlp.gate",           "mlp.experts.",          "gate_proj", "up_proj", "down_proj",
    "mlp.shared_expert.", "mlp.shared_expert_gate"};
constexpr Name kInner = {"moe_intermediate_size", "expert_feed_forward_length"};
constexpr ExpertsReading kExperts2 = {.names = kNames,
                                      .inner = kInner,
                                      .renormalize = false,
                                      .mayKeepWeights = true,
                                      .shared = true,
                                      .denseLayers = true};
/// What GGUF's reader takes for granted is true, where config.json has to say so.
constexpr ExpertsReading kExperts3 = {
    .names = kNames, .inner = kInner, .renormalize = true, .mayKeepWeights = true, .denseLayers = true};

GatedDecoder readQwenMoe(const Checkpoint &checkpoint, Hyperparameters &fields, GatedDecoderReading reading,
                         ExpertsReading experts, MLIRContext *context) {
  reading.experts = true;
  GatedDecoder decoder = readGatedDecoder(checkpoint, fields, reading, context);
  fields.expect({"use_sliding_window", ""}, {false});
  fields.refuse({"", "attention.sliding_window"}, "GGUF files do not say which layers have it");
  // Qwen3MoeConfig keeps the weights as they are unless it is told not to.
  if (fields.format() == Format::HuggingFace)
    experts.renormalize = false;
  decoder.experts = readExperts(fields, experts, decoder.layers);
  return decoder;
}

constexpr Name kBias2 = {"qkv_bias", ""}, kBias3 = {"attention_bias", ""};

void describeQwen2Moe(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::QWEN2_MOE;
  decoder.own = {.huggingFaceArchitecture = "Qwen2MoeForCausalLM",
                 .modelType = "qwen2_moe",
                 .ggufArchitecture = "qwen2moe"};
  decoder.own.add(kBias2, decoder.attentionBias == Bias::Yes);
  if (decoder.attentionBias == Bias::No)
    decoder.own.refuse(Format::Gguf, "its qkv_bias is false");
  decoder.experts->names = kNames;
  describeExperts(*decoder.experts, kExperts2, decoder.own);
}

void describeQwen3Moe(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::QWEN3_MOE;
  decoder.own = {.huggingFaceArchitecture = "Qwen3MoeForCausalLM",
                 .modelType = "qwen3_moe",
                 .ggufArchitecture = "qwen3moe"};
  decoder.own.add(kBias3, decoder.attentionBias == Bias::Yes);
  decoder.experts->names = kNames;
  describeExperts(*decoder.experts, kExperts3, decoder.own);
}

absl::StatusOr<Graph> buildQwen2Moe(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readQwenMoe(checkpoint, fields, {}, kExperts2, context);
  decoder.attentionBias = fields.flagOr(kBias2, true) ? Bias::Yes : Bias::No;
  describeQwen2Moe(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

absl::StatusOr<Graph> buildQwen3Moe(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readQwenMoe(checkpoint, fields, {}, kExperts3, context);
  decoder.headNorms = true;
  decoder.attentionBias = decoder.outputBias = fields.flagOr(kBias3, false) ? Bias::Yes : Bias::No;
  describeQwen3Moe(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace2[] = {"Qwen2MoeForCausalLM", "Qwen2MoeModel"},
                              kGguf2[] = {"qwen2moe"};
constexpr llvm::StringLiteral kHuggingFace3[] = {"Qwen3MoeForCausalLM", "Qwen3MoeModel"},
                              kGguf3[] = {"qwen3moe"};

} // namespace

const Family llmc::frontend::kQwen2Moe = {"qwen2moe",    ModelKind::Generate,
                                          kHuggingFace2, kGguf2,
                                          buildQwen2Moe, buildDefinedDecoder<describeQwen2Moe>};
const Family llmc::frontend::kQwen3Moe = {"qwen3moe",    ModelKind::Generate,
                                          kHuggingFace3, kGguf3,
                                          buildQwen3Moe, buildDefinedDecoder<describeQwen3Moe>};
