//===- Encoder.cpp - the encoders with layer norm after each residual --------------------------------===//

#include "frontend/import/Encoder.h"
#include "absl/strings/str_cat.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

void refuseUnknownOptions(Hyperparameters &fields) {
  fields.expect({"position_embedding_type", ""}, {std::string("absolute")});
  fields.expect({"is_decoder", "attention.causal"}, {false});
  fields.expect({"add_cross_attention", ""}, {false});
  fields.refuse({"quantization_config", ""}, "quantized weights are read from GGUF files only");
}

Value buildEmbeddings(GraphBuilder &graph, const Encoder &encoder) {
  const Size &hidden = encoder.hidden;
  Value sum = graph.embedding(graph.input(0), {"embeddings.word_embeddings", "token_embd"},
                              encoder.vocabulary, hidden);
  Value positions = graph.embedding(graph.input(1), {"embeddings.position_embeddings", "position_embd"},
                                    encoder.positions, hidden, encoder.firstPosition);
  if (encoder.segments) {
    constexpr Name table = {"embeddings.token_type_embeddings", "token_types"};
    sum = graph.add(sum, graph.embedding(graph.input(2), table, *encoder.segments, hidden));
  }
  return graph.layerNorm(graph.add(sum, positions), {"embeddings.LayerNorm", "token_embd_norm"}, hidden,
                         encoder.epsilon);
}

Value buildLayer(GraphBuilder &graph, const Encoder &encoder, Value x) {
  const EncoderNames &names = encoder.names;
  const Size &hidden = encoder.hidden;
  Value query = graph.linear(x, names.query, hidden, hidden, Bias::Yes);
  Value key = graph.linear(x, names.key, hidden, hidden, Bias::Yes);
  Value value = graph.linear(x, names.value, hidden, hidden, Bias::Yes);
  Value mixed = graph.attention(query, key, value, encoder.attention);
  Value projected = graph.linear(mixed, names.projection, hidden, hidden, Bias::Yes);
  x = graph.layerNorm(graph.add(x, projected), names.attentionNorm, hidden, encoder.epsilon);

  Value inner = graph.linear(x, names.inner, encoder.intermediate, hidden, Bias::Yes);
  inner = graph.activate(inner, encoder.activation);
  Value outer = graph.linear(inner, names.outer, hidden, encoder.intermediate, Bias::Yes);
  return graph.layerNorm(graph.add(x, outer), names.outputNorm, hidden, encoder.epsilon);
}

SmallVector<StringRef> inputsOf(const Encoder &encoder) {
  SmallVector<StringRef> inputs = {"tokens", "positions"};
  if (encoder.segments)
    inputs.push_back("token_types");
  return inputs;
}

Value buildStates(GraphBuilder &graph, const Encoder &encoder) {
  Value x = buildEmbeddings(graph, encoder);
  for (int64_t i = 0; i < encoder.layers.value && graph.ok(); ++i)
    x = graph.layer(i, encoder.names.layer, {x},
                    [&](ValueRange operands) { return buildLayer(graph, encoder, operands[0]); });
  return x;
}

absl::StatusOr<Graph> finish(GraphBuilder &graph, const Encoder &encoder, Value result) {
  absl::StatusOr<OwningOpRef<ModuleOp>> module = graph.finish(result);
  if (!module.ok())
    return module.status();
  return Graph{std::move(*module),
               {encoder.vocabulary.value, encoder.positions.value - encoder.firstPosition,
                encoder.hidden.value, encoder.layers.value}};
}

/// The encoder with a head. One that is to be trained is added where the checkpoint has none.
absl::StatusOr<Graph> buildWithHead(Checkpoint &checkpoint, Hyperparameters &fields, const Encoder &encoder,
                                    const EncoderHeadNames &names, const EncoderHead &head, bool toTrain,
                                    MLIRContext *context) {
  if (!fields.ok())
    return fields.status();
  SmallVector<StringRef> inputs = inputsOf(encoder);
  inputs.push_back("output_ids");
  GraphBuilder graph(checkpoint, fields, context, inputs);
  const std::string member = encoder.names.member;
  // An encoder alone becomes a member of the model with a head.
  if (toTrain && !checkpoint.find(member + "embeddings.word_embeddings.weight"))
    checkpoint.addPrefix(member);
  graph.beginNamesWith(member);
  // What is trained is saved, so it keeps the rows of positions that it does not use.
  Encoder whole = encoder;
  if (toTrain)
    whole.firstPosition = 0;
  Value states = buildStates(graph, whole);
  graph.beginNamesWith("");
  Value rows = graph.selectRows(states, graph.input(inputs.size() - 1));
  if (toTrain) {
    graph.addsMissingTensors();
    graph.ignoreTensors(kHeadTensors);
  }
  Value outputs = buildEncoderHead(graph, rows, encoder, names, head);
  graph.ignoreTensors({member + "embeddings.position_ids", member + "pooler.*"});
  absl::StatusOr<Graph> built = finish(graph, encoder, outputs);
  if (!built.ok())
    return built;
  built->head = head.description;
  built->sizes.firstPosition = encoder.firstPosition - whole.firstPosition;
  built->definition = defineEncoder(encoder, &head);
  return built;
}

} // namespace

Encoder llmc::frontend::readEncoder(const Checkpoint &checkpoint, Hyperparameters &fields,
                                    spec::ModelDefinition::Family family, const EncoderNames &names) {
  Encoder encoder;
  encoder.family = family;
  encoder.names = names;
  encoder.layers = fields.size(names.layers);
  encoder.hidden = fields.size(names.hidden);
  encoder.intermediate = fields.size(names.intermediate);
  encoder.positions = fields.size({"max_position_embeddings", "context_length"});
  if (*names.segments.in(fields.format()))
    encoder.segments = fields.sizeOr(names.segments, {2, "2"});
  encoder.epsilon = fields.format() == Format::HuggingFace ? fields.epsilon(names.epsilon, 1e-12)
                                                           : fields.epsilon(names.epsilon);
  Size heads = fields.size(names.heads);
  const Size &hidden = encoder.hidden;
  if (hidden.value % heads.value != 0)
    fields.fail(names.heads, absl::StrCat("is ", heads.value, ", expected a divisor of ", hidden.meaning,
                                          " (", hidden.value, ")"));
  double scale = 1 / std::sqrt(double(hidden.value) / double(heads.value));
  encoder.attention = {heads.value, heads.value, scale, /*causal=*/false, /*window=*/{}};
  encoder.activation = readActivation(fields, names.activation, Activation::Gelu);
  const StoredTensor *table = checkpoint.find("token_embd.weight");
  encoder.vocabulary = fields.format() == Format::HuggingFace || !table
                           ? fields.size({"vocab_size", "vocab_size"})
                           : fields.sizeOr({"", "vocab_size"}, {table->shape[0], "vocabulary"});
  refuseUnknownOptions(fields);
  return encoder;
}

absl::StatusOr<Graph> llmc::frontend::buildEncoder(Checkpoint &checkpoint, Hyperparameters &fields,
                                                   const Encoder &encoder, MLIRContext *context) {
  if (!fields.ok())
    return fields.status();
  GraphBuilder graph(checkpoint, fields, context, inputsOf(encoder));
  // Models with a head have the encoder as a member.
  const std::string member = encoder.names.member;
  if (checkpoint.find(member + "embeddings.word_embeddings.weight"))
    graph.beginNamesWith(member);
  Encoder whole = encoder;
  if (!checkpoint.holdsTensors())
    whole.firstPosition = 0;
  Value states = buildStates(graph, whole);
  for (const std::string &prefix : {std::string(), member})
    for (const char *unused : {"embeddings.position_ids", "pooler.*"})
      graph.ignoreTensors({prefix + unused});
  if (headTaskOf(checkpoint.architecture()))
    graph.ignoreTensors(kHeadTensors);
  absl::StatusOr<Graph> built = finish(graph, encoder, states);
  if (!built.ok())
    return built;
  built->sizes.firstPosition = encoder.firstPosition - whole.firstPosition;
  built->definition = defineEncoder(encoder, /*head=*/nullptr);
  return built;
}

absl::StatusOr<Graph> llmc::frontend::buildEncoderWithHead(Checkpoint &checkpoint, Hyperparameters &fields,
                                                           const Encoder &encoder,
                                                           const EncoderHeadNames &names,
                                                           const HeadChoice &choice, MLIRContext *context) {
  const EncoderHead head = readEncoderHead(fields, encoder, choice);
  return buildWithHead(checkpoint, fields, encoder, names, head, choice.toTrain, context);
}

absl::StatusOr<Graph> llmc::frontend::buildDefinedEncoder(const spec::ModelDefinition &model,
                                                          Checkpoint &checkpoint, const EncoderNames &names,
                                                          const EncoderHeadNames &headNames, const char *name,
                                                          const char *modelType, MLIRContext *context) {
  const Encoder encoder = encoderOf(model, names);
  Hyperparameters fields = checkpoint.hyperparameters();
  std::optional<EncoderHead> head;
  if (model.head().kind() != spec::Head::NONE)
    head = encoderHeadOf(model);
  absl::StatusOr<Graph> built =
      head ? buildWithHead(checkpoint, fields, encoder, headNames, *head, !checkpoint.holdsTensors(), context)
           : buildEncoder(checkpoint, fields, encoder, context);
  if (built.ok() && !checkpoint.holdsTensors())
    built->description = describeEncoder(encoder, head ? &*head : nullptr, name, modelType);
  return built;
}
