//===- FamilyRules.cpp - the blocks of each family ---------------------------------------------------===//

#include "frontend/spec/FamilyRules.h"

#include <array>

namespace llmc::spec {

namespace {

using D = ModelDefinition;

constexpr std::initializer_list<Mlp::Kind> kGatedSilu = {Mlp::GATED_SILU},
                                           kGatedGelu = {Mlp::GATED_GELU_TANH},
                                           kPlain = {Mlp::GELU, Mlp::GELU_TANH, Mlp::RELU, Mlp::SILU},
                                           kT5 = {Mlp::RELU, Mlp::GELU, Mlp::SILU, Mlp::GATED_GELU_TANH,
                                                  Mlp::GATED_SILU};

/// Llama and the decoders that follow it, without biases.
FamilyRules gated(D::Family family) {
  return {.family = family,
          .shape = Shape::Decoder,
          .norm = Norm::RMS,
          .placement = Norm::BEFORE,
          .positions = Positions::ROTARY,
          .mlps = kGatedSilu,
          .bias = Has::Never,
          .outputBias = Has::Never,
          .mlpBias = Has::Never};
}

FamilyRules llama() {
  FamilyRules rules = gated(D::LLAMA);
  rules.bias = rules.outputBias = rules.mlpBias = Has::Maybe;
  return rules;
}

FamilyRules mistral() {
  FamilyRules rules = gated(D::MISTRAL);
  rules.window = Window::AllLayers;
  return rules;
}

FamilyRules mixtral() {
  FamilyRules rules = gated(D::MIXTRAL);
  rules.window = Window::AllLayers;
  rules.experts = Has::Always;
  return rules;
}

FamilyRules qwen2() {
  FamilyRules rules = gated(D::QWEN2);
  rules.bias = Has::Always;
  rules.window = Window::SomeLayers;
  return rules;
}

FamilyRules qwen3() {
  FamilyRules rules = gated(D::QWEN3);
  rules.bias = rules.outputBias = Has::Maybe;
  rules.headNorm = Has::Always;
  rules.window = Window::SomeLayers;
  return rules;
}

FamilyRules qwen2Moe() {
  FamilyRules rules = gated(D::QWEN2_MOE);
  rules.bias = Has::Maybe;
  rules.experts = rules.sharedExpert = Has::Always;
  return rules;
}

FamilyRules qwen3Moe() {
  FamilyRules rules = qwen3();
  rules.family = D::QWEN3_MOE;
  rules.window = Window::Never;
  rules.experts = Has::Always;
  return rules;
}

FamilyRules gemma() {
  FamilyRules rules = gated(D::GEMMA);
  rules.mlps = kGatedGelu;
  rules.bias = rules.outputBias = Has::Maybe;
  rules.scaledEmbeddings = Has::Always;
  return rules;
}

FamilyRules gemma2() {
  FamilyRules rules = gemma();
  rules.family = D::GEMMA2;
  rules.placement = Norm::AROUND;
  rules.window = Window::SomeLayers;
  rules.softcap = rules.logitSoftcap = rules.ownScale = Has::Maybe;
  return rules;
}

FamilyRules gemma3() {
  FamilyRules rules = gemma2();
  rules.family = D::GEMMA3;
  rules.softcap = Has::Never;
  rules.headNorm = rules.windowRotation = Has::Always;
  return rules;
}

FamilyRules phi3() {
  FamilyRules rules = gated(D::PHI3);
  rules.window = Window::AllLayers;
  rules.partialRotation = Has::Maybe;
  return rules;
}

FamilyRules gpt2() {
  return {.family = D::GPT2,
          .shape = Shape::Decoder,
          .norm = Norm::LAYER,
          .placement = Norm::BEFORE,
          .positions = Positions::LEARNED,
          .mlps = kPlain,
          .bias = Has::Always,
          .outputBias = Has::Always,
          .mlpBias = Has::Always};
}

FamilyRules encoder(D::Family family, uint32_t segments, uint32_t firstPosition) {
  FamilyRules rules = gpt2();
  rules.family = family;
  rules.shape = Shape::Encoder;
  rules.placement = Norm::AFTER;
  rules.epsilon = 1e-12;
  rules.segments = segments;
  rules.firstPosition = firstPosition;
  return rules;
}

FamilyRules distilBert() {
  FamilyRules rules = encoder(D::DISTILBERT, 0, 0);
  rules.ownEpsilon = Has::Never;
  return rules;
}

FamilyRules t5(D::Family family) {
  FamilyRules rules = gated(family);
  rules.shape = Shape::EncoderDecoder;
  rules.positions = Positions::RELATIVE;
  rules.mlps = kT5;
  rules.epsilon = 1e-6;
  return rules;
}

FamilyRules bart(D::Family family) {
  const bool isMarian = family == D::MARIAN;
  FamilyRules rules = encoder(family, 0, isMarian ? 0 : 2);
  rules.shape = Shape::EncoderDecoder;
  rules.positions = isMarian ? Positions::SINUSOIDAL : Positions::LEARNED;
  rules.scaledEmbeddings = Has::Maybe;
  rules.epsilon = 1e-5;
  rules.ownEpsilon = Has::Never;
  return rules;
}

} // namespace

const FamilyRules *rulesOf(ModelDefinition::Family family) {
  static const std::array all = {llama(),
                                 gpt2(),
                                 mistral(),
                                 mixtral(),
                                 qwen2(),
                                 qwen3(),
                                 qwen2Moe(),
                                 qwen3Moe(),
                                 gemma(),
                                 gemma2(),
                                 gemma3(),
                                 phi3(),
                                 encoder(D::BERT, 2, 0),
                                 encoder(D::ROBERTA, 1, 2),
                                 encoder(D::XLM_ROBERTA, 1, 2),
                                 distilBert(),
                                 t5(D::T5),
                                 t5(D::MT5),
                                 bart(D::BART),
                                 bart(D::MARIAN)};
  for (const FamilyRules &rules : all)
    if (rules.family == family)
      return &rules;
  return nullptr;
}

} // namespace llmc::spec
