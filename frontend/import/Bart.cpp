//===- Bart.cpp - BART and Marian ---------------------------------------------------------------------===//
//
// An encoder and a decoder with layer norm after each residual and biases everywhere, as the first
// Transformers had them (Vaswani et al., 2017). BART's positions are learned (Lewis et al., 2020), Marian's
// are sines and cosines (Junczys-Dowmunt et al., 2018).
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/DefineLayers.h"
#include "frontend/import/EncoderDecoder.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Name kTable = {"model.shared", ""};
/// Rows of BART's tables of positions that nothing uses.
constexpr int64_t kFirstPosition = 2;

enum class Positions { Learned, Sinusoidal };

class Bart : public EncoderDecoder {
public:
  Bart(Checkpoint &checkpoint, Hyperparameters &fields, Positions positions) : kind(positions) {
    family = positions == Positions::Learned ? spec::ModelDefinition::BART : spec::ModelDefinition::MARIAN;
    encoderLayers = fields.size({"encoder_layers", ""});
    decoderLayers = fields.size({"decoder_layers", ""});
    hidden = fields.size({"d_model", ""});
    encoderHeads = readHeads(fields, {"encoder_attention_heads", ""});
    heads = readHeads(fields, {"decoder_attention_heads", ""});
    headDim = {hidden.value / heads.value, absl::StrCat("(", hidden.meaning, " / ", heads.meaning, ")")};
    encoderInner = fields.size({"encoder_ffn_dim", ""});
    decoderInner = fields.size({"decoder_ffn_dim", ""});
    vocabulary = fields.size({"vocab_size", ""});
    context = fields.size({"max_position_embeddings", ""});
    activation = readActivation(fields, {"activation_function", ""}, Activation::Gelu);
    scalesEmbeddings = fields.flagOr({"scale_embedding", ""}, false);
    startToken = fields.integerOr({"decoder_start_token_id", ""}, 2, 0, vocabulary.value - 1);
    hasLogitsBias = checkpoint.find("final_logits_bias");
    refuseUnknownOptions(fields);
    if (fields.ok())
      prepare(checkpoint);
  }

  Bart(const spec::ModelDefinition &model, Checkpoint &checkpoint)
      : EncoderDecoder(model),
        kind(model.positions().kind() == spec::Positions::LEARNED ? Positions::Learned
                                                                  : Positions::Sinusoidal),
        encoderHeads(sizeOf(model.attention().heads(), "attention.heads")),
        encoderInner(sizeOf(model.mlp().inner(), "mlp.inner")),
        decoderInner(sizeOf(model.decoder().inner(), "decoder.inner")),
        activation(activationOf(model.mlp().kind())), scalesEmbeddings(model.embedding().scaled()),
        hasLogitsBias(model.head().bias()) {
    headDim = {hidden.value / heads.value, "(width / decoder.heads)"};
    prepare(checkpoint);
  }

  spec::ModelDefinition define() const override {
    spec::ModelDefinition model = defineStacks();
    spec::Attention &attention = *model.mutable_attention();
    attention.set_heads(encoderHeads.value);
    attention.set_bias(true);
    model.mutable_mlp()->set_kind(defineMlp(activation, /*gated=*/false));
    model.mutable_mlp()->set_inner(encoderInner.value);
    model.mutable_mlp()->set_bias(true);
    model.mutable_norm()->set_kind(spec::Norm::LAYER);
    model.mutable_norm()->set_placement(spec::Norm::AFTER);
    model.mutable_positions()->set_kind(kind == Positions::Learned ? spec::Positions::LEARNED
                                                                   : spec::Positions::SINUSOIDAL);
    model.mutable_embedding()->set_scaled(scalesEmbeddings);
    model.mutable_decoder()->set_inner(decoderInner.value);
    model.mutable_head()->set_bias(hasLogitsBias);
    model.set_tied(true);
    return model;
  }

  Description describe() const override {
    const bool isLearned = kind == Positions::Learned;
    Description description = describeStacks(isLearned ? "BartForConditionalGeneration" : "MarianMTModel",
                                             isLearned ? "bart" : "marian");
    description.add({"encoder_layers", ""}, encoderLayers.value);
    description.add({"decoder_layers", ""}, decoderLayers.value);
    description.add({"encoder_attention_heads", ""}, encoderHeads.value);
    description.add({"decoder_attention_heads", ""}, heads.value);
    description.add({"encoder_ffn_dim", ""}, encoderInner.value);
    description.add({"decoder_ffn_dim", ""}, decoderInner.value);
    description.add({"max_position_embeddings", ""}, context.value);
    description.add({"activation_function", ""}, nameOf(activation));
    description.add({"scale_embedding", ""}, scalesEmbeddings);
    if (isLearned)
      description.refuse(Format::HuggingFace, "its tables of positions have rows that nothing uses");
    return description;
  }

  Name encoderLayer() const override { return {"model.encoder.layers.", ""}; }
  Name decoderLayer() const override { return {"model.decoder.layers.", ""}; }

  Value embedSource(GraphBuilder &graph, Value tokens, Value positions) const override {
    return embed(graph, tokens, positions, "model.encoder.");
  }
  Value encode(GraphBuilder &graph, Value x, Value) const override {
    x = addSelfAttention(graph, x, encoderHeads, /*causal=*/false);
    return addFeedForward(graph, x, encoderInner);
  }
  Value finishEncoder(GraphBuilder &, Value x) const override { return x; }

  Name crossKey() const override { return {"encoder_attn.k_proj", ""}; }
  Name crossValue() const override { return {"encoder_attn.v_proj", ""}; }
  Bias crossBias() const override { return Bias::Yes; }

  Value embed(GraphBuilder &graph, Value tokens, Value positions) const override {
    return embed(graph, tokens, positions, "model.decoder.");
  }
  Value decode(GraphBuilder &graph, Value x, Value, function_ref<Value(Value)> attend) const override {
    x = addSelfAttention(graph, x, heads, /*causal=*/true);
    Value mixed = attend(graph.linear(x, {"encoder_attn.q_proj", ""}, hidden, hidden, Bias::Yes));
    mixed = graph.linear(mixed, {"encoder_attn.out_proj", ""}, hidden, hidden, Bias::Yes);
    x = norm(graph, graph.add(x, mixed), {"encoder_attn_layer_norm", ""});
    return addFeedForward(graph, x, decoderInner);
  }
  Value head(GraphBuilder &graph, Value x) const override {
    if (hasLogitsBias)
      return graph.linear(x, "model.shared.weight", "final_logits_bias", vocabulary, hidden);
    return graph.linear(x, kTable, vocabulary, hidden);
  }

  double attentionScale() const override { return 1 / std::sqrt(double(headDim.value)); }

private:
  static constexpr const char *kSinusoids = "model.encoder.embed_positions.weight";

  void prepare(Checkpoint &checkpoint) const {
    if (hasLogitsBias) {
      checkpoint.flattenRow("final_logits_bias");
      checkpoint.makeConstant("final_logits_bias");
    }
    if (kind != Positions::Sinusoidal)
      return;
    checkpoint.makeConstant(kSinusoids);
    if (!checkpoint.find(kSinusoids))
      checkpoint.addTensor(kSinusoids, {context.value, hidden.value}, sinusoids());
  }

  Size readHeads(Hyperparameters &fields, Name name) const {
    Size count = fields.size(name);
    if (hidden.value % count.value != 0)
      fields.fail(name, absl::StrCat("is ", count.value, ", expected a divisor of ", hidden.meaning, " (",
                                     hidden.value, ")"));
    return count;
  }

  /// Options that other models of these names have, and that this graph has not.
  static void refuseUnknownOptions(Hyperparameters &fields) {
    for (const char *flag : {"normalize_before", "add_final_layer_norm", "add_bias_logits"})
      fields.expect({flag, ""}, {false});
    fields.expect({"share_encoder_decoder_embeddings", ""}, {true});
    fields.expect({"tie_word_embeddings", ""}, {true});
    fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
  }

  /// Sines in the first half of each row, cosines in the second.
  std::vector<float> sinusoids() const {
    const int64_t width = hidden.value, sines = (width + 1) / 2;
    std::vector<float> table;
    for (int64_t position = 0; position < context.value; ++position)
      for (int64_t i = 0; i < width; ++i) {
        const int64_t pair = i < sines ? i : i - sines;
        const double angle = position / std::pow(10000.0, 2.0 * pair / width);
        table.push_back(static_cast<float>(i < sines ? std::sin(angle) : std::cos(angle)));
      }
    return table;
  }

  Value norm(GraphBuilder &graph, Value x, Name name) const {
    return graph.layerNorm(x, name, hidden, /*epsilon=*/1e-5);
  }

  Value embed(GraphBuilder &graph, Value tokens, Value positions, const std::string &stack) const {
    const bool isLearned = kind == Positions::Learned;
    Value x = graph.embedding(tokens, kTable, vocabulary, hidden);
    if (scalesEmbeddings)
      x = graph.scale(x, std::sqrt(double(hidden.value)));
    const std::string table = (isLearned ? stack : "model.encoder.") + "embed_positions";
    const Size rows = isLearned ? context + Size{kFirstPosition, absl::StrCat(kFirstPosition)} : context;
    x = graph.add(
        x, graph.embedding(positions, {table.c_str(), ""}, rows, hidden, isLearned ? kFirstPosition : 0));
    if (!isLearned)
      return x;
    const std::string normName = stack + "layernorm_embedding";
    return norm(graph, x, {normName.c_str(), ""});
  }

  Value addSelfAttention(GraphBuilder &graph, Value x, const Size &count, bool causal) const {
    auto product = [&](Value input, const char *name) {
      return graph.linear(input, {name, ""}, hidden, hidden, Bias::Yes);
    };
    Value query = product(x, "self_attn.q_proj"), key = product(x, "self_attn.k_proj");
    Value value = product(x, "self_attn.v_proj");
    const double scale = 1 / std::sqrt(double(hidden.value) / double(count.value));
    Value mixed =
        graph.attention(query, key, value, {count.value, count.value, scale, causal, /*window=*/{}});
    return norm(graph, graph.add(x, product(mixed, "self_attn.out_proj")), {"self_attn_layer_norm", ""});
  }

  Value addFeedForward(GraphBuilder &graph, Value x, const Size &inner) const {
    Value wide = graph.activate(graph.linear(x, {"fc1", ""}, inner, hidden, Bias::Yes), activation);
    Value narrow = graph.linear(wide, {"fc2", ""}, hidden, inner, Bias::Yes);
    return norm(graph, graph.add(x, narrow), {"final_layer_norm", ""});
  }

  const Positions kind;
  Size encoderHeads, encoderInner, decoderInner;
  Activation activation;
  bool scalesEmbeddings, hasLogitsBias;
};

absl::StatusOr<Graph> build(Checkpoint &checkpoint, Hyperparameters &fields, const Bart &model,
                            MLIRContext *context) {
  // Copies of the shared table, and a head that is the same.
  SmallVector<StringRef> ignored = {"model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight",
                                    "lm_head.weight"};
  if (model.family == spec::ModelDefinition::MARIAN)
    ignored.push_back("model.decoder.embed_positions.weight");
  return buildEncoderDecoder(checkpoint, fields, model, ignored, context);
}

absl::StatusOr<Graph> read(Checkpoint &checkpoint, Positions positions, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  const Bart model(checkpoint, fields, positions);
  return build(checkpoint, fields, model, context);
}

absl::StatusOr<Graph> buildDefined(const spec::ModelDefinition &definition, Checkpoint &checkpoint,
                                   MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  return build(checkpoint, fields, Bart(definition, checkpoint), context);
}

absl::StatusOr<Graph> buildBart(Checkpoint &checkpoint, MLIRContext *context) {
  return read(checkpoint, Positions::Learned, context);
}
absl::StatusOr<Graph> buildMarian(Checkpoint &checkpoint, MLIRContext *context) {
  return read(checkpoint, Positions::Sinusoidal, context);
}

constexpr llvm::StringLiteral kBartNames[] = {"BartForConditionalGeneration"};
constexpr llvm::StringLiteral kMarianNames[] = {"MarianMTModel"};

} // namespace

const Family llmc::frontend::kBart = {"bart", ModelKind::Generate, kBartNames, {}, buildBart, buildDefined};
const Family llmc::frontend::kMarian = {"marian", ModelKind::Generate, kMarianNames,
                                        {},       buildMarian,         buildDefined};
