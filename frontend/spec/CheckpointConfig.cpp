#include "frontend/spec/BuildModel.h"

#include <nlohmann/json.hpp>

namespace llmc::spec {

using Json = nlohmann::ordered_json;

static Json llamaConfig(const ModelDefinition &model) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"attention_bias", model.attention().bias()},
          {"head_dim", model.attention().head_size()},
          {"hidden_act", "silu"},
          {"hidden_size", model.width()},
          {"intermediate_size", model.mlp().inner()},
          {"max_position_embeddings", model.context()},
          {"mlp_bias", model.mlp().bias()},
          {"num_attention_heads", model.attention().heads()},
          {"num_hidden_layers", model.layers()},
          {"num_key_value_heads", model.attention().kv_heads()},
          {"rms_norm_eps", model.norm().epsilon()},
          {"rope_theta", model.positions().theta()},
          {"tie_word_embeddings", model.tied()},
          {"torch_dtype", "float32"},
          {"vocab_size", model.vocabulary()}};
}

static Json gpt2Config(const ModelDefinition &model) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"activation_function", model.mlp().kind() == Mlp::GELU_TANH ? "gelu_new" : "gelu"},
          {"attn_pdrop", 0.0},
          {"embd_pdrop", 0.0},
          {"resid_pdrop", 0.0},
          {"layer_norm_epsilon", model.norm().epsilon()},
          {"n_ctx", model.context()},
          {"n_embd", model.width()},
          {"n_head", model.attention().heads()},
          {"n_inner", model.mlp().inner()},
          {"n_layer", model.layers()},
          {"n_positions", model.context()},
          {"torch_dtype", "float32"},
          {"vocab_size", model.vocabulary()}};
}

std::vector<std::pair<std::string, std::string>> checkpointConfig(const ModelDefinition &model) {
  const Json config = model.family() == ModelDefinition::LLAMA ? llamaConfig(model) : gpt2Config(model);
  return {{"config.json", config.dump(2) + "\n"}};
}

} // namespace llmc::spec
