#include "frontend/spec/Definition.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <google/protobuf/text_format.h>

namespace llmc::spec {

namespace {

struct Preset {
  const char *name;
  const char *text;
};

constexpr Preset kPresets[] = {
    // The smallest GPT-2 (Radford et al., 2019).
    {"gpt2-124m", R"(family: GPT2 vocabulary: 50257 context: 1024 width: 768 layers: 12
                     attention { heads: 12 bias: true } mlp { kind: GELU_TANH inner: 3072 bias: true }
                     norm { kind: LAYER } positions { kind: LEARNED } tied: true)"},
    // The largest.
    {"gpt2-1.5b", R"(family: GPT2 vocabulary: 50257 context: 1024 width: 1600 layers: 48
                     attention { heads: 25 bias: true } mlp { kind: GELU_TANH inner: 6400 bias: true }
                     norm { kind: LAYER } positions { kind: LEARNED } tied: true)"},
    // The sizes of SmolLM2-135M.
    {"llama-135m", R"(family: LLAMA vocabulary: 49152 context: 2048 width: 576 layers: 30
                      attention { heads: 9 kv_heads: 3 } mlp { kind: GATED_SILU inner: 1536 }
                      norm { kind: RMS } positions { kind: ROTARY theta: 100000 } tied: true)"},
    // The sizes of TinyLlama.
    {"llama-1b", R"(family: LLAMA vocabulary: 32000 context: 2048 width: 2048 layers: 22
                    attention { heads: 32 kv_heads: 4 } mlp { kind: GATED_SILU inner: 5632 }
                    norm { kind: RMS } positions { kind: ROTARY } tied: false)"},
    // Devlin et al., 2019.
    {"bert-base", R"(family: BERT vocabulary: 30522 context: 512 width: 768 layers: 12
                     attention { heads: 12 bias: true } mlp { kind: GELU inner: 3072 bias: true }
                     norm { kind: LAYER } positions { kind: LEARNED } tied: true)"},
    // Raffel et al., 2020.
    {"t5-small", R"(family: T5 vocabulary: 32128 context: 512 width: 512 layers: 6
                    attention { heads: 8 } mlp { kind: RELU inner: 2048 }
                    norm { kind: RMS } positions { kind: RELATIVE } tied: true head { scaled: true })"},
    // For a few megabytes of text and minutes on two cores.
    {"llama-tiny", R"(family: LLAMA context: 256 width: 192 layers: 6
                      attention { heads: 6 kv_heads: 2 } mlp { kind: GATED_SILU inner: 512 }
                      norm { kind: RMS } positions { kind: ROTARY } tied: true)"},
};

} // namespace

std::vector<std::string> presetNames() {
  std::vector<std::string> names;
  for (const Preset &preset : kPresets)
    names.push_back(preset.name);
  return names;
}

absl::StatusOr<ModelDefinition> preset(absl::string_view name) {
  for (const Preset &preset : kPresets) {
    if (preset.name != name)
      continue;
    ModelDefinition definition;
    if (!google::protobuf::TextFormat::ParseFromString(preset.text, &definition))
      return absl::InternalError(absl::StrCat("preset '", name, "' can not be read"));
    return definition;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("preset is '", name, "', expected one of ", absl::StrJoin(presetNames(), ", ")));
}

} // namespace llmc::spec
