//===- Bert.cpp - BERT and sentence encoders that are BERT -------------------------------------------===//
//
// Encoders with learned positions and layer norm after each residual (Devlin et al., 2019). The graph gives
// the last hidden state; heads for pretraining are not used.
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

struct BertConfig {
  Size layers, vocabulary, context, segments, hidden, intermediate;
  double epsilon;
  AttentionShape attention;
  Activation activation;
};

void refuseUnknownOptions(Hyperparameters &fields) {
  fields.expect({"position_embedding_type", ""}, {std::string("absolute")});
  fields.expect({"is_decoder", "attention.causal"}, {false});
  fields.expect({"add_cross_attention", ""}, {false});
  fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
}

BertConfig readConfig(const Checkpoint &checkpoint, Hyperparameters &fields) {
  BertConfig config;
  constexpr Name heads = {"num_attention_heads", "attention.head_count"};
  config.layers = fields.size({"num_hidden_layers", "block_count"});
  config.hidden = fields.size({"hidden_size", "embedding_length"});
  config.intermediate = fields.size({"intermediate_size", "feed_forward_length"});
  config.context = fields.size({"max_position_embeddings", "context_length"});
  config.segments = fields.sizeOr({"type_vocab_size", "tokenizer.ggml.token_type_count"}, {2, "2"});
  config.epsilon = fields.format() == Format::HuggingFace
                       ? fields.epsilon({"layer_norm_eps", ""}, 1e-12)
                       : fields.epsilon({"", "attention.layer_norm_epsilon"});
  Size headCount = fields.size(heads);
  if (config.hidden.value % headCount.value != 0)
    fields.fail(heads, absl::StrCat("is ", headCount.value, ", expected a divisor of ", config.hidden.meaning,
                                    " (", config.hidden.value, ")"));
  double scale = 1 / std::sqrt(double(config.hidden.value) / double(headCount.value));
  config.attention = {headCount.value, headCount.value, scale, /*causal=*/false, /*window=*/{}};
  config.activation = readActivation(fields, {"hidden_act", ""}, Activation::Gelu);
  const StoredTensor *table = checkpoint.find("token_embd.weight");
  config.vocabulary = fields.format() == Format::HuggingFace || !table
                          ? fields.size({"vocab_size", "vocab_size"})
                          : fields.sizeOr({"", "vocab_size"}, {table->shape[0], "vocabulary"});
  refuseUnknownOptions(fields);
  return config;
}

Value buildEmbeddings(GraphBuilder &graph, const BertConfig &config) {
  Value words = graph.embedding(graph.input(0), {"embeddings.word_embeddings", "token_embd"},
                                config.vocabulary, config.hidden);
  Value positions = graph.embedding(graph.input(1), {"embeddings.position_embeddings", "position_embd"},
                                    config.context, config.hidden);
  Value segments = graph.embedding(graph.input(2), {"embeddings.token_type_embeddings", "token_types"},
                                   config.segments, config.hidden);
  Value sum = graph.add(graph.add(words, segments), positions);
  return graph.layerNorm(sum, {"embeddings.LayerNorm", "token_embd_norm"}, config.hidden, config.epsilon);
}

Value buildLayer(GraphBuilder &graph, const BertConfig &config, Value x) {
  const Size &hidden = config.hidden;
  Value query = graph.linear(x, {"attention.self.query", "attn_q"}, hidden, hidden, Bias::Yes);
  Value key = graph.linear(x, {"attention.self.key", "attn_k"}, hidden, hidden, Bias::Yes);
  Value value = graph.linear(x, {"attention.self.value", "attn_v"}, hidden, hidden, Bias::Yes);
  Value mixed = graph.attention(query, key, value, config.attention);
  Value projected = graph.linear(mixed, {"attention.output.dense", "attn_output"}, hidden, hidden, Bias::Yes);
  x = graph.layerNorm(graph.add(x, projected), {"attention.output.LayerNorm", "attn_output_norm"}, hidden,
                      config.epsilon);

  Value inner = graph.linear(x, {"intermediate.dense", "ffn_up"}, config.intermediate, hidden, Bias::Yes);
  inner = graph.activate(inner, config.activation);
  Value outer = graph.linear(inner, {"output.dense", "ffn_down"}, hidden, config.intermediate, Bias::Yes);
  return graph.layerNorm(graph.add(x, outer), {"output.LayerNorm", "layer_output_norm"}, hidden,
                         config.epsilon);
}

absl::StatusOr<Graph> buildBert(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  BertConfig config = readConfig(checkpoint, fields);
  if (!fields.ok())
    return fields.status();

  GraphBuilder graph(checkpoint, fields, context, {"tokens", "positions", "token_types"});
  // Models with a head for pretraining have the encoder as a member.
  if (checkpoint.find("bert.embeddings.word_embeddings.weight"))
    graph.beginNamesWith("bert.");
  Value x = buildEmbeddings(graph, config);
  for (int64_t i = 0; i < config.layers.value && graph.ok(); ++i)
    x = graph.layer(i, {"encoder.layer.", "blk."}, {x},
                    [&](ValueRange inputs) { return buildLayer(graph, config, inputs[0]); });

  graph.ignoreTensors(
      {"embeddings.position_ids", "bert.embeddings.position_ids", "pooler.*", "bert.pooler.*", "cls.*"});
  absl::StatusOr<OwningOpRef<ModuleOp>> module = graph.finish(x);
  if (!module.ok())
    return module.status();
  return Graph{std::move(*module),
               {config.vocabulary.value, config.context.value, config.hidden.value, config.layers.value}};
}

constexpr llvm::StringLiteral kHuggingFace[] = {"BertModel", "BertForMaskedLM", "BertForPreTraining"};
constexpr llvm::StringLiteral kGguf[] = {"bert"};

} // namespace

const Family llmc::frontend::kBert = {"bert", ModelKind::Embed, kHuggingFace, kGguf, buildBert};
