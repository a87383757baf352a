//===- T5.cpp - T5, its version 1.1, Flan-T5 and mT5 --------------------------------------------------===//
//
// An encoder and a decoder with RMS norm before each part, a learned bias for each range of distances instead
// of positions, and products of queries and keys that are not scaled (Raffel et al., 2020). Version 1.1 has a
// gated feed-forward network and a head of its own (Shazeer, 2020).
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/import/DefineLayers.h"
#include "frontend/import/EncoderDecoder.h"
#include "runtime/io/Message.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Name kTable = {"shared", "token_embd"}, kHead = {"lm_head", "output"};
constexpr Name kNormOfSelf = {"layer.0.layer_norm", "attn_norm"},
               kNormOfCross = {"layer.1.layer_norm", "cross_attn_norm"};

class T5 : public EncoderDecoder {
public:
  T5(const Checkpoint &checkpoint, Hyperparameters &fields) {
    const bool isMt5 = absl::StartsWith(checkpoint.architecture(), "MT5");
    family = isMt5 ? spec::ModelDefinition::MT5 : spec::ModelDefinition::T5;
    encoderLayers = fields.size({"num_layers", "block_count"});
    decoderLayers = fields.sizeOr({"num_decoder_layers", "decoder_block_count"}, encoderLayers);
    hidden = fields.size({"d_model", "embedding_length"});
    heads = fields.size({"num_heads", "attention.head_count"});
    headDim = fields.size({"d_kv", "attention.key_length"});
    inner = fields.size({"d_ff", "feed_forward_length"});
    // Distances have no end; this is how long the texts were that the model was trained with.
    context = fields.sizeOr({"n_positions", "context_length"}, {512, "512"});
    buckets =
        fields.sizeOr({"relative_attention_num_buckets", "attention.relative_buckets_count"}, {32, "32"});
    maxDistance = fields.sizeOr({"relative_attention_max_distance", ""}, {128, "128"}).value;
    checkBuckets(fields);
    epsilon = fields.epsilon({"layer_norm_epsilon", "attention.layer_norm_rms_epsilon"}, 1e-6);
    if (fields.format() == Format::Gguf)
      readGguf(checkpoint, fields);
    else
      readHuggingFace(checkpoint, fields);
    startToken =
        fields.integerOr({"decoder_start_token_id", "decoder_start_token_id"}, 0, 0, vocabulary.value - 1);
  }

  explicit T5(const spec::ModelDefinition &model)
      : EncoderDecoder(model), inner(sizeOf(model.mlp().inner(), "mlp.inner")),
        buckets(sizeOf(model.positions().buckets(), "positions.buckets")),
        maxDistance(model.positions().max_distance()), epsilon(model.norm().epsilon()),
        activation(activationOf(model.mlp().kind())), isGated(frontend::isGated(model.mlp().kind())),
        hasHead(!model.tied()), scalesOutputs(model.head().scaled()) {
    headDim = sizeOf(model.attention().head_size(), "attention.head_size");
  }

  spec::ModelDefinition define() const override {
    spec::ModelDefinition model = defineStacks();
    defineAttention(attention(/*causal=*/false), headDim.value, *model.mutable_attention());
    model.mutable_mlp()->set_kind(defineMlp(activation, isGated));
    model.mutable_mlp()->set_inner(inner.value);
    model.mutable_norm()->set_kind(spec::Norm::RMS);
    model.mutable_norm()->set_epsilon(epsilon);
    model.mutable_norm()->set_placement(spec::Norm::BEFORE);
    model.mutable_positions()->set_kind(spec::Positions::RELATIVE);
    model.mutable_positions()->set_buckets(buckets.value);
    model.mutable_positions()->set_max_distance(maxDistance);
    model.set_tied(!hasHead);
    model.mutable_head()->set_scaled(scalesOutputs);
    return model;
  }

  Description describe() const override {
    const bool isMt5 = family == spec::ModelDefinition::MT5;
    Description description = describeStacks(
        isMt5 ? "MT5ForConditionalGeneration" : "T5ForConditionalGeneration", isMt5 ? "mt5" : "t5");
    description.add({"num_layers", ""}, encoderLayers.value);
    description.add({"num_decoder_layers", ""}, decoderLayers.value);
    description.add({"num_heads", ""}, heads.value);
    description.add({"d_kv", ""}, headDim.value);
    description.add({"d_ff", ""}, inner.value);
    description.add({"n_positions", ""}, context.value);
    description.add({"relative_attention_num_buckets", ""}, buckets.value);
    description.add({"relative_attention_max_distance", ""}, maxDistance);
    description.add({"layer_norm_epsilon", ""}, epsilon);
    const std::string name = activation == Activation::Relu   ? "relu"
                             : activation == Activation::Silu ? "silu"
                                                              : "gelu";
    description.add({"feed_forward_proj", ""}, (isGated ? "gated-" : "") + name);
    description.add({"tie_word_embeddings", ""}, !hasHead);
    description.add({"scale_decoder_outputs", ""}, scalesOutputs);
    return description;
  }

  Name encoderLayer() const override { return {"encoder.block.", "enc.blk."}; }
  Name decoderLayer() const override { return {"decoder.block.", "dec.blk."}; }

  Value embedSource(GraphBuilder &graph, Value tokens, Value) const override {
    return graph.embedding(tokens, kTable, vocabulary, hidden);
  }
  Value encode(GraphBuilder &graph, Value x, Value positions) const override {
    x = addSelfAttention(graph, x, positions, /*causal=*/false, {"encoder.block.0.", "enc.blk.0."});
    return addFeedForward(graph, x, "layer.1.");
  }
  Value finishEncoder(GraphBuilder &graph, Value x) const override {
    return norm(graph, x, {"encoder.final_layer_norm", "enc.output_norm"});
  }

  Name crossKey() const override { return {"layer.1.EncDecAttention.k", "cross_attn_k"}; }
  Name crossValue() const override { return {"layer.1.EncDecAttention.v", "cross_attn_v"}; }
  Bias crossBias() const override { return Bias::No; }

  Value embed(GraphBuilder &graph, Value tokens, Value positions) const override {
    return embedSource(graph, tokens, positions);
  }
  Value decode(GraphBuilder &graph, Value x, Value positions,
               function_ref<Value(Value)> attend) const override {
    x = addSelfAttention(graph, x, positions, /*causal=*/true, {"decoder.block.0.", "dec.blk.0."});
    Value normed = norm(graph, x, kNormOfCross);
    Value mixed =
        attend(graph.linear(normed, {"layer.1.EncDecAttention.q", "cross_attn_q"}, heads * headDim, hidden));
    x = graph.add(
        x, graph.linear(mixed, {"layer.1.EncDecAttention.o", "cross_attn_o"}, hidden, heads * headDim));
    return addFeedForward(graph, x, "layer.2.");
  }
  Value head(GraphBuilder &graph, Value x) const override {
    x = norm(graph, x, {"decoder.final_layer_norm", "dec.output_norm"});
    if (scalesOutputs)
      x = graph.scale(x, 1 / std::sqrt(double(hidden.value)));
    return graph.linear(x, hasHead ? kHead : kTable, vocabulary, hidden);
  }

  double attentionScale() const override { return 1; }

private:
  void readHuggingFace(const Checkpoint &checkpoint, Hyperparameters &fields) {
    vocabulary = fields.size({"vocab_size", ""});
    readActivations(fields);
    hasHead = checkpoint.find("lm_head.weight");
    // Newer files say it by a field of their own, and that all heads are tied.
    const bool tied = fields.flagOr({"tie_word_embeddings", ""}, true);
    scalesOutputs = fields.flagOr({"scale_decoder_outputs", ""}, tied);
    if (!tied && !hasHead)
      fields.fail({"tie_word_embeddings", ""}, "is false, expected a tensor 'lm_head.weight'");
    fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
  }

  /// GGUF files say by their tensors which version the model is of.
  void readGguf(const Checkpoint &checkpoint, Hyperparameters &fields) {
    const StoredTensor *table = checkpoint.find("token_embd.weight");
    vocabulary = fields.sizeOr({"", "vocab_size"},
                               {table && !table->shape.empty() ? table->shape[0] : 1, "vocabulary"});
    fields.expect({"", "attention.value_length"}, {headDim.value});
    fields.expect({"", "attention.head_count_kv"}, {heads.value});
    isGated = checkpoint.find("enc.blk.0.ffn_gate.weight");
    activation = isGated ? Activation::GeluTanh : Activation::Relu;
    hasHead = checkpoint.find("output.weight");
    scalesOutputs = !hasHead;
  }

  void checkBuckets(Hyperparameters &fields) const {
    constexpr Name name = {"relative_attention_num_buckets", "attention.relative_buckets_count"};
    if (buckets.value % 4 != 0)
      fields.fail(name, absl::StrCat("is ", buckets.value, ", expected a multiple of 4"));
    else if (maxDistance <= buckets.value / 2)
      fields.fail({"relative_attention_max_distance", ""},
                  absl::StrCat("is ", maxDistance, ", expected more than half of ", fields.nameOf(name), " (",
                               buckets.value, ")"));
  }

  /// `relu`, or `gated-gelu`, which means its tanh form.
  void readActivations(Hyperparameters &fields) {
    constexpr Name name = {"feed_forward_proj", ""};
    const std::string gatedGelu = "gated-gelu", gatedSilu = "gated-silu", relu = "relu", gelu = "gelu",
                      silu = "silu";
    fields.expect(name, {relu, gelu, silu, gatedGelu, gatedSilu});
    const std::string found = fields.textOr(name, relu);
    isGated = absl::StartsWith(found, "gated-");
    activation = found == relu        ? Activation::Relu
                 : found == gatedGelu ? Activation::GeluTanh
                 : found == gelu      ? Activation::Gelu
                                      : Activation::Silu;
  }

  Value norm(GraphBuilder &graph, Value x, Name name) const {
    return graph.rmsNorm(x, name, hidden, epsilon);
  }

  /// `first` is the stack's first layer, which has the bias of all.
  Value addSelfAttention(GraphBuilder &graph, Value x, Value positions, bool causal, Name first) const {
    const Size width = heads * headDim;
    Value normed = norm(graph, x, kNormOfSelf);
    Value query = graph.linear(normed, {"layer.0.SelfAttention.q", "attn_q"}, width, hidden);
    Value key = graph.linear(normed, {"layer.0.SelfAttention.k", "attn_k"}, width, hidden);
    Value value = graph.linear(normed, {"layer.0.SelfAttention.v", "attn_v"}, width, hidden);
    RelativeBias bias{{}, buckets, heads, maxDistance, /*bidirectional=*/!causal};
    bias.table.huggingFace =
        absl::StrCat(first.huggingFace, "layer.0.SelfAttention.relative_attention_bias.weight");
    bias.table.gguf = absl::StrCat(first.gguf, "attn_rel_b.weight");
    Value mixed = graph.attention(query, key, value, attention(causal), graph.relativeBias(positions, bias));
    return graph.add(x, graph.linear(mixed, {"layer.0.SelfAttention.o", "attn_o"}, hidden, width));
  }

  Value addFeedForward(GraphBuilder &graph, Value x, const std::string &part) const {
    auto product = [&](Value input, Name name, const Size &out, const Size &in) {
      const std::string whole = part + "DenseReluDense." + name.huggingFace;
      return graph.linear(input, Name{whole.c_str(), name.gguf}, out, in);
    };
    const std::string normName = part + "layer_norm";
    Value normed = norm(graph, x, {normName.c_str(), "ffn_norm"});
    Value wide;
    if (isGated) {
      Value gate = product(normed, {"wi_0", "ffn_gate"}, inner, hidden);
      Value up = product(normed, {"wi_1", "ffn_up"}, inner, hidden);
      wide = graph.multiply(graph.activate(gate, activation), up);
    } else {
      wide = graph.activate(product(normed, {"wi", "ffn_up"}, inner, hidden), activation);
    }
    return graph.add(x, product(wide, {"wo", "ffn_down"}, hidden, inner));
  }

  Size inner, buckets;
  int64_t maxDistance;
  double epsilon;
  Activation activation;
  bool isGated, hasHead, scalesOutputs;
};

absl::StatusOr<Graph> build(Checkpoint &checkpoint, Hyperparameters &fields, const T5 &model,
                            MLIRContext *context) {
  // Copies of the shared table, and a bias of cross attention that the first checkpoints have and nothing
  // reads.
  return buildEncoderDecoder(checkpoint, fields, model,
                             {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
                              "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
                              "dec.blk.0.cross_attn_rel_b.weight"},
                             context);
}

absl::StatusOr<Graph> buildT5(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  const T5 model(checkpoint, fields);
  return build(checkpoint, fields, model, context);
}

absl::StatusOr<Graph> buildDefinedT5(const spec::ModelDefinition &definition, Checkpoint &checkpoint,
                                     MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  return build(checkpoint, fields, T5(definition), context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"T5ForConditionalGeneration", "MT5ForConditionalGeneration"};
constexpr llvm::StringLiteral kGguf[] = {"t5"};

} // namespace

const Family llmc::frontend::kT5 = {"t5", ModelKind::Generate, kHuggingFace, kGguf, buildT5, buildDefinedT5};
