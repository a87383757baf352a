//===- Llama.cpp - Llama, Mistral, Mixtral, SmolLM ---------------------------------------------------===//
//
// The gated decoder as it is (Touvron et al., 2023), in Mistral with a sliding window (Jiang et al., 2023),
// in Mixtral with experts (Jiang et al., 2024).
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/GatedDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

std::optional<int64_t> readWindow(const Checkpoint &checkpoint, Hyperparameters &fields) {
  constexpr Name window = {"sliding_window", "attention.sliding_window"};
  const StringRef architecture = checkpoint.architecture();
  if (architecture.starts_with("Llama")) {
    fields.refuse(window, "only MistralForCausalLM has a sliding window");
    return {};
  }
  if (fields.has(window))
    return fields.size(window).value;
  // MistralConfig has a window unless it is told not to.
  if (architecture.starts_with("Mistral") && !fields.isNull(window))
    return 4096;
  return {};
}

constexpr Name kExpertCount = {"num_local_experts", "expert_count"};
constexpr ExpertsReading kMixtral = {
    .names = {"block_sparse_moe.gate", "block_sparse_moe.experts.", "w1", "w3", "w2", "", ""},
    .inner = {"intermediate_size", "feed_forward_length"},
    .renormalize = true,
    .mayKeepWeights = false};

/// Whether the model is Mixtral; in GGUF files it is a Llama that has experts.
bool isMixtral(const Checkpoint &checkpoint, Hyperparameters &fields) {
  if (fields.format() == Format::HuggingFace)
    return StringRef(checkpoint.architecture()).starts_with("Mixtral");
  return fields.integerOr(kExpertCount, 0, 0, 1 << 24) > 0;
}

/// What is the family's own. The sizes and options are known already.
void describe(GatedDecoder &decoder, Format format) {
  using Definition = spec::ModelDefinition;
  const bool isMistral = decoder.attention.window.has_value();
  decoder.family = decoder.experts ? Definition::MIXTRAL
                   : isMistral     ? Definition::MISTRAL
                                   : Definition::LLAMA;
  decoder.neighboursInGguf = true;
  if (format == Format::Gguf)
    decoder.rope.style = nn::RopeStyle::Interleaved;
  decoder.own = {.huggingFaceArchitecture = decoder.experts ? "MixtralForCausalLM"
                                            : isMistral     ? "MistralForCausalLM"
                                                            : "LlamaForCausalLM",
                 .modelType = decoder.experts ? "mixtral"
                              : isMistral     ? "mistral"
                                              : "llama",
                 .ggufArchitecture = "llama"};
  if (decoder.experts) {
    decoder.experts->names = kMixtral.names;
    describeExperts(*decoder.experts, kMixtral, decoder.own);
  }
  const bool hasBias = decoder.attentionBias == Bias::Yes, hasOutputBias = decoder.outputBias == Bias::Yes;
  decoder.own.add({"attention_bias", ""}, hasBias);
  decoder.own.add({"mlp_bias", ""}, decoder.mlpBias == Bias::Yes);
  if (hasBias != hasOutputBias)
    decoder.own.refuse(Format::HuggingFace, "only one of the products before and after attention has a bias");
}

absl::StatusOr<Graph> buildLlama(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGatedDecoder(
      checkpoint, fields, {.rope = {.ggufStyle = nn::RopeStyle::Interleaved}, .experts = true}, context);
  if (isMixtral(checkpoint, fields))
    decoder.experts = readExperts(fields, kMixtral, decoder.layers);
  else
    fields.expect(kExpertCount, {int64_t(0)});
  decoder.attention.window = readWindow(checkpoint, fields);
  fields.expect({"pretraining_tp", ""}, {int64_t(1)});

  // GGUF files have no fields for biases: the tensors are there or not.
  auto bias = [&](const char *field, const char *tensor) {
    bool has = fields.format() == Format::HuggingFace ? fields.flagOr({field, ""}, false)
                                                      : checkpoint.find(tensor) != nullptr;
    return has ? Bias::Yes : Bias::No;
  };
  decoder.attentionBias = bias("attention_bias", "blk.0.attn_q.bias");
  decoder.outputBias = bias("attention_bias", "blk.0.attn_output.bias");
  decoder.mlpBias = bias("mlp_bias", "blk.0.ffn_gate.bias");
  describe(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"LlamaForCausalLM",   "MistralForCausalLM",
                                                "MixtralForCausalLM", "LlamaModel",
                                                "MistralModel",       "MixtralModel"};
constexpr llvm::StringLiteral kGguf[] = {"llama"};

} // namespace

const Family llmc::frontend::kLlama = {"llama", ModelKind::Generate, kHuggingFace,
                                       kGguf,   buildLlama,          buildDefinedDecoder<describe>};
