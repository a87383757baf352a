//===- DescribeGatedDecoder.cpp - a gated decoder as files describe it -------------------------------===//
//
// The counterpart of readGatedDecoder(): the same fields, under the same names.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/GatedDecoder.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

double numberOf(FloatAttr attribute, double missing = 1) {
  return attribute ? attribute.getValueAsDouble() : missing;
}

/// What GGUF files divide frequencies by where Hugging Face files say llama3 (nn.rope has the formula).
std::vector<double> llama3Factors(const Rope &rope) {
  const double factor = numberOf(rope.scaling.getFactor()), low = numberOf(rope.scaling.getLowFreq()),
               high = numberOf(rope.scaling.getHighFreq());
  const double trained = static_cast<double>(rope.scaling.getTrainedContext().getInt());
  std::vector<double> factors;
  for (int64_t i = 0; i < rope.dims / 2; ++i) {
    const double wavelength = 2 * M_PI * std::pow(rope.theta, 2.0 * double(i) / double(rope.dims));
    const double smooth = std::clamp((trained / wavelength - low) / (high - low), 0.0, 1.0);
    factors.push_back(1 / ((1 - smooth) / factor + smooth));
  }
  return factors;
}

void describeYarn(nn::RopeScalingAttr scaling, Description &description) {
  const double factor = numberOf(scaling.getFactor()), attention = numberOf(scaling.getAttentionFactor());
  description.add({"rope_scaling.rope_type", "rope.scaling.type"}, std::string("yarn"));
  description.add({"rope_scaling.factor", "rope.scaling.factor"}, factor);
  description.add({"rope_scaling.beta_slow", "rope.scaling.yarn_beta_slow"}, numberOf(scaling.getLowFreq()));
  description.add({"rope_scaling.beta_fast", "rope.scaling.yarn_beta_fast"}, numberOf(scaling.getHighFreq()));
  description.add({"rope_scaling.original_max_position_embeddings", "rope.scaling.original_context_length"},
                  scaling.getTrainedContext().getInt());
  description.add({"rope_scaling.attention_factor", ""}, attention);
  if (const double rest = attention / yarnMagnitude(factor); std::fabs(rest - 1) > 1e-6)
    description.add({"", "rope.scaling.yarn_attn_factor"}, rest);
}

/// Factors of all texts are, in Hugging Face files, those of short and of long ones.
void describeFactors(const GatedDecoder &decoder, Description &description) {
  const nn::RopeScalingAttr scaling = decoder.rope.scaling;
  description.ropeFactors = scaling.getFactors().asArrayRef().vec();
  if (decoder.rope.context)
    for (Format format : {Format::HuggingFace, Format::Gguf})
      description.refuse(format,
                         "its rope scaling is longrope, of which only the part for short texts is read");
  description.add({"rope_scaling.rope_type", ""}, std::string("longrope"));
  for (const char *name : {"rope_scaling.short_factor", "rope_scaling.long_factor"})
    description.add({name, ""}, description.ropeFactors);
  description.add({"rope_scaling.attention_factor", ""}, numberOf(scaling.getAttentionFactor()));
  description.add({"rope_scaling.original_max_position_embeddings", ""}, decoder.context.value);
}

void describeScaling(const GatedDecoder &decoder, Description &description) {
  const Rope &rope = decoder.rope;
  const nn::RopeScalingAttr scaling = rope.scaling;
  if (!scaling)
    return;
  switch (scaling.getKind()) {
  case nn::RopeScalingKind::Linear:
    description.add({"rope_scaling.rope_type", "rope.scaling.type"}, std::string("linear"));
    description.add({"rope_scaling.factor", "rope.scaling.factor"}, numberOf(scaling.getFactor()));
    return;
  case nn::RopeScalingKind::Llama3:
    description.add({"rope_scaling.rope_type", ""}, std::string("llama3"));
    description.add({"rope_scaling.factor", ""}, numberOf(scaling.getFactor()));
    description.add({"rope_scaling.low_freq_factor", ""}, numberOf(scaling.getLowFreq()));
    description.add({"rope_scaling.high_freq_factor", ""}, numberOf(scaling.getHighFreq()));
    description.add({"rope_scaling.original_max_position_embeddings", ""},
                    scaling.getTrainedContext().getInt());
    description.ropeFactors = llama3Factors(rope);
    return;
  case nn::RopeScalingKind::Yarn:
    return describeYarn(scaling, description);
  case nn::RopeScalingKind::Factors:
    return describeFactors(decoder, description);
  }
}

void describeRope(const GatedDecoder &decoder, Description &description) {
  const Rope &rope = decoder.rope;
  description.add({"rope_theta", "rope.freq_base"}, rope.theta);
  description.add({"", "rope.dimension_count"}, rope.dims);
  if (rope.dims != decoder.headDim.value)
    description.add({"partial_rotary_factor", ""}, double(rope.dims) / double(decoder.headDim.value));
  describeScaling(decoder, description);
}

} // namespace

void llmc::frontend::describeGatedDecoder(const GatedDecoder &decoder, Description &description) {
  description.add({"vocab_size", "vocab_size"}, decoder.vocabulary.value);
  description.add({"num_hidden_layers", "block_count"}, decoder.layers.value);
  description.add({"max_position_embeddings", "context_length"}, decoder.context.value);
  description.add({"hidden_size", "embedding_length"}, decoder.hidden.value);
  description.add({"intermediate_size", "feed_forward_length"}, decoder.intermediate.value);
  description.add({"num_attention_heads", "attention.head_count"}, decoder.heads.value);
  description.add({"num_key_value_heads", "attention.head_count_kv"}, decoder.kvHeads.value);
  description.add({"head_dim", "attention.key_length"}, decoder.headDim.value);
  description.add({"", "attention.value_length"}, decoder.headDim.value);
  description.add({"rms_norm_eps", "attention.layer_norm_rms_epsilon"}, decoder.epsilon);
  description.add({"hidden_act", ""}, nameOf(decoder.activation));
  description.add({"tie_word_embeddings", ""}, decoder.tied);
  if (decoder.attention.window)
    description.add({"sliding_window", "attention.sliding_window"}, *decoder.attention.window);
  if (decoder.attention.softcap)
    description.add({"attn_logit_softcapping", "attn_logit_softcapping"}, *decoder.attention.softcap);
  if (decoder.logitCap)
    description.add({"final_logit_softcapping", "final_logit_softcapping"}, *decoder.logitCap);
  if (decoder.attention.window && !decoder.windowedLayers.empty()) {
    std::vector<std::string> types;
    for (bool windowed : decoder.windowedLayers)
      types.push_back(windowed ? "sliding_attention" : "full_attention");
    description.add({"layer_types", ""}, std::move(types));
  }
  describeRope(decoder, description);
}
