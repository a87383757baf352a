#ifndef LLMC_TEST_UNIT_IMPORT_GGUFCONVERSION_H
#define LLMC_TEST_UNIT_IMPORT_GGUFCONVERSION_H

#include "frontend/safetensors/Checkpoint.h"
#include "test/unit/gguf/GgufWriter.h"
#include "test/unit/import/ImportTest.h"

namespace llmc::frontend::testing {

/// A checkpoint of test/e2e/golden as the GGUF file that llama.cpp's converter makes of it: tensors renamed,
/// in f32, GPT-2's matrices transposed, and for Llama the rows of each head of q and k reordered from (first
/// half, second half) to neighbours.
class GgufConversion {
public:
  /// `changes` of config.json as a merge patch (RFC 7396).
  explicit GgufConversion(const std::string &checkpoint,
                          const nlohmann::json &changes = nlohmann::json::object())
      : config(nlohmann::json::parse(std::ifstream(goldenFolder + checkpoint + "/config.json"))),
        prefix(architectureOf(config["model_type"]) + ".") {
    config.merge_patch(changes);
    auto opened = safetensors::Checkpoint::open(goldenFolder + checkpoint);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    writer.stringEntry("general.architecture", prefix.substr(0, prefix.size() - 1));
    if (prefix == "gpt2.") {
      addGpt2(*opened);
      return;
    }
    if (prefix == "t5.") {
      addT5(*opened);
      return;
    }
    u32("block_count", "num_hidden_layers");
    integer("context_length", config["max_position_embeddings"].get<uint32_t>() - unusedPositions());
    u32("embedding_length", "hidden_size");
    u32("feed_forward_length", "intermediate_size");
    u32("attention.head_count", "num_attention_heads");
    if (prefix == "bert.")
      addBert(*opened);
    else
      addGatedDecoder(*opened);
  }

  GgufConversion &number(const std::string &key, float value) {
    writer.entry(prefix + key, 6, gguf::testing::Bytes().number(value).content);
    return *this;
  }
  GgufConversion &integer(const std::string &key, uint32_t value) {
    writer.u32Entry(prefix + key, value);
    return *this;
  }
  GgufConversion &text(const std::string &key, const std::string &value) {
    writer.stringEntry(prefix + key, value);
    return *this;
  }
  GgufConversion &tensor(const std::string &name, std::vector<uint64_t> shape,
                         const std::vector<float> &values) {
    std::reverse(shape.begin(), shape.end());
    writer.tensors.push_back({name, shape, /*type=*/0, writer.data.size()});
    gguf::testing::Bytes bytes;
    for (float value : values)
      bytes.number(value);
    writer.data += bytes.alignTo(writer.alignment).content;
    return *this;
  }

  std::string file() const { return writer.file(); }

  /// The same as `count` files, of which the first has all metadata.
  std::vector<std::string> parts(size_t count) const {
    std::vector<gguf::testing::GgufWriter> files(count);
    files[0].entries = writer.entries;
    for (size_t part = 0; part < count; ++part) {
      files[part].u32Entry("split.no", part).u32Entry("split.count", count);
      files[part].u32Entry("split.tensors.count", writer.tensors.size());
    }
    for (size_t i = 0; i < writer.tensors.size(); ++i) {
      gguf::testing::GgufWriter &file = files[i % count];
      const size_t begin = writer.tensors[i].offset;
      const size_t end = i + 1 < writer.tensors.size() ? writer.tensors[i + 1].offset : writer.data.size();
      file.tensors.push_back(writer.tensors[i]);
      file.tensors.back().offset = file.data.size();
      file.data += writer.data.substr(begin, end - begin);
    }
    std::vector<std::string> contents;
    for (const gguf::testing::GgufWriter &file : files)
      contents.push_back(file.file());
    return contents;
  }

  nlohmann::json config;

private:
  using Renaming = std::vector<std::pair<std::string, std::string>>;

  void u32(const std::string &key, const char *field) { integer(key, config[field].get<uint32_t>()); }

  /// Mistral is Llama in GGUF, and XLM-RoBERTa is BERT.
  static std::string architectureOf(const std::string &type) {
    return type == "mistral"       ? "llama"
           : type == "gemma3_text" ? "gemma3"
           : type == "xlm-roberta" ? "bert"
                                   : type;
  }
  /// Rows of XLM-RoBERTa's table of positions that no token has; its converter leaves them out.
  uint32_t unusedPositions() const {
    return config["model_type"] == "xlm-roberta" ? config["pad_token_id"].get<uint32_t>() + 1 : 0;
  }
  bool isGemma() const { return prefix.rfind("gemma", 0) == 0; }

  void addGatedDecoder(const safetensors::Checkpoint &source) {
    u32("attention.head_count_kv", "num_key_value_heads");
    number("attention.layer_norm_rms_epsilon", config["rms_norm_eps"]);
    const nlohmann::json &parameters =
        config.contains("rope_parameters") ? config["rope_parameters"] : config;
    const nlohmann::json &rope =
        parameters.contains("full_attention") ? parameters["full_attention"] : parameters;
    number("rope.freq_base", rope["rope_theta"]);
    if (config.contains("head_dim"))
      integer("attention.key_length", config["head_dim"])
          .integer("attention.value_length", config["head_dim"]);
    if (rope.contains("partial_rotary_factor")) {
      uint32_t headDim =
          config["hidden_size"].get<uint32_t>() / config["num_attention_heads"].get<uint32_t>();
      integer("rope.dimension_count",
              static_cast<uint32_t>(headDim * rope["partial_rotary_factor"].get<double>()));
    }
    if (config.contains("sliding_window") && prefix != "qwen2." && prefix != "qwen3.")
      u32("attention.sliding_window", "sliding_window");
    if (isGemma())
      addGemmaFields(rope);
    Renaming names = {{"model.layers.", "blk."},
                      {"self_attn.q_norm", "attn_q_norm"},
                      {"self_attn.k_norm", "attn_k_norm"},
                      {"self_attn.qkv_proj", "attn_qkv"},
                      {"mlp.gate_up_proj", "ffn_up"},
                      {"self_attn.q_proj", "attn_q"},
                      {"self_attn.k_proj", "attn_k"},
                      {"self_attn.v_proj", "attn_v"},
                      {"self_attn.o_proj", "attn_output"},
                      {"mlp.gate_proj", "ffn_gate"},
                      {"mlp.up_proj", "ffn_up"},
                      {"mlp.down_proj", "ffn_down"},
                      {"post_attention_layernorm", "ffn_norm"},
                      {"input_layernorm", "attn_norm"},
                      {"model.embed_tokens", "token_embd"},
                      {"model.norm", "output_norm"},
                      {"lm_head", "output"}};
    if (isGemma() && prefix != "gemma.")
      names.insert(names.begin(), {{"post_attention_layernorm", "post_attention_norm"},
                                   {"pre_feedforward_layernorm", "ffn_norm"},
                                   {"post_feedforward_layernorm", "post_ffw_norm"}});
    addTensors(source, names);
  }

  void addGemmaFields(const nlohmann::json &rope) {
    for (const char *cap : {"attn_logit_softcapping", "final_logit_softcapping"})
      if (config.contains(cap) && !config[cap].is_null())
        number(cap, config[cap]);
    if (rope.contains("factor"))
      text("rope.scaling.type", "linear").number("rope.scaling.factor", rope["factor"]);
    if (prefix == "gemma3.")
      number("rope.freq_base_swa", config["rope_parameters"]["sliding_attention"]["rope_theta"]);
  }

  void addBert(const safetensors::Checkpoint &source) {
    number("attention.layer_norm_epsilon", config["layer_norm_eps"]);
    if (unusedPositions() != 0)
      writer.u32Entry("tokenizer.ggml.token_type_count", config["type_vocab_size"].get<uint32_t>());
    const Renaming names = {{"encoder.layer.", "blk."},
                            {"attention.self.query", "attn_q"},
                            {"attention.self.key", "attn_k"},
                            {"attention.self.value", "attn_v"},
                            {"attention.output.dense", "attn_output"},
                            {"attention.output.LayerNorm", "attn_output_norm"},
                            {"intermediate.dense", "ffn_up"},
                            {"output.dense", "ffn_down"},
                            {"output.LayerNorm", "layer_output_norm"},
                            {"embeddings.word_embeddings", "token_embd"},
                            {"embeddings.position_embeddings", "position_embd"},
                            {"embeddings.token_type_embeddings", "token_types"},
                            {"embeddings.LayerNorm", "token_embd_norm"}};
    addTensors(source, names);
  }

  void addGpt2(const safetensors::Checkpoint &source) {
    u32("block_count", "n_layer");
    u32("context_length", "n_positions");
    u32("embedding_length", "n_embd");
    integer("feed_forward_length", 4 * config["n_embd"].get<uint32_t>());
    u32("attention.head_count", "n_head");
    number("attention.layer_norm_epsilon", config["layer_norm_epsilon"]);
    const Renaming names = {{"transformer.", ""},        {"h.", "blk."},
                            {"ln_1", "attn_norm"},       {"ln_2", "ffn_norm"},
                            {"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"},
                            {"mlp.c_fc", "ffn_up"},      {"mlp.c_proj", "ffn_down"},
                            {"ln_f", "output_norm"},     {"wte", "token_embd"},
                            {"wpe", "position_embd"}};
    addTensors(source, names);
  }

  void addT5(const safetensors::Checkpoint &source) {
    u32("block_count", "num_layers");
    u32("decoder_block_count", "num_decoder_layers");
    u32("context_length", "n_positions");
    u32("embedding_length", "d_model");
    u32("feed_forward_length", "d_ff");
    u32("attention.head_count", "num_heads");
    u32("attention.key_length", "d_kv");
    u32("attention.value_length", "d_kv");
    u32("attention.relative_buckets_count", "relative_attention_num_buckets");
    u32("decoder_start_token_id", "decoder_start_token_id");
    number("attention.layer_norm_epsilon", config["layer_norm_epsilon"]);
    number("attention.layer_norm_rms_epsilon", config["layer_norm_epsilon"]);
    const Renaming names = {{"encoder.block.", "enc.blk."},
                            {"decoder.block.", "dec.blk."},
                            {"encoder.final_layer_norm", "enc.output_norm"},
                            {"decoder.final_layer_norm", "dec.output_norm"},
                            {"layer.0.SelfAttention.relative_attention_bias", "attn_rel_b"},
                            {"layer.0.SelfAttention.", "attn_"},
                            {"layer.0.layer_norm", "attn_norm"},
                            {"layer.1.EncDecAttention.", "cross_attn_"},
                            {"layer.1.DenseReluDense", "ffn"},
                            {"layer.2.DenseReluDense", "ffn"},
                            {"layer.2.layer_norm", "ffn_norm"},
                            {"ffn.wi_0", "ffn_gate"},
                            {"ffn.wi_1", "ffn_up"},
                            {"ffn.wi", "ffn_up"},
                            {"ffn.wo", "ffn_down"},
                            {"shared", "token_embd"},
                            {"lm_head", "output"}};
    addTensors(source, names);
  }

  void addTensors(const safetensors::Checkpoint &source, const Renaming &names) {
    for (const safetensors::Located &located : source.tensors()) {
      const safetensors::Tensor &stored = *located.tensor;
      std::string name = stored.name;
      if (name.rfind("pooler.", 0) == 0)
        continue;
      for (const auto &[from, to] : names)
        if (size_t at = name.find(from); at != std::string::npos)
          name.replace(at, from.size(), to);
      // The second norm is that of cross attention in a decoder.
      if (size_t at = name.find("layer.1.layer_norm"); at != std::string::npos)
        name.replace(at, std::strlen("layer.1.layer_norm"), name[0] == 'd' ? "cross_attn_norm" : "ffn_norm");
      std::vector<float> values(stored.elements());
      blocks::dequantize(*stored.weightFormat(), stored.bytes.data(), stored.elements(), values.data());
      if (prefix == "llama." && name.find("attn_q.") != std::string::npos)
        values = interleaved(values, config["num_attention_heads"], stored.shape[0]);
      if (prefix == "llama." && name.find("attn_k.") != std::string::npos)
        values = interleaved(values, config["num_key_value_heads"], stored.shape[0]);
      if (isGemma() && name.find("norm") != std::string::npos)
        for (float &value : values)
          value += 1;
      std::vector<uint64_t> shape(stored.shape.begin(), stored.shape.end());
      if (name == "position_embd.weight") {
        shape[0] -= unusedPositions();
        values.erase(values.begin(), values.begin() + unusedPositions() * shape[1]);
      }
      if (prefix == "gpt2." && stored.name.find(".c_") != std::string::npos && shape.size() == 2) {
        values = transposed(values, shape[0], shape[1]);
        std::swap(shape[0], shape[1]);
      }
      tensor(name, shape, values);
    }
  }

  static std::vector<float> transposed(const std::vector<float> &values, size_t rows, size_t columns) {
    std::vector<float> result;
    for (size_t column = 0; column < columns; ++column)
      for (size_t row = 0; row < rows; ++row)
        result.push_back(values[row * columns + column]);
    return result;
  }

  static std::vector<float> interleaved(const std::vector<float> &values, size_t heads, size_t rows) {
    size_t width = values.size() / rows, headDim = rows / heads;
    std::vector<float> result;
    for (size_t head = 0; head < heads; ++head)
      for (size_t i = 0; i < headDim; ++i) {
        size_t row = head * headDim + (i % 2) * headDim / 2 + i / 2;
        result.insert(result.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
      }
    return result;
  }

  std::string prefix;
  gguf::testing::GgufWriter writer;
};

} // namespace llmc::frontend::testing

#endif // LLMC_TEST_UNIT_IMPORT_GGUFCONVERSION_H
