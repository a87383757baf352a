//===- Gpt2.cpp - GPT-2 ------------------------------------------------------------------------------===//
//
// A decoder with learned positions and layer norm before each part (Radford et al., 2019). Files of Hugging
// Face hold its matrices transposed; queries, keys and values are one tensor.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/DefineLayers.h"
#include "frontend/import/Family.h"
#include "frontend/import/GraphBuilder.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

struct Gpt2Config {
  Size layers, vocabulary, context, hidden, inner;
  double epsilon;
  AttentionShape attention;
  Activation activation;
  bool tied;
};

void refuseUnknownOptions(Hyperparameters &fields) {
  fields.expect({"scale_attn_weights", ""}, {true});
  fields.expect({"scale_attn_by_inverse_layer_idx", ""}, {false});
  fields.expect({"add_cross_attention", ""}, {false});
  fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
}

Gpt2Config readConfig(const Checkpoint &checkpoint, Hyperparameters &fields) {
  constexpr Name heads = {"n_head", "attention.head_count"};
  const bool huggingFace = fields.format() == Format::HuggingFace;
  Gpt2Config config;
  config.layers = fields.size({"n_layer", "block_count"});
  config.hidden = fields.size({"n_embd", "embedding_length"});
  config.inner = fields.sizeOr({"n_inner", "feed_forward_length"}, Size{4, "4"} * config.hidden);
  config.context = fields.size({"n_positions", "context_length"});
  config.epsilon = huggingFace ? fields.epsilon({"layer_norm_epsilon", ""}, 1e-5)
                               : fields.epsilon({"", "attention.layer_norm_epsilon"});
  Size headCount = fields.size(heads);
  if (config.hidden.value % headCount.value != 0)
    fields.fail(heads, absl::StrCat("is ", headCount.value, ", expected a divisor of ", config.hidden.meaning,
                                    " (", config.hidden.value, ")"));
  fields.expect({"", "attention.head_count_kv"}, {headCount.value});
  double scale = 1 / std::sqrt(double(config.hidden.value) / double(headCount.value));
  config.attention = {headCount.value, headCount.value, scale, /*causal=*/true, /*window=*/{}};
  config.activation = readActivation(fields, {"activation_function", ""}, Activation::GeluTanh);
  config.tied =
      huggingFace ? fields.flagOr({"tie_word_embeddings", ""}, true) : !checkpoint.find("output.weight");
  const StoredTensor *table = checkpoint.find("token_embd.weight");
  config.vocabulary = table && !table->shape.empty()
                          ? fields.sizeOr({"", "vocab_size"}, {table->shape[0], "vocabulary"})
                          : fields.size({"vocab_size", "vocab_size"});
  refuseUnknownOptions(fields);
  return config;
}

Value buildLayer(GraphBuilder &graph, const Gpt2Config &config, Value x) {
  const Size &hidden = config.hidden;
  const int64_t width = hidden.value;
  Value normed = graph.layerNorm(x, {"ln_1", "attn_norm"}, hidden, config.epsilon);
  Value merged = graph.linear(normed, {"attn.c_attn", "attn_qkv"}, Size{3, "3"} * hidden, hidden, Bias::Yes);
  SmallVector<Value> parts = graph.split(merged, {width, width, width});
  Value mixed = graph.attention(parts[0], parts[1], parts[2], config.attention);
  x = graph.add(x, graph.linear(mixed, {"attn.c_proj", "attn_output"}, hidden, hidden, Bias::Yes));

  normed = graph.layerNorm(x, {"ln_2", "ffn_norm"}, hidden, config.epsilon);
  Value inner = graph.linear(normed, {"mlp.c_fc", "ffn_up"}, config.inner, hidden, Bias::Yes);
  inner = graph.activate(inner, config.activation);
  return graph.add(x, graph.linear(inner, {"mlp.c_proj", "ffn_down"}, hidden, config.inner, Bias::Yes));
}

Description describe(const Gpt2Config &config, const std::vector<NamedTensor> &tensors) {
  Description description = {.huggingFaceArchitecture = "GPT2LMHeadModel",
                             .modelType = "gpt2",
                             .ggufArchitecture = "gpt2",
                             .tensors = tensors};
  description.add({"vocab_size", "vocab_size"}, config.vocabulary.value);
  description.add({"n_layer", "block_count"}, config.layers.value);
  description.add({"n_embd", "embedding_length"}, config.hidden.value);
  description.add({"n_inner", "feed_forward_length"}, config.inner.value);
  description.add({"n_positions", "context_length"}, config.context.value);
  description.add({"n_head", "attention.head_count"}, config.attention.heads);
  description.add({"layer_norm_epsilon", "attention.layer_norm_epsilon"}, config.epsilon);
  description.add({"activation_function", ""}, nameOf(config.activation));
  description.add({"tie_word_embeddings", ""}, config.tied);
  if (config.activation != Activation::GeluTanh)
    description.refuse(Format::Gguf, absl::StrCat("its activation is ", nameOf(config.activation)));
  return description;
}

spec::ModelDefinition define(const Gpt2Config &config) {
  spec::ModelDefinition model;
  model.set_family(spec::ModelDefinition::GPT2);
  model.set_vocabulary(config.vocabulary.value);
  model.set_context(config.context.value);
  model.set_width(config.hidden.value);
  model.set_layers(config.layers.value);
  defineAttention(config.attention, config.hidden.value / config.attention.heads, *model.mutable_attention());
  model.mutable_attention()->set_bias(true);
  model.mutable_mlp()->set_kind(defineMlp(config.activation, /*gated=*/false));
  model.mutable_mlp()->set_inner(config.inner.value);
  model.mutable_mlp()->set_bias(true);
  model.mutable_norm()->set_kind(spec::Norm::LAYER);
  model.mutable_norm()->set_epsilon(config.epsilon);
  model.mutable_norm()->set_placement(spec::Norm::BEFORE);
  model.mutable_positions()->set_kind(spec::Positions::LEARNED);
  model.set_tied(config.tied);
  return model;
}

Gpt2Config configOf(const spec::ModelDefinition &model) {
  Gpt2Config config;
  config.layers = sizeOf(model.layers(), "layers");
  config.vocabulary = sizeOf(model.vocabulary(), "vocabulary");
  config.context = sizeOf(model.context(), "context");
  config.hidden = sizeOf(model.width(), "width");
  config.inner = sizeOf(model.mlp().inner(), "mlp.inner");
  config.epsilon = model.norm().epsilon();
  config.attention = attentionOf(model.attention(), /*causal=*/true);
  config.activation = activationOf(model.mlp().kind());
  config.tied = model.tied();
  return config;
}

absl::StatusOr<Graph> build(Checkpoint &checkpoint, Hyperparameters &fields, const Gpt2Config &config,
                            MLIRContext *context) {
  if (!fields.ok())
    return fields.status();
  GraphBuilder graph(checkpoint, fields, context, {"tokens", "positions", "output_ids"});
  // The first checkpoints have the names of the model without its head.
  if (fields.format() == Format::Gguf || !checkpoint.holdsTensors() ||
      checkpoint.find("transformer.wte.weight"))
    graph.beginNamesWith("transformer.");
  graph.holdsWeightsAs(WeightOrder::InOut);
  constexpr Name embeddings = {"wte", "token_embd"};
  Value words = graph.embedding(graph.input(0), embeddings, config.vocabulary, config.hidden);
  Value positions = graph.embedding(graph.input(1), {"wpe", "position_embd"}, config.context, config.hidden);
  Value x = graph.add(words, positions);
  for (int64_t i = 0; i < config.layers.value && graph.ok(); ++i)
    x = graph.layer(i, {"h.", "blk."}, {x},
                    [&](ValueRange inputs) { return buildLayer(graph, config, inputs[0]); });
  x = graph.selectRows(x, graph.input(2));
  x = graph.layerNorm(x, {"ln_f", "output_norm"}, config.hidden, config.epsilon);
  graph.holdsWeightsAs(WeightOrder::OutIn);
  if (!checkpoint.wantsHead()) {
    graph.ignoreTensors({"output.weight", "lm_head.weight"});
  } else {
    if (!config.tied)
      graph.beginNamesWith("");
    x = graph.linear(x, config.tied ? embeddings : Name{"lm_head", "output"}, config.vocabulary,
                     config.hidden);
  }

  // The buffers of PyTorch's attention: the causal mask.
  graph.ignoreTensors({"*h.*.attn.bias", "*h.*.attn.masked_bias"});
  if (config.tied)
    graph.ignoreTensors({"lm_head.weight"});
  absl::StatusOr<OwningOpRef<ModuleOp>> module = graph.finish(x);
  if (!module.ok())
    return module.status();
  Graph built{std::move(*module),
              {config.vocabulary.value, config.context.value, config.hidden.value, config.layers.value},
              describe(config, graph.tensors())};
  built.definition = define(config);
  if (!checkpoint.wantsHead())
    makeEmbedder(built);
  return built;
}

absl::StatusOr<Graph> buildGpt2(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  const Gpt2Config config = readConfig(checkpoint, fields);
  return build(checkpoint, fields, config, context);
}

absl::StatusOr<Graph> buildDefinedGpt2(const spec::ModelDefinition &model, Checkpoint &checkpoint,
                                       MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  return build(checkpoint, fields, configOf(model), context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"GPT2LMHeadModel", "GPT2Model"};
constexpr llvm::StringLiteral kGguf[] = {"gpt2"};

} // namespace

const Family llmc::frontend::kGpt2 = {"gpt2", ModelKind::Generate, kHuggingFace,
                                      kGguf,  buildGpt2,           buildDefinedGpt2};
