#include "frontend/spec/Definition.h"

#include "absl/strings/str_cat.h"

#include <cmath>

namespace llmc::spec {

static absl::Status wrong(absl::string_view field, const std::string &found, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("model.", field, " is ", found, ", expected ", expected));
}

static absl::Status checkPositive(absl::string_view field, int64_t value) {
  constexpr int64_t kMost = int64_t{1} << 24;
  if (value > 0 && value <= kMost)
    return absl::OkStatus();
  return wrong(field, absl::StrCat(value), absl::StrCat("1 to ", kMost));
}

static absl::Status checkKinds(const ModelDefinition &model) {
  if (model.family() != ModelDefinition::LLAMA && model.family() != ModelDefinition::GPT2)
    return wrong("family", ModelDefinition::Family_Name(model.family()), "LLAMA or GPT2");
  const bool isLlama = model.family() == ModelDefinition::LLAMA;
  // Checkpoints of a family have names for its own blocks only.
  const Mlp::Kind mlp = model.mlp().kind();
  if (isLlama && mlp != Mlp::GATED_SILU)
    return wrong("mlp.kind", Mlp::Kind_Name(mlp), "GATED_SILU for family LLAMA");
  if (!isLlama && mlp != Mlp::GELU_TANH && mlp != Mlp::GELU)
    return wrong("mlp.kind", Mlp::Kind_Name(mlp), "GELU_TANH or GELU for family GPT2");
  const Norm::Kind norm = model.norm().kind();
  if (norm != (isLlama ? Norm::RMS : Norm::LAYER))
    return wrong("norm.kind", Norm::Kind_Name(norm),
                 isLlama ? "RMS for family LLAMA" : "LAYER for family GPT2");
  const Positions::Kind positions = model.positions().kind();
  if (positions != (isLlama ? Positions::ROTARY : Positions::LEARNED))
    return wrong("positions.kind", Positions::Kind_Name(positions),
                 isLlama ? "ROTARY for family LLAMA" : "LEARNED for family GPT2");
  if (!isLlama && (!model.attention().bias() || !model.mlp().bias() || !model.tied()))
    return absl::InvalidArgumentError(
        "model: family GPT2 has biases and a tied head, expected attention.bias, "
        "mlp.bias and tied to be true");
  return absl::OkStatus();
}

/// In numbers of type `T`.
template <typename T> static T countParameters(const ModelDefinition &model) {
  const T width = model.width(), inner = model.mlp().inner(), layers = model.layers();
  const Attention &attention = model.attention();
  const T queries = T(attention.heads()) * attention.head_size(),
          keys = T(attention.kv_heads()) * attention.head_size();
  const bool isLlama = model.family() == ModelDefinition::LLAMA;
  T layer = width * (2 * queries + 2 * keys) + width * inner * (isLlama ? 3 : 2);
  layer += 2 * width * (isLlama ? 1 : 2);
  if (attention.bias())
    layer += queries + 2 * keys + width;
  if (model.mlp().bias())
    layer += inner * (isLlama ? 2 : 1) + width;
  T all = layers * layer + T(model.vocabulary()) * width * (model.tied() ? 1 : 2);
  all += width * (isLlama ? 1 : 2);
  if (!isLlama)
    all += T(model.context()) * width;
  return all;
}

absl::StatusOr<ModelDefinition> complete(ModelDefinition model, int64_t vocabulary) {
  if (model.vocabulary() == 0)
    model.set_vocabulary(vocabulary);
  if (vocabulary > static_cast<int64_t>(model.vocabulary()))
    return wrong("vocabulary", absl::StrCat(model.vocabulary()),
                 absl::StrCat("at least the tokenizer's ", vocabulary));
  Attention &attention = *model.mutable_attention();
  const std::pair<absl::string_view, uint32_t> sizes[] = {{"vocabulary", model.vocabulary()},
                                                          {"context", model.context()},
                                                          {"width", model.width()},
                                                          {"layers", model.layers()},
                                                          {"attention.heads", attention.heads()},
                                                          {"mlp.inner", model.mlp().inner()}};
  for (auto [field, value] : sizes)
    if (absl::Status status = checkPositive(field, value); !status.ok())
      return status;
  if (absl::Status status = checkKinds(model); !status.ok())
    return status;
  if (attention.kv_heads() == 0)
    attention.set_kv_heads(attention.heads());
  if (attention.heads() % attention.kv_heads() != 0)
    return wrong("attention.heads", absl::StrCat(attention.heads()),
                 absl::StrCat("a multiple of attention.kv_heads (", attention.kv_heads(), ")"));
  if (attention.head_size() == 0) {
    if (model.width() % attention.heads() != 0)
      return wrong("width", absl::StrCat(model.width()),
                   absl::StrCat("a multiple of attention.heads (", attention.heads(), ")"));
    attention.set_head_size(model.width() / attention.heads());
  }
  if (absl::Status status = checkPositive("attention.head_size", attention.head_size()); !status.ok())
    return status;
  if (model.family() == ModelDefinition::GPT2 && (attention.kv_heads() != attention.heads() ||
                                                  attention.head_size() * attention.heads() != model.width()))
    return absl::InvalidArgumentError(
        "model.attention: family GPT2 has as many key heads as heads, and these "
        "make up the width");
  if (model.positions().kind() == Positions::ROTARY && attention.head_size() % 2 != 0)
    return wrong("attention.head_size", absl::StrCat(attention.head_size()), "an even number to rotate");
  if (model.norm().epsilon() == 0)
    model.mutable_norm()->set_epsilon(1e-5);
  if (model.positions().theta() == 0)
    model.mutable_positions()->set_theta(10000);
  const std::pair<absl::string_view, double> numbers[] = {{"norm.epsilon", model.norm().epsilon()},
                                                          {"positions.theta", model.positions().theta()}};
  for (auto [field, value] : numbers)
    if (!(value > 0) || !std::isfinite(value))
      return wrong(field, absl::StrCat(value), "a number above 0");
  constexpr double kMostParameters = 0x1p60;
  if (countParameters<double>(model) > kMostParameters)
    return absl::InvalidArgumentError(
        "model: has more parameters than can be counted, expected smaller sizes");
  return model;
}

int64_t parameterCount(const ModelDefinition &model) { return countParameters<int64_t>(model); }

} // namespace llmc::spec
