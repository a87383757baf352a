//===- GatedDecoder.cpp - Llama and the decoders that follow it --------------------------------------===//

#include "frontend/import/GatedDecoder.h"
#include "absl/strings/str_cat.h"
#include "runtime/io/Message.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

/// Options that other models of this shape have, and that this graph has not.
void refuseUnknownOptions(Hyperparameters &fields, const GatedDecoderReading &reading) {
  const std::string silu = "silu", gelu = "gelu", geluTanh = "gelu_pytorch_tanh";
  if (reading.activation == Activation::Silu) {
    fields.expect({"hidden_act", ""}, {silu});
  } else {
    // The first files of Gemma say gelu and mean its tanh form.
    fields.expect({"hidden_act", ""}, {gelu, geluTanh});
    fields.expect({"hidden_activation", ""}, {geluTanh});
  }
  fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
  if (!reading.experts)
    fields.expect({"num_local_experts", "expert_count"}, {int64_t(0)});
  fields.expect({"", "use_parallel_residual"}, {false});
  fields.expect({"", "tensor_data_layout"}, {std::string("Meta AI original pth")});
  fields.expect({"embedding_multiplier", "embedding_scale"}, {1.0});
  fields.expect({"residual_multiplier", "residual_scale"}, {1.0});
  fields.expect({"logits_scaling", "logit_scale"}, {1.0});
  if (reading.softcaps)
    return;
  fields.refuse({"attn_logit_softcapping", "attn_logit_softcapping"}, "attention has no soft limit here");
  fields.refuse({"final_logit_softcapping", "final_logit_softcapping"}, "logits have no soft limit here");
}

void readHeads(Hyperparameters &fields, std::optional<int64_t> missingHeadDim, GatedDecoder &decoder) {
  constexpr Name heads = {"num_attention_heads", "attention.head_count"};
  constexpr Name kvHeads = {"num_key_value_heads", "attention.head_count_kv"};
  constexpr Name headDim = {"head_dim", "attention.key_length"};
  decoder.heads = fields.size(heads);
  decoder.kvHeads = fields.sizeOr(kvHeads, decoder.heads);
  if (decoder.heads.value % decoder.kvHeads.value != 0)
    fields.fail(heads, absl::StrCat("is ", decoder.heads.value, ", expected a multiple of ",
                                    fields.nameOf(kvHeads), " (", decoder.kvHeads.value, ")"));
  if (missingHeadDim && fields.format() == Format::HuggingFace) {
    decoder.headDim = fields.sizeOr(headDim, {*missingHeadDim, absl::StrCat(*missingHeadDim)});
    return;
  }
  if (!fields.has(headDim) && decoder.hidden.value % decoder.heads.value != 0)
    fields.fail(heads, absl::StrCat("is ", decoder.heads.value, ", expected a divisor of ",
                                    decoder.hidden.meaning, " (", decoder.hidden.value, ")"));
  decoder.headDim =
      fields.sizeOr(headDim, {decoder.hidden.value / decoder.heads.value,
                              absl::StrCat("(", decoder.hidden.meaning, " / ", decoder.heads.meaning, ")")});
  fields.expect({"", "attention.value_length"}, {decoder.headDim.value});
}

struct Projections {
  Value query, key, value;
};

Projections buildProjections(GraphBuilder &graph, const GatedDecoder &decoder, Value x) {
  Size queryWidth = decoder.heads * decoder.headDim, keyWidth = decoder.kvHeads * decoder.headDim;
  Bias bias = decoder.attentionBias;
  if (decoder.mergedWeights) {
    Value merged = graph.linear(x, {"self_attn.qkv_proj", "attn_qkv"}, queryWidth + keyWidth + keyWidth,
                                decoder.hidden, bias);
    SmallVector<Value> parts = graph.split(merged, {queryWidth.value, keyWidth.value, keyWidth.value});
    return {parts[0], parts[1], parts[2]};
  }
  const int64_t heads = decoder.neighboursInGguf ? decoder.heads.value : 0;
  const int64_t kvHeads = decoder.neighboursInGguf ? decoder.kvHeads.value : 0;
  return {graph.linear(x, {"self_attn.q_proj", "attn_q"}, queryWidth, decoder.hidden, bias, heads),
          graph.linear(x, {"self_attn.k_proj", "attn_k"}, keyWidth, decoder.hidden, bias, kvHeads),
          graph.linear(x, {"self_attn.v_proj", "attn_v"}, keyWidth, decoder.hidden, bias)};
}

Value buildNorm(GraphBuilder &graph, const GatedDecoder &decoder, Value x, Name name, const Size &width) {
  return graph.rmsNorm(x, name, width, decoder.epsilon, decoder.normWeight);
}

Value buildAttention(GraphBuilder &graph, const GatedDecoder &decoder, bool windowed, Value x,
                     Value positions) {
  AttentionShape shape = decoder.attention;
  if (!windowed)
    shape.window.reset();
  const Rope &rope = windowed && decoder.windowRope ? *decoder.windowRope : decoder.rope;
  auto [query, key, value] = buildProjections(graph, decoder, x);
  if (decoder.headNorms) {
    query = buildNorm(graph, decoder, query, {"self_attn.q_norm", "attn_q_norm"}, decoder.headDim);
    key = buildNorm(graph, decoder, key, {"self_attn.k_norm", "attn_k_norm"}, decoder.headDim);
  }
  query = graph.rope(query, positions, decoder.heads.value, rope);
  key = graph.rope(key, positions, decoder.kvHeads.value, rope);
  Value mixed = graph.attention(query, key, value, shape);
  return graph.linear(mixed, {"self_attn.o_proj", "attn_output"}, decoder.hidden,
                      decoder.heads * decoder.headDim, decoder.outputBias);
}

Value buildMlp(GraphBuilder &graph, const GatedDecoder &decoder, int64_t layer, Value x) {
  if (decoder.experts && (decoder.experts->layers.empty() || decoder.experts->layers[layer]))
    return buildExperts(graph, *decoder.experts, decoder.hidden, x);
  const Size &hidden = decoder.hidden, &intermediate = decoder.intermediate;
  Bias bias = decoder.mlpBias;
  Value gate, up;
  if (decoder.mergedWeights) {
    Value merged = graph.linear(x, {"mlp.gate_up_proj", "ffn_up"}, Size{2, "2"} * intermediate, hidden, bias);
    SmallVector<Value> parts = graph.split(merged, {intermediate.value, intermediate.value});
    gate = parts[0];
    up = parts[1];
  } else {
    gate = graph.linear(x, {"mlp.gate_proj", "ffn_gate"}, intermediate, hidden, bias);
    up = graph.linear(x, {"mlp.up_proj", "ffn_up"}, intermediate, hidden, bias);
  }
  Value gated = graph.multiply(graph.activate(gate, decoder.activation), up);
  return graph.linear(gated, {"mlp.down_proj", "ffn_down"}, hidden, intermediate, bias);
}

Value buildLayer(GraphBuilder &graph, const GatedDecoder &decoder, int64_t index, Value x, Value positions) {
  constexpr Name mlpNorm = {"post_attention_layernorm", "ffn_norm"},
                 mlpNormOfFour = {"pre_feedforward_layernorm", "ffn_norm"};
  auto norm = [&](Value value, Name name) { return buildNorm(graph, decoder, value, name, decoder.hidden); };
  const bool windowed = decoder.windowedLayers.empty() || decoder.windowedLayers[index];
  Value normed = norm(x, {"input_layernorm", "attn_norm"});
  Value attended = buildAttention(graph, decoder, windowed, normed, positions);
  if (decoder.outputNorms)
    attended = norm(attended, {"post_attention_layernorm", "post_attention_norm"});
  x = graph.add(x, attended);
  normed = norm(x, decoder.outputNorms ? mlpNormOfFour : mlpNorm);
  Value transformed = buildMlp(graph, decoder, index, normed);
  if (decoder.outputNorms)
    transformed = norm(transformed, {"post_feedforward_layernorm", "post_ffw_norm"});
  return graph.add(x, transformed);
}

} // namespace

GatedDecoder llmc::frontend::readGatedDecoder(const Checkpoint &checkpoint, Hyperparameters &fields,
                                              const GatedDecoderReading &reading, MLIRContext *context) {
  GatedDecoder decoder;
  bool huggingFace = fields.format() == Format::HuggingFace;
  decoder.layers = fields.size({"num_hidden_layers", "block_count"});
  decoder.hidden = fields.size({"hidden_size", "embedding_length"});
  decoder.intermediate = fields.size({"intermediate_size", "feed_forward_length"});
  decoder.context = fields.size({"max_position_embeddings", "context_length"});
  readHeads(fields, reading.headDim, decoder);
  decoder.epsilon = huggingFace ? fields.epsilon({"rms_norm_eps", ""}, 1e-6)
                                : fields.epsilon({"", "attention.layer_norm_rms_epsilon"});
  decoder.rope = readRope(checkpoint, fields, decoder.headDim, reading.rope, context);
  if (decoder.rope.context)
    decoder.context.value = *decoder.rope.context;
  decoder.neighboursInGguf = reading.rope.ggufStyle == nn::RopeStyle::Interleaved;
  decoder.activation = reading.activation;
  double scale = fields.numberIn({"attention_multiplier", "attention.scale"}, 1e-6, 1e6,
                                 1 / std::sqrt(double(decoder.headDim.value)));
  decoder.attention = {decoder.heads.value, decoder.kvHeads.value, scale, /*causal=*/true, /*window=*/{}};
  refuseUnknownOptions(fields, reading);
  decoder.tied = huggingFace ? fields.flagOr({"tie_word_embeddings", ""}, reading.tied)
                             : !checkpoint.find("output.weight");
  const StoredTensor *table =
      checkpoint.find(huggingFace ? "model.embed_tokens.weight" : "token_embd.weight");
  decoder.vocabulary = fields.sizeOr({"vocab_size", "vocab_size"}, table && !table->shape.empty()
                                                                       ? Size{table->shape[0], "vocabulary"}
                                                                       : Size{1, "vocabulary"});
  return decoder;
}

void llmc::frontend::readWindowedLayers(Hyperparameters &fields, GatedDecoder &decoder,
                                        llvm::function_ref<bool(size_t layer)> isWindowed) {
  constexpr Name layerTypes = {"layer_types", ""};
  const size_t layers = decoder.layers.value;
  std::vector<std::string> types = fields.textsOr(layerTypes, {});
  if (!types.empty() && types.size() != layers)
    fields.fail(layerTypes, absl::StrCat("is a list of ", types.size(), " strings, expected one for each of ",
                                         layers, " layers"));
  for (size_t i = 0; i < layers && fields.ok(); ++i) {
    bool windowed = decoder.attention.window && isWindowed(i);
    if (!types.empty()) {
      windowed = types[i] == "sliding_attention";
      if (!windowed && types[i] != "full_attention")
        fields.fail(layerTypes, absl::StrCat("has ", io::quote(types[i]), " at index ", i,
                                             ", expected 'full_attention' or 'sliding_attention'"));
      if (windowed && !decoder.attention.window)
        fields.fail(layerTypes, absl::StrCat("has 'sliding_attention' at index ", i,
                                             ", expected a sliding_window that is in use"));
    }
    decoder.windowedLayers.push_back(windowed);
  }
}

absl::StatusOr<Graph> llmc::frontend::buildGatedDecoder(Checkpoint &checkpoint, Hyperparameters &fields,
                                                        const GatedDecoder &decoder, MLIRContext *context) {
  if (!fields.ok())
    return fields.status();
  // Models that never had a head have names without the part that it stands beside.
  if (!checkpoint.wantsHead() && checkpoint.find("embed_tokens.weight"))
    checkpoint.addPrefix("model.");
  GraphBuilder graph(checkpoint, fields, context, {"tokens", "positions", "output_ids"});
  constexpr Name embeddings = {"model.embed_tokens", "token_embd"};
  Value positions = graph.input(1);
  Value x = graph.embedding(graph.input(0), embeddings, decoder.vocabulary, decoder.hidden);
  if (decoder.scaledEmbeddings)
    x = graph.scale(x, std::sqrt(double(decoder.hidden.value)));
  for (int64_t i = 0; i < decoder.layers.value && graph.ok(); ++i)
    x = graph.layer(i, {"model.layers.", "blk."}, {x, positions},
                    [&](ValueRange inputs) { return buildLayer(graph, decoder, i, inputs[0], inputs[1]); });
  x = graph.selectRows(x, graph.input(2));
  x = buildNorm(graph, decoder, x, {"model.norm", "output_norm"}, decoder.hidden);
  if (checkpoint.wantsHead()) {
    x = graph.linear(x, decoder.tied ? embeddings : Name{"lm_head", "output"}, decoder.vocabulary,
                     decoder.hidden);
    if (decoder.logitCap)
      x = graph.softcap(x, *decoder.logitCap);
  } else {
    graph.ignoreTensors({"output.weight", "lm_head.weight"});
  }

  graph.ignoreTensors({kRopeFactorsTensor, "*.rotary_emb.inv_freq"});
  if (decoder.rope.context)
    graph.ignoreTensors({kShortFactorsTensor, kLongFactorsTensor});
  if (decoder.tied)
    graph.ignoreTensors({"lm_head.weight"});
  absl::StatusOr<OwningOpRef<ModuleOp>> module = graph.finish(x);
  if (!module.ok())
    return module.status();
  Description description = decoder.own;
  describeGatedDecoder(decoder, description);
  description.tensors = graph.tensors();
  Graph built{std::move(*module),
              {decoder.vocabulary.value, decoder.context.value, decoder.hidden.value, decoder.layers.value},
              std::move(description)};
  built.definition = defineGatedDecoder(decoder);
  if (!checkpoint.wantsHead())
    makeEmbedder(built);
  return built;
}
