// Adapters of PEFT: what their files say, and one line for each thing that they can not say. What they make
// of a model is held against PEFT in test/e2e/GoldenTest.cpp.

#include "frontend/peft/Adapter.h"
#include "test/unit/import/ImportTest.h"
#include "test/unit/safetensors/SafetensorsWriter.h"
#include <cmath>

using namespace llmc;
using namespace llmc::frontend::testing;
using Json = nlohmann::json;
using testing::StartsWith;

namespace {

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

const std::string kLayer = "base_model.model.model.layers.0.self_attn.q_proj.";

/// A directory with an adapter of zeros: rank 2 at q_proj of llama-odd's first layer, and what a test
/// changes.
class MadeAdapter : public TemporaryFolder {
public:
  explicit MadeAdapter(const Json &changes = Json::object(),
                       const Shapes &shapes = {{kLayer + "lora_A.weight", {2, 60}},
                                               {kLayer + "lora_B.weight", {60, 2}}},
                       const std::string &type = "F32") {
    Json config = {
        {"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 6}, {"target_modules", Json::array({"q_proj"})}};
    for (const auto &[name, value] : changes.items())
      config[name] = value;
    write("adapter_config.json", config.dump());
    std::string header, data;
    for (const auto &[name, shape] : shapes) {
      size_t bytes = type == "F32" ? 4 : 8;
      for (int64_t size : shape)
        bytes *= size;
      header += (header.empty() ? "" : ",") +
                safetensors::testing::entryOf(name, type, Json(shape).dump(),
                                              Json::array({data.size(), data.size() + bytes}).dump());
      data.append(bytes, '\0');
    }
    write("adapter_model.safetensors", safetensors::testing::fileOf("{" + header + "}", data));
  }

  /// The line with which the adapter is refused, without the path of its folder.
  std::string refusal() const {
    auto adapter = peft::Adapter::open(path());
    return adapter.ok() ? "accepted" : shortened(std::string(adapter.status().message()));
  }
  /// The same where a model of test/e2e/golden gets it.
  std::string refusalBy(const std::string &model, int times = 1, const std::string &name = "") const {
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    frontend::ImportOptions options{.tokenizer = false};
    options.adapters.resize(times, {path(), 1, name});
    auto imported = frontend::importModel(goldenFolder + model, options, &context);
    return imported.ok() ? "accepted" : shortened(std::string(imported.status().message()));
  }

private:
  std::string shortened(std::string message) const {
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string &folder : {path() + "/", path(), goldenFolder})
      for (size_t at; (at = message.find(folder)) != std::string::npos;)
        message.erase(at, folder.size());
    return message;
  }
};

double scaleOf(const Json &changes) {
  MadeAdapter made(changes);
  auto adapter = peft::Adapter::open(made.path());
  EXPECT_TRUE(adapter.ok()) << adapter.status().message();
  return adapter.ok() ? adapter->lowRank()[0].scale : NAN;
}

TEST(Adapter, ScalesFollowAlphaAndRank) {
  EXPECT_EQ(scaleOf({}), 3);
  EXPECT_EQ(scaleOf({{"use_rslora", true}}), 6 / std::sqrt(2.0));
  EXPECT_EQ(scaleOf({{"alpha_pattern", {{"q_proj", 1}}}}), 0.5);
  EXPECT_EQ(scaleOf({{"alpha_pattern", {{"proj", 1}}}}), 3) << "ends begin behind a dot";
  EXPECT_EQ(scaleOf({{"alpha_pattern", {{"layers\\.[0-3]\\..*q_proj", 1.5}, {"q_proj", 1}}}}), 0.75);
  EXPECT_EQ(scaleOf({{"alpha_pattern", {{"^model.layers.0.self_attn.q_proj", 4}}}}), 2);
  EXPECT_EQ(scaleOf({{"r", 9}, {"rank_pattern", {{"q_proj", 2}}}}), 3);
}

TEST(Adapter, TargetsAreEndsOrARegularExpression) {
  for (const Json &targets :
       {Json::array({"self_attn.q_proj"}), Json::array({"v_proj", "q_proj"}), Json("all-linear"),
        Json(R"(.*\.q_proj)"), Json(R"(model\.layers\.\d+\.(self_attn|mlp)\.(?!v_proj)\w+)")})
    EXPECT_EQ(MadeAdapter({{"target_modules", targets}}).refusal(), "accepted") << targets;
  for (const Json &targets :
       {Json::array({"proj"}), Json::array({"model.layers.1.self_attn.q_proj"}), Json("q_proj")})
    EXPECT_EQ(MadeAdapter({{"target_modules", targets}}).refusal(),
              "adapter_model.safetensors: tensor '" + kLayer +
                  "lora_A.weight' is of a layer that target_modules of adapter_config.json does not name")
        << targets;
}

TEST(Adapter, WhatIsOffMayBeThere) {
  EXPECT_EQ(MadeAdapter({{"use_dora", false},
                         {"loftq_config", Json::object()},
                         {"something_new", nullptr},
                         {"layers_to_transform", Json::array({0})},
                         {"init_lora_weights", "gaussian"},
                         {"bias", "none"}})
                .refusal(),
            "accepted");
}

TEST(AdapterRefusal, OfOptions) {
  auto refusal = [](const Json &changes) { return MadeAdapter(changes).refusal(); };
  const std::string field = "adapter_config.json: field ";
  EXPECT_EQ(refusal({{"peft_type", "IA3"}}), field + "'peft_type': expected 'LORA', found string 'IA3'");
  EXPECT_EQ(refusal({{"use_dora", true}}),
            field + "'use_dora': expected that it is off: adapters with it are not supported, found true");
  for (const char *name : {"trainable_token_indices", "target_parameters", "layer_replication", "lora_bias",
                           "alora_invocation_tokens", "something_new"})
    EXPECT_THAT(refusal({{name, Json::array({1})}}),
                StartsWith(field + "'" + name + "': expected that it is off"));
  EXPECT_EQ(refusal({{"bias", "lora_only"}}),
            field +
                "'bias': expected 'none': adapters with biases are not supported, found string 'lora_only'");
  EXPECT_THAT(
      refusal({{"init_lora_weights", "pissa_niter_4"}}),
      StartsWith(field + "'init_lora_weights': expected true, false, 'gaussian', 'eva' or 'orthogonal'"));
  EXPECT_THAT(refusal({{"r", 0}}), StartsWith(field + "'r': expected a positive integer"));
  EXPECT_THAT(refusal({{"r", 1 << 21}}), StartsWith(field + "'r': expected a rank of 1 to 1048576"));
  EXPECT_THAT(refusal({{"lora_alpha", "8"}}), StartsWith(field + "'lora_alpha': expected a number"));
  EXPECT_THAT(refusal({{"use_rslora", 1}}), StartsWith(field + "'use_rslora': expected"));
  EXPECT_THAT(refusal({{"fan_in_fan_out", "no"}}), StartsWith(field + "'fan_in_fan_out': expected"));
  EXPECT_THAT(refusal({{"rank_pattern", {{"q_proj", 1.5}}}}),
              StartsWith(field + "'rank_pattern.q_proj': expected a rank of 1 to 1048576"));
  EXPECT_THAT(refusal({{"alpha_pattern", {{"q_proj", "x"}}}}),
              StartsWith(field + "'alpha_pattern.q_proj': expected a number"));
  EXPECT_THAT(refusal({{"alpha_pattern", {{"q_(proj", 1}}}}),
              StartsWith(field + "'alpha_pattern.q_(proj': "));
  EXPECT_THAT(refusal({{"alpha_pattern", Json::array({1})}}),
              StartsWith(field + "'alpha_pattern': expected"));
  EXPECT_THAT(refusal({{"target_modules", "q_(proj"}}), StartsWith(field + "'target_modules': "));
  EXPECT_THAT(refusal({{"target_modules", nullptr}}),
              StartsWith(field + "'target_modules' is missing, expected a list of names, or a regular"));
  EXPECT_THAT(refusal({{"target_modules", Json::array({"q_proj", 3})}}),
              StartsWith(field + "'target_modules"));
}

TEST(AdapterRefusal, OfTensors) {
  auto refusal = [](const Shapes &shapes, const Json &changes = Json::object()) {
    return MadeAdapter(changes, shapes).refusal();
  };
  const std::string a = kLayer + "lora_A.weight", b = kLayer + "lora_B.weight",
                    file = "adapter_model.safetensors: ";
  EXPECT_EQ(refusal({}), file + "has no tensors, expected an adapter's");
  EXPECT_EQ(refusal({{a, {2, 60}}}), file + "has no tensor '" + b + "', expected one beside '" + a + "'");
  EXPECT_EQ(refusal({{b, {60, 2}}}), file + "has no tensor '" + a + "', expected one beside '" + b + "'");
  EXPECT_EQ(refusal({{a, {3, 60}}, {b, {60, 3}}}),
            file + "tensor '" + a +
                "' has shape [3, 60], expected [2, inputs] by the rank in adapter_config.json");
  EXPECT_EQ(refusal({{a, {2, 60}}, {b, {2, 60}}}),
            file + "tensor '" + b +
                "' has shape [2, 60], expected [outputs, 2] by the rank in adapter_config.json");
  EXPECT_EQ(refusal({{a, {2}}, {b, {60, 2}}}),
            file + "tensor '" + a +
                "' has shape [2], expected [2, inputs] by the rank in adapter_config.json");
  EXPECT_EQ(refusal({{"lm_head.weight", {2}}}),
            file + "tensor 'lm_head.weight' has a name that does not begin with 'base_model.model.'");
  EXPECT_THAT(refusal({{kLayer + "lora_magnitude_vector", {60}}}),
              StartsWith(file + "tensor '" + kLayer + "lora_magnitude_vector' is of an adapter that is not"));
  EXPECT_THAT(refusal({{kLayer + "lora_B.bias", {60}}}),
              StartsWith(file + "tensor '" + kLayer + "lora_B.bias' is of an adapter that is not supported"));
  EXPECT_EQ(refusal({{"base_model.model.x.weight", {2}}, {"base_model.model.x.base_layer.weight", {2}}}),
            file + "tensor 'base_model.model.x.base_layer.weight' replaces the same as "
                   "'base_model.model.x.weight'");
  EXPECT_THAT(MadeAdapter({}, {{a, {2, 60}}, {b, {60, 2}}}, "F64").refusal(),
              StartsWith(file + "tensor '" + a + "': "));
}

TEST(AdapterRefusal, OfFiles) {
  TemporaryFolder folder;
  auto refusal = [&] { return std::string(peft::Adapter::open(folder.path()).status().message()); };
  EXPECT_EQ(refusal(), folder.path() +
                           ": has no adapter_config.json, expected a directory that PEFT wrote, with "
                           "adapter_config.json and adapter_model.safetensors");
  folder.write("adapter_config.json", "{");
  EXPECT_THAT(refusal(), StartsWith(folder.path() + "/adapter_config.json: "));
  folder.write("adapter_config.json", R"({"peft_type": "LORA", "target_modules": ["q"]})");
  EXPECT_EQ(refusal(),
            folder.path() + ": has no adapter_model.safetensors, expected the tensors of the adapter");
  folder.write("adapter_model.bin", "");
  EXPECT_EQ(refusal(), folder.path() +
                           ": has no adapter_model.safetensors, and adapter_model.bin is not read: "
                           "expected an adapter that was saved as safetensors");
  folder.write("adapter_model.safetensors", "{}");
  EXPECT_THAT(refusal(), StartsWith(folder.path() + "/adapter_model.safetensors: "));
}

TEST(AdapterRefusal, OfWhatHasNoPlaceInTheModel) {
  const std::string file = "adapter_model.safetensors: ";
  auto refusal = [](const std::string &model, const std::string &module, int64_t out, int64_t in) {
    const std::string name = "base_model.model." + module;
    return MadeAdapter({{"target_modules", "all-linear"}},
                       {{name + ".lora_A.weight", {2, in}}, {name + ".lora_B.weight", {out, 2}}})
        .refusalBy(model);
  };
  EXPECT_EQ(MadeAdapter().refusalBy("llama-odd"), "accepted");
  EXPECT_EQ(MadeAdapter().refusalBy("llama-odd", 2), "accepted");
  // Of the model without its head.
  EXPECT_EQ(refusal("llama-odd", "layers.0.self_attn.q_proj", 60, 60), "accepted");
  EXPECT_EQ(
      refusal("llama-odd", "model.layers.7.self_attn.q_proj", 60, 60),
      file + "adapts 'model.layers.7.self_attn.q_proj.weight', which is no tensor of llama-odd, expected an "
             "adapter of this model");
  EXPECT_EQ(refusal("llama-odd", "q_proj", 60, 60),
            file + "adapts 'q_proj.weight', which is the end of the names of several tensors of llama-odd, "
                   "expected an adapter of this model");
  EXPECT_EQ(refusal("llama-odd", "model.layers.0.self_attn.q_proj", 60, 61),
            file + "the matrices of 'model.layers.0.self_attn.q_proj' make [60, 61], expected [60, 60] of "
                   "'model.layers.0.self_attn.q_proj.weight'");
  EXPECT_EQ(
      refusal("llama-odd", "model.norm", 60, 60),
      file + "tensor 'base_model.model.model.norm.lora_A.weight' is of a linear layer, which 'model.norm' of "
             "llama-odd is not");
  EXPECT_EQ(refusal("llama-odd", "model.embed_tokens", 197, 60),
            file + "tensor 'base_model.model.model.embed_tokens.lora_A.weight' is of a linear layer, which "
                   "'model.embed_tokens' of llama-odd is not");
  EXPECT_EQ(refusal("qwen2-odd", "model.embed_tokens", 197, 36),
            file +
                "adapts 'model.embed_tokens', whose table is the model's head too, which is not supported; "
                "expected an adapter of other layers");
  MadeAdapter saved({{"modules_to_save", Json::array({"lm_head"})}},
                    {{"base_model.model.lm_head.weight", {197, 61}}});
  EXPECT_EQ(
      saved.refusalBy("llama-odd"),
      file + "tensor 'base_model.model.lm_head.weight' has shape [197, 61], expected [197, 60] of the tensor "
             "that it replaces");
  MadeAdapter twice({{"modules_to_save", Json::array({"lm_head"})}},
                    {{"base_model.model.lm_head.weight", {197, 60}}});
  EXPECT_EQ(twice.refusalBy("llama-odd", 2),
            file + "tensor 'base_model.model.lm_head.weight' is replaced by another adapter too");
}

TEST(AdapterRefusal, OfWhatCanNotBeBesideTheWeights) {
  const std::string file = "adapter_model.safetensors: ";
  EXPECT_EQ(MadeAdapter().refusalBy("llama-odd", 1, "it"), "accepted");
  EXPECT_EQ(MadeAdapter().refusalBy("llama-odd", 2, "it"), ": has the name of another adapter, 'it'");
  MadeAdapter saved({{"modules_to_save", Json::array({"lm_head"})}},
                    {{"base_model.model.lm_head.weight", {197, 60}}});
  EXPECT_EQ(
      saved.refusalBy("llama-odd", 1, "it"),
      file +
          "tensor 'base_model.model.lm_head.weight' replaces one of the model, which an adapter beside the "
          "weights can not; expected one to merge");
  auto refusal = [](const std::string &model, const std::string &module, int64_t out, int64_t in) {
    const std::string name = "base_model.model." + module;
    return MadeAdapter({{"target_modules", "all-linear"}},
                       {{name + ".lora_A.weight", {2, in}}, {name + ".lora_B.weight", {out, 2}}})
        .refusalBy(model, 1, "it");
  };
  EXPECT_EQ(
      refusal("llama-odd", "lm_head", 197, 60),
      "llama-odd: an adapter beside the weights can not adapt what follows the last layer; expected one of "
      "linear layers and embeddings, or one to merge");
  EXPECT_EQ(
      refusal("mixtral-odd", "model.layers.0.block_sparse_moe.experts.0.w1", 21, 36),
      "mixtral-odd: an adapter beside the weights can not adapt nn.concat; expected one of linear layers and "
      "embeddings, or one to merge");
  EXPECT_EQ(refusal("bert-odd", "encoder.layer.0.attention.self.query", 36, 36),
            "bert-odd: is no decoder, which adapters beside the weights are supported of; expected adapters "
            "to merge");
}

} // namespace
