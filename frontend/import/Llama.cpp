//===- Llama.cpp - Llama, Mistral, SmolLM ------------------------------------------------------------===//
//
// Decoders with RMS norm, rotary embedding, grouped-query attention and a gated feed-forward network (Touvron
// et al., 2023; Jiang et al., 2023).
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/Family.h"
#include "frontend/import/GraphBuilder.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

struct LlamaConfig {
  Size layers, vocabulary, context, hidden, intermediate, heads, kvHeads, headDim;
  double epsilon;
  Rope rope;
  AttentionShape attention;
  Bias attentionBias, outputBias, mlpBias;
  bool tied;
};

/// Options that other models of this shape have, and that this graph has not.
void refuseUnknownOptions(Hyperparameters &fields) {
  fields.expect({"hidden_act", ""}, {std::string("silu")});
  fields.expect({"pretraining_tp", ""}, {int64_t(1)});
  fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
  fields.expect({"num_local_experts", "expert_count"}, {int64_t(0)});
  fields.expect({"", "use_parallel_residual"}, {false});
  fields.expect({"", "tensor_data_layout"}, {std::string("Meta AI original pth")});
  fields.expect({"embedding_multiplier", "embedding_scale"}, {1.0});
  fields.expect({"residual_multiplier", "residual_scale"}, {1.0});
  fields.expect({"logits_scaling", "logit_scale"}, {1.0});
  fields.refuse({"attn_logit_softcapping", "attn_logit_softcapping"}, "attention has no soft limit here");
  fields.refuse({"final_logit_softcapping", "final_logit_softcapping"}, "logits have no soft limit here");
}

std::optional<int64_t> readWindow(const Checkpoint &checkpoint, Hyperparameters &fields) {
  constexpr Name window = {"sliding_window", "attention.sliding_window"};
  if (checkpoint.architecture() == "LlamaForCausalLM") {
    fields.refuse(window, "only MistralForCausalLM has a sliding window");
    return {};
  }
  if (fields.has(window))
    return fields.size(window).value;
  // MistralConfig has a window unless it is told not to.
  if (checkpoint.architecture() == "MistralForCausalLM" && !fields.isNull(window))
    return 4096;
  return {};
}

void readHeads(Hyperparameters &fields, LlamaConfig &config) {
  constexpr Name heads = {"num_attention_heads", "attention.head_count"};
  constexpr Name kvHeads = {"num_key_value_heads", "attention.head_count_kv"};
  constexpr Name headDim = {"head_dim", "attention.key_length"};
  config.heads = fields.size(heads);
  config.kvHeads = fields.sizeOr(kvHeads, config.heads);
  if (config.heads.value % config.kvHeads.value != 0)
    fields.fail(heads, absl::StrCat("is ", config.heads.value, ", expected a multiple of ",
                                    fields.nameOf(kvHeads), " (", config.kvHeads.value, ")"));
  if (!fields.has(headDim) && config.hidden.value % config.heads.value != 0)
    fields.fail(heads, absl::StrCat("is ", config.heads.value, ", expected a divisor of ",
                                    config.hidden.meaning, " (", config.hidden.value, ")"));
  config.headDim =
      fields.sizeOr(headDim, {config.hidden.value / config.heads.value,
                              absl::StrCat("(", config.hidden.meaning, " / ", config.heads.meaning, ")")});
  fields.expect({"", "attention.value_length"}, {config.headDim.value});
}

LlamaConfig readConfig(const Checkpoint &checkpoint, Hyperparameters &fields, MLIRContext *context) {
  LlamaConfig config;
  bool huggingFace = fields.format() == Format::HuggingFace;
  config.layers = fields.size({"num_hidden_layers", "block_count"});
  config.hidden = fields.size({"hidden_size", "embedding_length"});
  config.intermediate = fields.size({"intermediate_size", "feed_forward_length"});
  config.context = fields.size({"max_position_embeddings", "context_length"});
  readHeads(fields, config);
  config.epsilon = huggingFace ? fields.epsilon({"rms_norm_eps", ""}, 1e-6)
                               : fields.epsilon({"", "attention.layer_norm_rms_epsilon"});
  config.rope = readRope(checkpoint, fields, config.headDim, nn::RopeStyle::Interleaved, context);
  double scale = fields.numberIn({"attention_multiplier", "attention.scale"}, 1e-6, 1e6,
                                 1 / std::sqrt(double(config.headDim.value)));
  config.attention = {config.heads.value, config.kvHeads.value, scale, /*causal=*/true,
                      readWindow(checkpoint, fields)};
  refuseUnknownOptions(fields);

  // GGUF files have no fields for these: the tensors are there or not.
  auto present = [&](const char *name) { return checkpoint.find(name) ? Bias::Yes : Bias::No; };
  auto flag = [&](const char *name) { return fields.flagOr({name, ""}, false) ? Bias::Yes : Bias::No; };
  config.attentionBias = huggingFace ? flag("attention_bias") : present("blk.0.attn_q.bias");
  config.outputBias = huggingFace ? config.attentionBias : present("blk.0.attn_output.bias");
  config.mlpBias = huggingFace ? flag("mlp_bias") : present("blk.0.ffn_gate.bias");
  config.tied =
      huggingFace ? fields.flagOr({"tie_word_embeddings", ""}, false) : !checkpoint.find("output.weight");
  const StoredTensor *table =
      checkpoint.find(huggingFace ? "model.embed_tokens.weight" : "token_embd.weight");
  config.vocabulary = fields.sizeOr({"vocab_size", "vocab_size"}, table && !table->shape.empty()
                                                                      ? Size{table->shape[0], "vocabulary"}
                                                                      : Size{1, "vocabulary"});
  return config;
}

Value buildAttention(GraphBuilder &graph, const LlamaConfig &config, Value x, Value positions) {
  Size queryWidth = config.heads * config.headDim, keyWidth = config.kvHeads * config.headDim;
  Bias bias = config.attentionBias;
  Value query = graph.linear(x, {"self_attn.q_proj", "attn_q"}, queryWidth, config.hidden, bias);
  Value key = graph.linear(x, {"self_attn.k_proj", "attn_k"}, keyWidth, config.hidden, bias);
  Value value = graph.linear(x, {"self_attn.v_proj", "attn_v"}, keyWidth, config.hidden, bias);
  query = graph.rope(query, positions, config.heads.value, config.rope);
  key = graph.rope(key, positions, config.kvHeads.value, config.rope);
  Value mixed = graph.attention(query, key, value, config.attention);
  return graph.linear(mixed, {"self_attn.o_proj", "attn_output"}, config.hidden, queryWidth,
                      config.outputBias);
}

Value buildMlp(GraphBuilder &graph, const LlamaConfig &config, Value x) {
  Bias bias = config.mlpBias;
  Value gate = graph.linear(x, {"mlp.gate_proj", "ffn_gate"}, config.intermediate, config.hidden, bias);
  Value up = graph.linear(x, {"mlp.up_proj", "ffn_up"}, config.intermediate, config.hidden, bias);
  Value gated = graph.multiply(graph.silu(gate), up);
  return graph.linear(gated, {"mlp.down_proj", "ffn_down"}, config.hidden, config.intermediate, bias);
}

Value buildLayer(GraphBuilder &graph, const LlamaConfig &config, Value x, Value positions) {
  Value normed = graph.rmsNorm(x, {"input_layernorm", "attn_norm"}, config.hidden, config.epsilon);
  x = graph.add(x, buildAttention(graph, config, normed, positions));
  normed = graph.rmsNorm(x, {"post_attention_layernorm", "ffn_norm"}, config.hidden, config.epsilon);
  return graph.add(x, buildMlp(graph, config, normed));
}

absl::StatusOr<Graph> buildLlama(const Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  LlamaConfig config = readConfig(checkpoint, fields, context);
  if (!fields.ok())
    return fields.status();

  GraphBuilder graph(checkpoint, fields, context, {"tokens", "positions", "output_ids"});
  constexpr Name embeddings = {"model.embed_tokens", "token_embd"};
  Value positions = graph.input(1);
  Value x = graph.embedding(graph.input(0), embeddings, config.vocabulary, config.hidden);
  for (int64_t i = 0; i < config.layers.value && graph.ok(); ++i)
    x = graph.layer(i, {"model.layers.", "blk."}, {x, positions},
                    [&](ValueRange inputs) { return buildLayer(graph, config, inputs[0], inputs[1]); });
  x = graph.selectRows(x, graph.input(2));
  x = graph.rmsNorm(x, {"model.norm", "output_norm"}, config.hidden, config.epsilon);
  Value logits =
      graph.linear(x, config.tied ? embeddings : Name{"lm_head", "output"}, config.vocabulary, config.hidden);

  graph.ignoreTensors({kRopeFactorsTensor, "*.rotary_emb.inv_freq"});
  if (config.tied)
    graph.ignoreTensors({"lm_head.weight"});
  absl::StatusOr<OwningOpRef<ModuleOp>> module = graph.finish(logits);
  if (!module.ok())
    return module.status();
  return Graph{std::move(*module),
               {config.vocabulary.value, config.context.value, config.hidden.value, config.layers.value}};
}

constexpr llvm::StringLiteral kHuggingFace[] = {"LlamaForCausalLM", "MistralForCausalLM"};
constexpr llvm::StringLiteral kGguf[] = {"llama"};

} // namespace

const Family llmc::frontend::kLlama = {"llama", ModelKind::Generate, kHuggingFace, kGguf, buildLlama};
