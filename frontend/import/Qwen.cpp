//===- Qwen.cpp - Qwen2, Qwen2.5, Qwen3 --------------------------------------------------------------===//
//
// The gated decoder with biases of queries, keys and values (Yang et al., 2024), or in Qwen3 with norms of
// their heads (Yang et al., 2025). In both some layers may have a sliding window.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/GatedDecoder.h"
#include "runtime/io/Message.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Name kWindow = {"sliding_window", "attention.sliding_window"};
constexpr Name kUseWindow = {"use_sliding_window", ""};
constexpr Name kLayerTypes = {"layer_types", ""};

/// Sets the layers with a window: those that layer_types names, or without it those from max_window_layers
/// on.
void readWindows(Hyperparameters &fields, GatedDecoder &decoder) {
  if (fields.format() == Format::Gguf) {
    fields.refuse(kWindow, "GGUF files do not say which layers have it");
    return;
  }
  if (fields.flagOr(kUseWindow, false) && !fields.isNull(kWindow))
    decoder.attention.window = fields.sizeOr(kWindow, {4096, ""}).value;
  const size_t layers = decoder.layers.value,
               first = fields.integerOr({"max_window_layers", ""}, 28, 0, 1 << 24);
  std::vector<std::string> types = fields.textsOr(kLayerTypes, {});
  if (!types.empty() && types.size() != layers)
    fields.fail(kLayerTypes, absl::StrCat("is a list of ", types.size(),
                                          " strings, expected one for each of ", layers, " layers"));
  for (size_t i = 0; i < layers && fields.ok(); ++i) {
    bool windowed = decoder.attention.window && i >= first;
    if (!types.empty()) {
      windowed = types[i] == "sliding_attention";
      if (!windowed && types[i] != "full_attention")
        fields.fail(kLayerTypes, absl::StrCat("has ", io::quote(types[i]), " at index ", i,
                                              ", expected 'full_attention' or 'sliding_attention'"));
      if (windowed && !decoder.attention.window)
        fields.fail(kLayerTypes, absl::StrCat("has 'sliding_attention' at index ", i,
                                              ", expected a sliding_window and use_sliding_window = true"));
    }
    decoder.windowedLayers.push_back(windowed);
  }
}

absl::StatusOr<Graph> buildQwen2(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGatedDecoder(checkpoint, fields, {}, context);
  readWindows(fields, decoder);
  decoder.attentionBias = Bias::Yes;
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

absl::StatusOr<Graph> buildQwen3(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder = readGatedDecoder(checkpoint, fields, {.headDim = 128}, context);
  readWindows(fields, decoder);
  decoder.headNorms = true;
  decoder.attentionBias = decoder.outputBias =
      fields.flagOr({"attention_bias", ""}, false) ? Bias::Yes : Bias::No;
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace2[] = {"Qwen2ForCausalLM"}, kGguf2[] = {"qwen2"};
constexpr llvm::StringLiteral kHuggingFace3[] = {"Qwen3ForCausalLM"}, kGguf3[] = {"qwen3"};

} // namespace

const Family llmc::frontend::kQwen2 = {"qwen2", ModelKind::Generate, kHuggingFace2, kGguf2, buildQwen2};
const Family llmc::frontend::kQwen3 = {"qwen3", ModelKind::Generate, kHuggingFace3, kGguf3, buildQwen3};
