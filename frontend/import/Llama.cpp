//===- Llama.cpp - Llama, Mistral, SmolLM ------------------------------------------------------------===//
//
// The gated decoder as it is (Touvron et al., 2023), in Mistral with a sliding window (Jiang et al., 2023).
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/GatedDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

std::optional<int64_t> readWindow(const Checkpoint &checkpoint, Hyperparameters &fields) {
  constexpr Name window = {"sliding_window", "attention.sliding_window"};
  if (checkpoint.architecture() == "LlamaForCausalLM") {
    fields.refuse(window, "only MistralForCausalLM has a sliding window");
    return {};
  }
  if (fields.has(window))
    return fields.size(window).value;
  // MistralConfig has a window unless it is told not to.
  if (checkpoint.architecture() == "MistralForCausalLM" && !fields.isNull(window))
    return 4096;
  return {};
}

absl::StatusOr<Graph> buildLlama(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder =
      readGatedDecoder(checkpoint, fields, {.rope = {.ggufStyle = nn::RopeStyle::Interleaved}}, context);
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
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"LlamaForCausalLM", "MistralForCausalLM"};
constexpr llvm::StringLiteral kGguf[] = {"llama"};

} // namespace

const Family llmc::frontend::kLlama = {"llama", ModelKind::Generate, kHuggingFace, kGguf, buildLlama};
