//===- Gemma.cpp - Gemma, Gemma 2, Gemma 3 -----------------------------------------------------------===//
//
// The gated decoder with scaled embeddings, GELU at the gate and norms whose weights are stored less one
// (Gemma Team, 2024). Gemma 2 has soft limits, norms behind attention and feed-forward network too, and a
// sliding window in every other layer; Gemma 3 has norms of heads instead of soft limits, and layers with a
// window rotate by another base.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/GatedDecoder.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Name kWindow = {"sliding_window", "attention.sliding_window"};
/// Every so manyth layer of Gemma 2 and 3 has no window.
constexpr int64_t kPeriod2 = 2, kPeriod3 = 6;
/// Layers of the models of 27B, whose GGUF files mean another scale of attention.
constexpr int64_t kLargest2 = 46, kLargest3 = 62;

/// What is the same in all of them.
GatedDecoder readGemma(const Checkpoint &checkpoint, Hyperparameters &fields, GatedDecoderReading reading,
                       MLIRContext *context) {
  reading.headDim = 256;
  reading.activation = Activation::GeluTanh;
  reading.tied = true;
  GatedDecoder decoder = readGatedDecoder(checkpoint, fields, reading, context);
  decoder.scaledEmbeddings = true;
  decoder.attentionBias = decoder.outputBias =
      fields.flagOr({"attention_bias", ""}, false) ? Bias::Yes : Bias::No;
  return decoder;
}

/// What is written of all of them.
Description describeCommon(GatedDecoder &decoder, const char *huggingFaceArchitecture, const char *modelType,
                           const char *ggufArchitecture) {
  decoder.normWeight = NormWeight::LessOne;
  Description own = {.huggingFaceArchitecture = huggingFaceArchitecture,
                     .modelType = modelType,
                     .ggufArchitecture = ggufArchitecture};
  own.add({"hidden_activation", ""}, std::string("gelu_pytorch_tanh"));
  own.add({"attention_bias", ""}, decoder.attentionBias == Bias::Yes);
  return own;
}

/// Says that the model lacks what files have to deny, which GGUF's can not.
void describeMissing(bool has, const char *field, Description &own) {
  if (has)
    return;
  own.add({field, ""}, NullField());
  own.refuse(Format::Gguf, absl::StrCat("its ", field, " is null"));
}

/// What readAttention() reads.
void describeAttention(int64_t period, int64_t layersOfTheLargest, GatedDecoder &decoder) {
  Description &own = decoder.own;
  const double scale = decoder.attention.scale;
  // An integer, if it can be one: transformers takes no other numbers.
  const double scalar = 1 / (scale * scale), rounded = std::round(scalar);
  own.add({"query_pre_attn_scalar", ""},
          std::fabs(scalar / rounded - 1) < 1e-6 ? Field(static_cast<int64_t>(rounded)) : Field(scalar));
  const double implied = decoder.layers.value == layersOfTheLargest
                             ? double(decoder.hidden.value) / double(decoder.heads.value)
                             : double(decoder.headDim.value);
  if (std::fabs(scale * std::sqrt(implied) - 1) > 1e-6)
    own.refuse(Format::Gguf, "its query_pre_attn_scalar is not the width of a head");
  for (size_t layer = 0; layer < decoder.windowedLayers.size(); ++layer)
    if (decoder.windowedLayers[layer] != ((static_cast<int64_t>(layer) + 1) % period != 0))
      own.refuse(Format::Gguf, absl::StrCat("its layers without a window are not every ", period, "th"));
}

/// The scale of attention and the layers with a window of Gemma 2 and 3: all but every `period`th.
void readAttention(Hyperparameters &fields, int64_t period, int64_t layersOfTheLargest,
                   GatedDecoder &decoder) {
  fields.expect({"use_bidirectional_attention", ""}, {false});
  if (fields.format() == Format::HuggingFace)
    decoder.attention.scale = 1 / std::sqrt(fields.numberIn({"query_pre_attn_scalar", ""}, 1e-6, 1e6, 256.0));
  else if (decoder.layers.value == layersOfTheLargest)
    // GGUF files do not say: the model of 27B divides by the width of a head as if heads made up the width.
    decoder.attention.scale =
        1 / std::sqrt(static_cast<double>(decoder.hidden.value) / static_cast<double>(decoder.heads.value));
  if (!fields.isNull(kWindow))
    decoder.attention.window = fields.sizeOr(kWindow, {4096, ""}).value;
  readWindowedLayers(fields, decoder,
                     [&](size_t layer) { return (static_cast<int64_t>(layer) + 1) % period != 0; });
  decoder.outputNorms = true;
}

std::optional<double> readCap(Hyperparameters &fields, const char *field, std::optional<double> missing) {
  const Name name = {field, field};
  if (!fields.has(name))
    return fields.isNull(name) ? std::nullopt : missing;
  return fields.numberIn(name, 1e-3, 1e6);
}

void describeGemma(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::GEMMA;
  decoder.own = describeCommon(decoder, "GemmaForCausalLM", "gemma", "gemma");
}

void describeGemma2(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::GEMMA2;
  decoder.own = describeCommon(decoder, "Gemma2ForCausalLM", "gemma2", "gemma2");
  describeMissing(decoder.attention.softcap.has_value(), "attn_logit_softcapping", decoder.own);
  describeMissing(decoder.logitCap.has_value(), "final_logit_softcapping", decoder.own);
  describeMissing(decoder.attention.window.has_value(), kWindow.huggingFace, decoder.own);
  describeAttention(kPeriod2, kLargest2, decoder);
}

/// The period by which layers without a window lie, if there is one.
int64_t periodOf(const GatedDecoder &decoder) {
  const auto &windowed = decoder.windowedLayers;
  const auto first = std::find(windowed.begin(), windowed.end(), false);
  return first == windowed.end() ? std::max(kPeriod3, decoder.layers.value + 1)
                                 : first - windowed.begin() + 1;
}

void describeGemma3(GatedDecoder &decoder, Format) {
  decoder.family = spec::ModelDefinition::GEMMA3;
  decoder.own = describeCommon(decoder, "Gemma3ForCausalLM", "gemma3_text", "gemma3");
  decoder.own.add({"rope_local_base_freq", "rope.freq_base_swa"}, decoder.windowRope->theta);
  if (decoder.windowRope->scaling)
    for (Format format : {Format::HuggingFace, Format::Gguf})
      decoder.own.refuse(format, "its layers with a window have a rope scaling of their own");
  if (!decoder.attention.window) // else readers take windows that are usual
    decoder.own.add({"layer_types", ""}, std::vector<std::string>(decoder.layers.value, "full_attention"));
  const int64_t period = periodOf(decoder);
  describeAttention(period, kLargest3, decoder);
  if (period != kPeriod3)
    decoder.own.add({"", "attention.sliding_window_pattern"}, period);
}

absl::StatusOr<Graph> buildGemma(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGemma(checkpoint, fields, {}, context);
  fields.expect({"use_bidirectional_attention", ""}, {false});
  describeGemma(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

absl::StatusOr<Graph> buildGemma2(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGemma(checkpoint, fields, {.softcaps = true}, context);
  readAttention(fields, kPeriod2, kLargest2, decoder);
  decoder.attention.softcap = readCap(fields, "attn_logit_softcapping", 50);
  decoder.logitCap = readCap(fields, "final_logit_softcapping", 30);
  describeGemma2(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

/// The keys of both bases in GGUF files. Files that were not made by llama.cpp's converter have others.
const char *globalThetaKey(const Hyperparameters &fields) {
  constexpr Name other = {"", "rope.global.freq_base"};
  return fields.has(other) ? other.gguf : "rope.freq_base";
}
const char *localThetaKey(const Hyperparameters &fields) {
  constexpr Name other = {"", "rope.local.freq_base"};
  return fields.has(other) ? other.gguf : "rope.freq_base_swa";
}

/// How layers with a window rotate, whose frequencies are never scaled.
Rope readWindowRope(const Checkpoint &checkpoint, Hyperparameters &fields, const GatedDecoder &decoder,
                    MLIRContext *context) {
  const Name theta = {"rope_local_base_freq", localThetaKey(fields)};
  if (fields.has({"rope_parameters", ""}))
    return readRope(checkpoint, fields, decoder.headDim, {.theta = theta, .layerKind = "sliding_attention"},
                    context);
  Rope rope = decoder.rope;
  rope.theta = fields.numberIn(theta, 1, 1e12, 10000.0);
  rope.scaling = {};
  return rope;
}

absl::StatusOr<Graph> buildGemma3(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGemma(checkpoint, fields,
                                   {.rope = {.theta = {"rope_theta", globalThetaKey(fields)},
                                             .missingTheta = 1e6,
                                             .layerKind = "full_attention"},
                                    .softcaps = true},
                                   context);
  // GGUF files of models without a window do not have it.
  const bool hasWindows = fields.format() == Format::HuggingFace || fields.has(kWindow);
  const int64_t period = fields.integerOr({"sliding_window_pattern", "attention.sliding_window_pattern"},
                                          hasWindows ? kPeriod3 : 1, 1, 1 << 24);
  readAttention(fields, period, kLargest3, decoder);
  decoder.windowRope = readWindowRope(checkpoint, fields, decoder, context);
  decoder.headNorms = true;
  fields.refuse({"attn_logit_softcapping", "attn_logit_softcapping"},
                "attention has no soft limit in Gemma 3");
  decoder.logitCap = readCap(fields, "final_logit_softcapping", {});
  describeGemma3(decoder, fields.format());
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace1[] = {"GemmaForCausalLM", "GemmaModel"}, kGguf1[] = {"gemma"};
constexpr llvm::StringLiteral kHuggingFace2[] = {"Gemma2ForCausalLM", "Gemma2Model"}, kGguf2[] = {"gemma2"};
constexpr llvm::StringLiteral kHuggingFace3[] = {"Gemma3ForCausalLM", "Gemma3TextModel"},
                              kGguf3[] = {"gemma3"};

} // namespace

const Family llmc::frontend::kGemma = {"gemma", ModelKind::Generate, kHuggingFace1,
                                       kGguf1,  buildGemma,          buildDefinedDecoder<describeGemma>};
const Family llmc::frontend::kGemma2 = {"gemma2", ModelKind::Generate, kHuggingFace2,
                                        kGguf2,   buildGemma2,         buildDefinedDecoder<describeGemma2>};
const Family llmc::frontend::kGemma3 = {"gemma3", ModelKind::Generate, kHuggingFace3,
                                        kGguf3,   buildGemma3,         buildDefinedDecoder<describeGemma3>};
