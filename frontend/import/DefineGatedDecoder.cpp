//===- DefineGatedDecoder.cpp - a gated decoder as a model definition, and back -----------------------===//

#include "frontend/import/DefineLayers.h"
#include "frontend/import/GatedDecoder.h"
#include <algorithm>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

//===----------------------------------------------------------------------===//
// Rotation
//===----------------------------------------------------------------------===//

double numberOf(FloatAttr attribute) { return attribute ? attribute.getValueAsDouble() : 0; }

void defineScaling(nn::RopeScalingAttr scaling, spec::RotaryScaling &defined) {
  switch (scaling.getKind()) {
  case nn::RopeScalingKind::Linear:
    defined.mutable_linear()->set_factor(numberOf(scaling.getFactor()));
    return;
  case nn::RopeScalingKind::Llama3: {
    spec::RotaryScaling::Llama3 &llama3 = *defined.mutable_llama3();
    llama3.set_factor(numberOf(scaling.getFactor()));
    llama3.set_low_freq_factor(numberOf(scaling.getLowFreq()));
    llama3.set_high_freq_factor(numberOf(scaling.getHighFreq()));
    llama3.set_trained_context(scaling.getTrainedContext().getInt());
    return;
  }
  case nn::RopeScalingKind::Yarn: {
    spec::RotaryScaling::Yarn &yarn = *defined.mutable_yarn();
    yarn.set_factor(numberOf(scaling.getFactor()));
    yarn.set_beta_slow(numberOf(scaling.getLowFreq()));
    yarn.set_beta_fast(numberOf(scaling.getHighFreq()));
    yarn.set_trained_context(scaling.getTrainedContext().getInt());
    yarn.set_attention_factor(numberOf(scaling.getAttentionFactor()));
    return;
  }
  case nn::RopeScalingKind::Factors: {
    const ArrayRef<double> divisors = scaling.getFactors().asArrayRef();
    defined.mutable_factors()->mutable_divisors()->Add(divisors.begin(), divisors.end());
    defined.mutable_factors()->set_attention_factor(numberOf(scaling.getAttentionFactor()));
    return;
  }
  }
}

nn::RopeScalingAttr scalingOf(const spec::RotaryScaling &defined, MLIRContext *context) {
  ScalingBuilder build(context);
  switch (defined.kind_case()) {
  case spec::RotaryScaling::kLinear:
    return build.linear(defined.linear().factor());
  case spec::RotaryScaling::kLlama3: {
    const spec::RotaryScaling::Llama3 &llama3 = defined.llama3();
    return build.llama3(llama3.factor(), llama3.low_freq_factor(), llama3.high_freq_factor(),
                        llama3.trained_context());
  }
  case spec::RotaryScaling::kYarn: {
    const spec::RotaryScaling::Yarn &yarn = defined.yarn();
    return build.yarn(yarn.factor(), yarn.beta_slow(), yarn.beta_fast(), yarn.trained_context(),
                      yarn.attention_factor());
  }
  case spec::RotaryScaling::kFactors: {
    const spec::RotaryScaling::Factors &factors = defined.factors();
    return build.factors({factors.divisors().data(), size_t(factors.divisors_size())},
                         factors.attention_factor());
  }
  case spec::RotaryScaling::KIND_NOT_SET:
    return {};
  }
  llvm_unreachable("not a scaling");
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

void defineExperts(const Experts &experts, spec::Experts &defined) {
  defined.set_count(experts.count.value);
  defined.set_per_token(experts.perToken);
  defined.set_inner(experts.inner.value);
  defined.set_renormalize(experts.renormalize);
  if (experts.sharedInner)
    defined.set_shared_inner(experts.sharedInner->value);
  for (bool sparse : experts.layers)
    defined.add_pattern(sparse ? spec::Experts::SPARSE : spec::Experts::DENSE);
}

Experts expertsOf(const spec::Experts &defined, int64_t layers) {
  Experts experts;
  experts.count = sizeOf(defined.count(), "mlp.experts.count");
  experts.inner = sizeOf(defined.inner(), "mlp.experts.inner");
  experts.perToken = defined.per_token();
  experts.renormalize = defined.renormalize();
  if (defined.shared_inner() != 0)
    experts.sharedInner = sizeOf(defined.shared_inner(), "mlp.experts.shared_inner");
  experts.layers = layersOf(defined.pattern(), spec::Experts::SPARSE, layers);
  return experts;
}

} // namespace

spec::ModelDefinition llmc::frontend::defineGatedDecoder(const GatedDecoder &decoder) {
  spec::ModelDefinition model;
  model.set_family(decoder.family);
  model.set_vocabulary(decoder.vocabulary.value);
  model.set_context(decoder.context.value);
  model.set_width(decoder.hidden.value);
  model.set_layers(decoder.layers.value);
  spec::Attention &attention = *model.mutable_attention();
  defineAttention(decoder.attention, decoder.headDim.value, attention);
  const bool hasBias = decoder.attentionBias == Bias::Yes, hasOutputBias = decoder.outputBias == Bias::Yes;
  attention.set_bias(hasBias);
  if (hasBias != hasOutputBias)
    attention.set_output_bias(hasOutputBias);
  attention.set_head_norm(decoder.headNorms);
  const auto &windows = decoder.windowedLayers;
  if (!windows.empty() && std::find(windows.begin(), windows.end(), true) == windows.end())
    attention.clear_window(); // that no layer has
  if (attention.window() != 0)
    for (bool windowed : windows)
      attention.add_pattern(windowed ? spec::Attention::WINDOWED : spec::Attention::FULL);
  spec::Mlp &mlp = *model.mutable_mlp();
  mlp.set_kind(defineMlp(decoder.activation, /*gated=*/true));
  mlp.set_inner(decoder.intermediate.value);
  mlp.set_bias(decoder.mlpBias == Bias::Yes);
  if (decoder.experts)
    defineExperts(*decoder.experts, *mlp.mutable_experts());
  model.mutable_norm()->set_kind(spec::Norm::RMS);
  model.mutable_norm()->set_epsilon(decoder.epsilon);
  model.mutable_norm()->set_placement(decoder.outputNorms ? spec::Norm::AROUND : spec::Norm::BEFORE);
  spec::Positions &positions = *model.mutable_positions();
  positions.set_kind(spec::Positions::ROTARY);
  positions.set_theta(decoder.rope.theta);
  positions.set_rotated(decoder.rope.dims);
  if (decoder.rope.scaling)
    defineScaling(decoder.rope.scaling, *positions.mutable_scaling());
  if (decoder.windowRope) {
    positions.mutable_windowed()->set_theta(decoder.windowRope->theta);
    if (decoder.windowRope->scaling)
      defineScaling(decoder.windowRope->scaling, *positions.mutable_windowed()->mutable_scaling());
  }
  model.set_tied(decoder.tied);
  if (decoder.scaledEmbeddings)
    model.mutable_embedding()->set_scaled(true);
  if (decoder.logitCap)
    model.mutable_head()->set_softcap(*decoder.logitCap);
  return model;
}

GatedDecoder llmc::frontend::gatedDecoderOf(const spec::ModelDefinition &model, MLIRContext *context) {
  const spec::Attention &attention = model.attention();
  const spec::Positions &positions = model.positions();
  GatedDecoder decoder;
  decoder.family = model.family();
  decoder.layers = sizeOf(model.layers(), "layers");
  decoder.vocabulary = sizeOf(model.vocabulary(), "vocabulary");
  decoder.context = sizeOf(model.context(), "context");
  decoder.hidden = sizeOf(model.width(), "width");
  decoder.intermediate = sizeOf(model.mlp().inner(), "mlp.inner");
  decoder.heads = sizeOf(attention.heads(), "attention.heads");
  decoder.kvHeads = sizeOf(attention.kv_heads(), "attention.kv_heads");
  decoder.headDim = sizeOf(attention.head_size(), "attention.head_size");
  decoder.epsilon = model.norm().epsilon();
  decoder.scaledEmbeddings = model.embedding().scaled();
  decoder.activation = activationOf(model.mlp().kind());
  auto rope = [&](double theta, const spec::RotaryScaling &scaling) {
    return Rope{positions.rotated(), theta, nn::RopeStyle::Half, scalingOf(scaling, context)};
  };
  decoder.rope = rope(positions.theta(), positions.scaling());
  if (positions.has_windowed())
    decoder.windowRope = rope(positions.windowed().theta(), positions.windowed().scaling());
  decoder.attention = attentionOf(attention, /*causal=*/true);
  decoder.windowedLayers = layersOf(attention.pattern(), spec::Attention::WINDOWED, model.layers());
  if (attention.window() == 0) // and none rotates as layers with one do
    decoder.windowedLayers.assign(model.layers(), false);
  auto bias = [](bool has) { return has ? Bias::Yes : Bias::No; };
  decoder.attentionBias = bias(attention.bias());
  decoder.outputBias = bias(attention.output_bias());
  decoder.mlpBias = bias(model.mlp().bias());
  decoder.headNorms = attention.head_norm();
  decoder.outputNorms = model.norm().placement() == spec::Norm::AROUND;
  if (model.head().softcap() != 0)
    decoder.logitCap = model.head().softcap();
  decoder.tied = model.tied();
  if (model.mlp().has_experts())
    decoder.experts = expertsOf(model.mlp().experts(), model.layers());
  return decoder;
}
