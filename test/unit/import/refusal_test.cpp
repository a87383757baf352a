// What cannot be imported is refused in one line that names file, field, what was found and what was
// expected.

#include "test/unit/import/GgufConversion.h"

using namespace llmc::frontend::testing;
using nlohmann::json;

namespace {

std::string refusal(const std::string &checkpoint, const json &changes, const std::string &removed = "") {
  ChangedCheckpoint changed(checkpoint, changes);
  if (!removed.empty())
    changed.remove(removed);
  return refusalOf(changed.path(), changed.path());
}

std::string refusal(const GgufConversion &conversion) {
  TemporaryFolder folder;
  return refusalOf(folder.write("m.gguf", conversion.file()), folder.path());
}

TEST(Refusal, OfWhatIsNoModel) {
  TemporaryFolder folder;
  const std::string supported = " (supported: a GGUF file, an ONNX file, or a directory with config.json and "
                                "safetensors files or model.onnx)";
  EXPECT_EQ(refusalOf(folder.path() + "/none", folder.path()),
            "none: No such file or directory, expected a model" + supported);
  std::filesystem::create_directory(folder.path() + "/empty");
  EXPECT_EQ(refusalOf(folder.path() + "/empty", folder.path()), "empty: has no config.json" + supported);
  EXPECT_EQ(refusalOf(folder.write("m.bin", "GGML"), folder.path()),
            "m.bin: does not begin with 'GGUF'" + supported);
  EXPECT_EQ(refusalOf(folder.write("m.bin", ""), folder.path()),
            "m.bin: does not begin with 'GGUF'" + supported);
  EXPECT_EQ(refusalOf(folder.write("model.safetensors", "{}"), folder.path()),
            "model.safetensors: does not begin with 'GGUF'" + supported);
}

TEST(Refusal, OfOptionsOfEncodersWithDecoders) {
  EXPECT_EQ(refusal("t5-odd", {{"relative_attention_num_buckets", 6}}),
            "config.json: relative_attention_num_buckets is 6, expected a multiple of 4");
  EXPECT_EQ(refusal("t5-odd", {{"relative_attention_max_distance", 4}}),
            "config.json: relative_attention_max_distance is 4, expected more than half of "
            "relative_attention_num_buckets (8)");
  EXPECT_EQ(refusal("t5-odd", {{"tie_word_embeddings", false}}),
            "config.json: tie_word_embeddings is false, expected a tensor 'lm_head.weight'");
  EXPECT_THAT(refusal("t5-odd", {{"feed_forward_proj", "gated-tanh"}}),
              testing::StartsWith("config.json: feed_forward_proj is 'gated-tanh', which is not supported"));
  EXPECT_EQ(refusal("bart-odd", {{"decoder_attention_heads", 5}}),
            "config.json: decoder_attention_heads is 5, expected a divisor of d_model (28)");
  EXPECT_THAT(refusal("marian-odd", {{"share_encoder_decoder_embeddings", false}}),
              testing::StartsWith("config.json: share_encoder_decoder_embeddings is false, which is not"));
  ChangedCheckpoint changed("bart-odd", {});
  changed.write("generation_config.json", R"({"bad_words_ids": [[7, 8]]})");
  EXPECT_EQ(refusalOf(changed.path(), changed.path()),
            "generation_config.json: bad_words_ids has a word of 2 tokens, expected words of one token");
  changed.write("generation_config.json", R"({"num_beam_groups": 2})");
  EXPECT_THAT(refusalOf(changed.path(), changed.path()),
              testing::StartsWith("generation_config.json: num_beam_groups is 2, which is not supported"));
}

TEST(Refusal, OfOneFileOfAModel) {
  ChangedCheckpoint changed("llama-odd", {});
  for (const char *file : {"model.safetensors", "config.json", "tokenizer.json"})
    EXPECT_THAT(
        refusalOf(changed.path() + "/" + file, changed.path()),
        testing::StartsWith(std::string(file) + ": is one file of a model, expected its directory: "));
}

TEST(Refusal, OfAnArchitectureListsThoseThatAreSupported) {
  EXPECT_THAT(
      refusal("llama-odd", {{"architectures", {"FalconForCausalLM"}}}),
      testing::EndsWith(
          ": architecture 'FalconForCausalLM' is not supported (supported: LlamaForCausalLM, "
          "MistralForCausalLM, MixtralForCausalLM, LlamaModel, MistralModel, MixtralModel, Qwen2ForCausalLM, "
          "Qwen2Model, Qwen3ForCausalLM, Qwen3Model, Qwen2MoeForCausalLM, Qwen2MoeModel, "
          "Qwen3MoeForCausalLM, Qwen3MoeModel, GemmaForCausalLM, GemmaModel, Gemma2ForCausalLM, Gemma2Model, "
          "Gemma3ForCausalLM, Gemma3TextModel, Phi3ForCausalLM, Phi3Model, "
          "GPT2LMHeadModel, GPT2Model, T5ForConditionalGeneration, "
          "MT5ForConditionalGeneration, BartForConditionalGeneration, MarianMTModel, BertModel, "
          "BertForMaskedLM, "
          "BertForPreTraining, BertForSequenceClassification, BertForTokenClassification, "
          "BertForQuestionAnswering, RobertaModel, RobertaForMaskedLM, RobertaForSequenceClassification, "
          "RobertaForTokenClassification, RobertaForQuestionAnswering, XLMRobertaModel, "
          "XLMRobertaForMaskedLM, XLMRobertaForSequenceClassification, XLMRobertaForTokenClassification, "
          "XLMRobertaForQuestionAnswering, DistilBertModel, "
          "DistilBertForMaskedLM, DistilBertForSequenceClassification, DistilBertForTokenClassification, "
          "DistilBertForQuestionAnswering)"));
  llmc::gguf::testing::GgufWriter writer;
  TemporaryFolder folder;
  EXPECT_EQ(refusalOf(folder.write("m.gguf", writer.stringEntry("general.architecture", "mamba").file()),
                      folder.path()),
            "m.gguf: architecture 'mamba' is not supported (supported: llama, qwen2, qwen3, qwen2moe, "
            "qwen3moe, gemma, "
            "gemma2, gemma3, phi3, gpt2, t5, bert)");
  EXPECT_EQ(refusalOf(folder.write("m.gguf", llmc::gguf::testing::GgufWriter().file()), folder.path()),
            "m.gguf: general.architecture is missing, expected the name of an architecture");
}

TEST(Refusal, QuotesNamesThatAreNoText) {
  GgufConversion conversion("llama-odd");
  conversion.tensor("a\nb", {1}, {1});
  EXPECT_EQ(refusal(conversion),
            "m.gguf: tensor 'a\\nb' (and 0 others) has no place in architecture 'llama' as "
            "m.gguf describes it");
}

TEST(Refusal, OfPartsOfAModel) {
  llmc::gguf::testing::GgufWriter writer;
  TemporaryFolder folder;
  writer.stringEntry("general.architecture", "llama").u32Entry("split.count", 3);
  EXPECT_EQ(refusalOf(folder.write("m.gguf", writer.file()), folder.path()),
            "m.gguf: is part 1 of 3 by its metadata, expected a name that ends with '-00001-of-00003.gguf'");
  llmc::gguf::testing::GgufWriter adapter;
  adapter.stringEntry("general.architecture", "llama").stringEntry("general.type", "adapter");
  EXPECT_EQ(refusalOf(folder.write("m.gguf", adapter.file()), folder.path()),
            "m.gguf: general.type is 'adapter', which is not supported (supported: 'model')");
}

TEST(Refusal, OfSizesThatContradictTheTensors) {
  EXPECT_EQ(refusal("llama-odd", {{"hidden_size", 64}, {"head_dim", 12}}),
            "model.safetensors: tensor 'model.embed_tokens.weight' has shape [197, 60], expected "
            "[vocab_size, hidden_size] = [197, 64] of config.json");
  EXPECT_EQ(
      refusal("llama-odd", {{"num_key_value_heads", 5}}),
      "model.safetensors: tensor 'model.layers.0.self_attn.k_proj.weight' has shape [12, 60], expected "
      "[num_key_value_heads * (hidden_size / num_attention_heads), hidden_size] = [60, 60] of config.json");
  EXPECT_EQ(refusal("llama-odd", {{"intermediate_size", 75}}),
            "model.safetensors: tensor 'model.layers.0.mlp.gate_proj.weight' has shape [76, 60], expected "
            "[intermediate_size, hidden_size] = [75, 60] of config.json");
  EXPECT_EQ(refusal("bert-odd", {{"type_vocab_size", 3}}),
            "model.safetensors: tensor 'embeddings.token_type_embeddings.weight' has shape [2, 36], expected "
            "[type_vocab_size, hidden_size] = [3, 36] of config.json");
  EXPECT_EQ(refusal(GgufConversion("llama-odd").integer("vocab_size", 200)),
            "m.gguf: tensor 'token_embd.weight' has shape [197, 60], expected "
            "[llama.vocab_size, llama.embedding_length] = [200, 60] of m.gguf");
}

TEST(Refusal, OfTooFewOrTooManyTensors) {
  EXPECT_THAT(
      refusal("llama-odd", {{"num_hidden_layers", 4}}),
      testing::EndsWith(": has no tensor 'model.layers.3.input_layernorm.weight', expected one of shape "
                        "[hidden_size] = [60] of config.json"));
  EXPECT_THAT(refusal("llama-odd", {{"num_hidden_layers", 16777216}}),
              testing::HasSubstr("has no tensor 'model.layers.3.input_layernorm.weight'"));
  EXPECT_THAT(
      refusal("llama-odd", {{"num_hidden_layers", 2}}),
      testing::EndsWith(": tensor 'model.layers.2.input_layernorm.weight' (and 8 others) has no place in "
                        "architecture 'LlamaForCausalLM' as config.json describes it"));
  EXPECT_THAT(refusal("llama-tied", {{"tie_word_embeddings", false}}),
              testing::HasSubstr("has no tensor 'lm_head.weight'"));
  EXPECT_THAT(
      refusal("llama-tied", {{"attention_bias", false}}),
      testing::HasSubstr("tensor 'model.layers.0.self_attn.k_proj.bias' (and 11 others) has no place"));
  EXPECT_THAT(refusal(GgufConversion("llama-odd").tensor("blk.0.attn_q_norm.weight", {1}, {1})),
              testing::HasSubstr("tensor 'blk.0.attn_q_norm.weight' (and 0 others) has no place"));
}

TEST(Refusal, OfElementTypesThatNoGraphComputesWith) {
  ChangedCheckpoint changed("mistral-window", {});
  changed.changeTensors([](std::string &name, json &description) {
    if (name == "model.norm.weight")
      description["dtype"] = "I32";
  });
  EXPECT_EQ(refusalOf(changed.path(), changed.path()),
            "model.safetensors: tensor 'model.norm.weight' has elements of type I32, which is not supported "
            "(supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, "
            "IQ4_XS, MXFP4)");
}

TEST(Refusal, OfOptionsThatTheGraphHasNot) {
  EXPECT_EQ(refusal("llama-odd", {{"hidden_act", "gelu"}}),
            "config.json: hidden_act is 'gelu', which is not supported (supported: 'silu')");
  EXPECT_EQ(refusal("llama-odd", {{"pretraining_tp", 2}}),
            "config.json: pretraining_tp is 2, which is not supported (supported: 1)");
  EXPECT_THAT(refusal("llama-odd", {{"quantization_config", {{"quant_method", "gptq"}}}}),
              testing::StartsWith("config.json: quantization_config is an object, which is not supported"));
  EXPECT_THAT(refusal("llama-odd", {{"sliding_window", 7}}),
              testing::StartsWith("config.json: sliding_window is 7, which is not supported"));
  EXPECT_EQ(refusal("llama-odd", {{"partial_rotary_factor", 0.5}}),
            "config.json: partial_rotary_factor is 0.5, which is not supported (supported: 1)");
  EXPECT_EQ(refusal("bert-odd", {{"position_embedding_type", "relative_key"}}),
            "config.json: position_embedding_type is 'relative_key', which is not supported "
            "(supported: 'absolute')");
  EXPECT_EQ(refusal("bert-odd", {{"is_decoder", true}}),
            "config.json: is_decoder is true, which is not supported (supported: false)");
  EXPECT_EQ(refusal("roberta-odd", {{"pad_token_id", nullptr}}),
            "config.json: pad_token_id is null, expected the id from which positions are counted");
  EXPECT_EQ(refusal("roberta-odd", {{"pad_token_id", 52}}),
            "config.json: pad_token_id is 52, expected at most max_position_embeddings (53) - 2: positions "
            "are counted from it");
  EXPECT_THAT(refusal("bert-odd", {{"hidden_act", "quick_gelu"}}),
              testing::StartsWith("config.json: hidden_act is 'quick_gelu', which is not supported"));
  EXPECT_EQ(refusal(GgufConversion("llama-odd").integer("expert_count", 8)),
            "m.gguf: llama.expert_used_count is missing, expected an integer from 1 to 16777216");
  EXPECT_EQ(refusal("llama-odd", {{"residual_multiplier", 0.22}}),
            "config.json: residual_multiplier is 0.22, which is not supported (supported: 1)");
  EXPECT_EQ(refusal(GgufConversion("llama-odd").number("logit_scale", 8)),
            "m.gguf: llama.logit_scale is 8, which is not supported (supported: 1)");
  EXPECT_EQ(refusal(GgufConversion("llama-odd").integer("attention.value_length", 10)),
            "m.gguf: llama.attention.value_length is 10, which is not supported (supported: 12)");
  EXPECT_THAT(refusal(GgufConversion("bert-odd").integer("pooling_type", 4)),
              testing::StartsWith("m.gguf: bert.pooling_type is 4 (rank), which is not supported"));
}

TEST(Refusal, OfWhatQwenHasNot) {
  EXPECT_EQ(refusal("qwen2-window", {{"use_sliding_window", false}}),
            "config.json: layer_types has 'sliding_attention' at index 1, expected a sliding_window that is "
            "in use");
  EXPECT_EQ(refusal("qwen2-window", {{"layer_types", {"full_attention"}}}),
            "config.json: layer_types is a list of 1 strings, expected one for each of 3 layers");
  EXPECT_EQ(refusal("qwen2-odd", {{"layer_types", {"full_attention", "linear_attention"}}}),
            "config.json: layer_types has 'linear_attention' at index 1, expected 'full_attention' or "
            "'sliding_attention'");
  EXPECT_EQ(refusal("qwen2-window", {{"sliding_window", 0}}),
            "config.json: sliding_window is 0, expected an integer from 1 to 16777216");
  EXPECT_EQ(refusal("qwen2-odd", {{"use_sliding_window", "no"}}),
            "config.json: use_sliding_window is 'no', expected true or false");
  EXPECT_EQ(refusal("qwen3-odd", {}, "head_dim"),
            "model.safetensors: tensor 'model.layers.0.self_attn.q_proj.weight' has shape [60, 44], expected "
            "[num_attention_heads * 128, hidden_size] = [768, 44] of config.json");
  EXPECT_THAT(refusal("qwen3-odd", {{"attention_bias", true}}),
              testing::HasSubstr("has no tensor 'model.layers.0.self_attn.q_proj.bias'"));
  EXPECT_THAT(refusal("qwen3-odd", {{"architectures", {"Qwen2ForCausalLM"}}}),
              testing::HasSubstr("has no tensor 'model.layers.0.self_attn.q_proj.bias'"));
  EXPECT_EQ(
      refusal(GgufConversion("qwen2-odd").integer("attention.sliding_window", 7)),
      "m.gguf: qwen2.attention.sliding_window is 7, which is not supported: GGUF files do not say which "
      "layers have it");
}

TEST(Refusal, OfWhatGemmaHasNot) {
  EXPECT_EQ(
      refusal("gemma2-odd", {{"hidden_activation", "gelu"}}),
      "config.json: hidden_activation is 'gelu', which is not supported (supported: 'gelu_pytorch_tanh')");
  EXPECT_EQ(
      refusal("gemma3-odd", {{"attn_logit_softcapping", 50.0}}),
      "config.json: attn_logit_softcapping is 50, which is not supported: attention has no soft limit in "
      "Gemma 3");
  EXPECT_EQ(refusal("gemma3-odd", {{"use_bidirectional_attention", true}}),
            "config.json: use_bidirectional_attention is true, which is not supported (supported: false)");
  EXPECT_EQ(refusal("gemma2-odd", {{"final_logit_softcapping", 0}}),
            "config.json: final_logit_softcapping is 0, expected a number from 0.001 to 1e+06");
  EXPECT_EQ(
      refusal("gemma2-odd", {{"sliding_window", nullptr}}),
      "config.json: layer_types has 'sliding_attention' at index 0, expected a sliding_window that is in "
      "use");
  EXPECT_EQ(refusal("gemma3-odd", {{"rope_parameters", {{"full_attention", "linear"}}}}),
            "config.json: rope_parameters.full_attention is 'linear', expected an object");
}

TEST(Refusal, OfWhatPhi3HasNot) {
  EXPECT_EQ(refusal("phi3-odd", {{"rope_scaling", {{"type", "longrope"}}}}, "rope_parameters"),
            "config.json: rope_scaling.short_factor is missing, expected a list of finite numbers");
  nlohmann::json longRope = {{"type", "longrope"}, {"short_factor", {1, 1, 1}}, {"long_factor", {1, 1, 1}}};
  EXPECT_EQ(
      refusal("phi3-odd", {{"rope_scaling", longRope}}, "rope_parameters"),
      "config.json: rope_scaling.short_factor is a list of 3 numbers, expected 6: half of the dimensions "
      "that rotate");
  longRope["short_factor"] = longRope["long_factor"] = {1, 1.5, 2, 0, 1, 1};
  EXPECT_EQ(refusal("phi3-odd", {{"rope_scaling", longRope}}, "rope_parameters"),
            "config.json: rope_scaling.short_factor has 0, expected numbers from 1e-06 to 1e+06");
  const std::string rotates = ", expected an even number above 0";
  EXPECT_EQ(refusal("phi3-odd", {{"rope_parameters", {{"partial_rotary_factor", 0.25}}}}),
            "config.json: 3 of 12 dimensions of a head ((hidden_size / num_attention_heads)) rotate" +
                rotates);
  EXPECT_EQ(refusal("phi3-odd", {{"rope_parameters", {{"partial_rotary_factor", 0}}}}),
            "config.json: 0 of 12 dimensions of a head ((hidden_size / num_attention_heads)) rotate" +
                rotates);
  EXPECT_EQ(refusal("phi3-odd", {{"rope_parameters", {{"partial_rotary_factor", 1.5}}}}),
            "config.json: rope_parameters.partial_rotary_factor is 1.5, expected a number from 0 to 1");
  EXPECT_EQ(
      refusal("phi3-odd", {{"num_key_value_heads", 5}}),
      "model.safetensors: tensor 'model.layers.0.self_attn.qkv_proj.weight' has shape [84, 60], expected "
      "[num_attention_heads * (hidden_size / num_attention_heads) + num_key_value_heads * (hidden_size / "
      "num_attention_heads) + num_key_value_heads * (hidden_size / num_attention_heads), hidden_size] = "
      "[180, 60] of config.json");
  EXPECT_EQ(refusal("phi3-odd", {{"attention_bias", true}}),
            "config.json: attention_bias is true, which is not supported (supported: false)");
  EXPECT_EQ(refusal(GgufConversion("phi3-odd").tensor("rope_factors_long.weight", {3}, {1, 1, 1})),
            "m.gguf: tensor 'rope_factors_long.weight' (and 0 others) has no place in architecture 'phi3' as "
            "m.gguf "
            "describes it");
}

TEST(Refusal, OfWhatGpt2HasNot) {
  EXPECT_EQ(
      refusal("gpt2-odd", {{"scale_attn_by_inverse_layer_idx", true}}),
      "config.json: scale_attn_by_inverse_layer_idx is true, which is not supported (supported: false)");
  EXPECT_EQ(refusal("gpt2-odd", {{"scale_attn_weights", false}}),
            "config.json: scale_attn_weights is false, which is not supported (supported: true)");
  EXPECT_EQ(
      refusal("gpt2-odd", {{"activation_function", "mish"}}),
      "config.json: activation_function is 'mish', which is not supported (supported: 'gelu', 'gelu_new', "
      "'gelu_pytorch_tanh', 'relu', 'silu', 'swish')");
  EXPECT_EQ(refusal("gpt2-odd", {{"n_head", 5}}),
            "config.json: n_head is 5, expected a divisor of n_embd (33)");
  EXPECT_EQ(refusal("gpt2-odd", {{"n_inner", 100}}),
            "model.safetensors: tensor 'transformer.h.0.mlp.c_fc.weight' has the transposed shape [132, 33], "
            "expected [n_inner, n_embd] = [100, 33] of config.json");
  EXPECT_EQ(refusal("gpt2-odd", {{"n_positions", 161}}),
            "model.safetensors: tensor 'transformer.wpe.weight' has shape [160, 33], expected [n_positions, "
            "n_embd] = [161, 33] of config.json");
  EXPECT_THAT(refusal("gpt2-odd", {{"tie_word_embeddings", false}}),
              testing::HasSubstr("has no tensor 'lm_head.weight'"));
  EXPECT_EQ(refusal(GgufConversion("gpt2-odd").integer("attention.head_count_kv", 1)),
            "m.gguf: gpt2.attention.head_count_kv is 1, which is not supported (supported: 3)");
}

TEST(Refusal, OfRopeScalings) {
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling", "linear"}}),
            "config.json: rope_scaling is 'linear', expected an object");
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling",
                                   {{"type", "llama3"},
                                    {"factor", 8},
                                    {"low_freq_factor", 4},
                                    {"high_freq_factor", 4},
                                    {"original_max_position_embeddings", 64}}}}),
            "config.json: rope_scaling.high_freq_factor is 4, expected more than low_freq_factor (4)");
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling", {{"rope_type", "proportional"}, {"factor", 2.0}}}}),
            "config.json: rope_scaling.rope_type is 'proportional', which is not supported "
            "(supported: default, dynamic, linear, llama3, yarn, longrope)");
  EXPECT_EQ(
      refusal("llama-odd", {{"rope_scaling", {{"type", "su"}}}}),
      "config.json: original_max_position_embeddings is missing, expected an integer from 1 to 16777216");
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling", {{"type", "linear"}}}}),
            "config.json: rope_scaling.factor is missing, expected a finite number");
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling", {{"type", "linear"}, {"factor", -1}}}}),
            "config.json: rope_scaling.factor is -1, expected a number from 1e-06 to 1e+06");
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"truncate", false}}}}),
            "config.json: rope_scaling.truncate is false, which is not supported (supported: true)");
  EXPECT_EQ(refusal(GgufConversion("llama-odd").text("rope.scaling.type", "longrope")),
            "m.gguf: llama.rope.scaling.type is 'longrope', which is not supported (supported: none, linear, "
            "yarn)");
  EXPECT_EQ(
      refusal(GgufConversion("llama-odd").tensor("rope_freqs.weight", {3}, {1, 1, 1})),
      "m.gguf: tensor 'rope_freqs.weight' is not F32 of shape [6], half of the 12 dimensions that rotate");
  EXPECT_EQ(refusal(GgufConversion("llama-odd").tensor("rope_freqs.weight", {6}, {1, 1, 0, 1, 1, 1})),
            "m.gguf: tensor 'rope_freqs.weight' has 0 at index 2, expected a number from 1e-06 to 1e+06");
  EXPECT_EQ(refusal(GgufConversion("llama-odd").integer("rope.dimension_count", 14)),
            "m.gguf: llama.rope.dimension_count is 14, expected an even number of at most the head size 12");
}

TEST(Refusal, OfFieldsThatMakeNoSense) {
  EXPECT_EQ(refusal("llama-odd", {}, "hidden_size"),
            "config.json: hidden_size is missing, expected an integer from 1 to 16777216");
  for (const auto &[value, shown] :
       std::vector<std::pair<json, std::string>>{{0, "0"},
                                                 {-5, "-5"},
                                                 {60.5, "60.5"},
                                                 {"60", "'60'"},
                                                 {int64_t(1) << 40, "1099511627776"},
                                                 {uint64_t(1) << 63, "9.22337e+18"},
                                                 {true, "true"},
                                                 {{60}, "a list of 1 integers"}})
    EXPECT_EQ(refusal("llama-odd", {{"hidden_size", value}}),
              "config.json: hidden_size is " + shown + ", expected an integer from 1 to 16777216");
  EXPECT_EQ(refusal("llama-odd", {{"num_attention_heads", 7}}),
            "config.json: num_attention_heads is 7, expected a divisor of hidden_size (60)");
  EXPECT_EQ(refusal("llama-odd", {{"num_key_value_heads", 2}}),
            "config.json: num_attention_heads is 5, expected a multiple of num_key_value_heads (2)");
  EXPECT_EQ(refusal("llama-odd", {{"rms_norm_eps", "small"}}),
            "config.json: rms_norm_eps is 'small', expected a finite number");
  EXPECT_EQ(refusal("llama-odd", {{"rms_norm_eps", -1.0}}),
            "config.json: rms_norm_eps is -1, expected a number from 0 to 1");
  EXPECT_EQ(refusal("llama-odd", {{"tie_word_embeddings", "no"}}),
            "config.json: tie_word_embeddings is 'no', expected true or false");
  EXPECT_EQ(refusal("llama-odd", {{"rope_theta", 0}}),
            "config.json: rope_theta is 0, expected a number from 1 to 1e+12");
  EXPECT_EQ(refusal("llama-odd", {{"rope_theta", 1e300}}),
            "config.json: rope_theta is 1e+300, expected a number from 1 to 1e+12");
  EXPECT_EQ(refusal("llama-odd", {{"attention_multiplier", 1e30}}),
            "config.json: attention_multiplier is 1e+30, expected a number from 1e-06 to 1e+06");
  EXPECT_EQ(refusal("llama-odd", {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 1e7}}}}),
            "config.json: rope_scaling.factor is 1e+07, expected a number from 1e-06 to 1e+06");
  EXPECT_EQ(refusal("llama-odd", {{"max_position_embeddings", 1 << 25}}),
            "config.json: max_position_embeddings is 33554432, expected an integer from 1 to 16777216");
  EXPECT_EQ(refusal("llama-odd", {{"num_hidden_layers", 1e9}}),
            "config.json: num_hidden_layers is 1e+09, expected an integer from 1 to 16777216");
}

} // namespace
