//===- Bart.cpp - BART and Marian ---------------------------------------------------------------------===//
//
// An encoder and a decoder with layer norm after each residual and biases everywhere, as the first
// Transformers had them (Vaswani et al., 2017). BART's positions are learned (Lewis et al., 2020), Marian's
// are sines and cosines (Junczys-Dowmunt et al., 2018).
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
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
    if (hasLogitsBias) {
      checkpoint.flattenRow("final_logits_bias");
      checkpoint.makeConstant("final_logits_bias");
    }
    if (kind == Positions::Sinusoidal)
      checkpoint.makeConstant(kSinusoids);
    if (kind == Positions::Sinusoidal && fields.ok() && !checkpoint.find(kSinusoids))
      checkpoint.addTensor(kSinusoids, {context.value, hidden.value}, sinusoids());
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

absl::StatusOr<Graph> build(Checkpoint &checkpoint, Positions positions, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  Bart model(checkpoint, fields, positions);
  // Copies of the shared table, and a head that is the same.
  SmallVector<StringRef> ignored = {"model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight",
                                    "lm_head.weight"};
  if (positions == Positions::Sinusoidal)
    ignored.push_back("model.decoder.embed_positions.weight");
  return buildEncoderDecoder(checkpoint, fields, model, ignored, context);
}

absl::StatusOr<Graph> buildBart(Checkpoint &checkpoint, MLIRContext *context) {
  return build(checkpoint, Positions::Learned, context);
}
absl::StatusOr<Graph> buildMarian(Checkpoint &checkpoint, MLIRContext *context) {
  return build(checkpoint, Positions::Sinusoidal, context);
}

constexpr llvm::StringLiteral kBartNames[] = {"BartForConditionalGeneration"};
constexpr llvm::StringLiteral kMarianNames[] = {"MarianMTModel"};

} // namespace

const Family llmc::frontend::kBart = {"bart", ModelKind::Generate, kBartNames, {}, buildBart};
const Family llmc::frontend::kMarian = {"marian", ModelKind::Generate, kMarianNames, {}, buildMarian};
