//===- EncoderDecoder.cpp - models that read a source before they write -------------------------------===//

#include "frontend/import/EncoderDecoder.h"
#include "absl/strings/str_cat.h"
#include "frontend/import/DefineLayers.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

EncoderDecoder::EncoderDecoder(const spec::ModelDefinition &model)
    : encoderLayers(sizeOf(model.layers(), "layers")),
      decoderLayers(sizeOf(model.decoder().layers(), "decoder.layers")),
      vocabulary(sizeOf(model.vocabulary(), "vocabulary")), context(sizeOf(model.context(), "context")),
      hidden(sizeOf(model.width(), "width")), heads(sizeOf(model.decoder().heads(), "decoder.heads")),
      startToken(model.decoder().start_token()), family(model.family()) {}

spec::ModelDefinition EncoderDecoder::defineStacks() const {
  spec::ModelDefinition model;
  model.set_family(family);
  model.set_vocabulary(vocabulary.value);
  model.set_context(context.value);
  model.set_width(hidden.value);
  model.set_layers(encoderLayers.value);
  model.mutable_decoder()->set_layers(decoderLayers.value);
  model.mutable_decoder()->set_heads(heads.value);
  model.mutable_decoder()->set_start_token(startToken);
  return model;
}

Description EncoderDecoder::describeStacks(const char *architecture, const char *modelType) const {
  Description description = {.huggingFaceArchitecture = architecture, .modelType = modelType};
  description.add({"is_encoder_decoder", ""}, true);
  description.add({"vocab_size", ""}, vocabulary.value);
  description.add({"d_model", ""}, hidden.value);
  description.add({"decoder_start_token_id", ""}, startToken);
  return description;
}

absl::StatusOr<Graph> llmc::frontend::buildEncoderDecoder(Checkpoint &checkpoint, Hyperparameters &fields,
                                                          const EncoderDecoder &model,
                                                          ArrayRef<StringRef> ignored, MLIRContext *context) {
  if (!fields.ok())
    return fields.status();
  const Size width = model.heads * model.headDim;
  GraphBuilder graph(checkpoint, fields, context, {"tokens", "positions"}, "encode");
  auto addCaches = [&] {
    SmallVector<Value> caches;
    for (int64_t i = 0; i < model.decoderLayers.value; ++i)
      caches.push_back(graph.addSourceCache(model.heads.value, model.headDim.value));
    return caches;
  };
  SmallVector<Value> caches = addCaches();
  Value positions = graph.input(1);
  Value x = model.embedSource(graph, graph.input(0), positions);
  for (int64_t i = 0; i < model.encoderLayers.value && graph.ok(); ++i)
    x = graph.layer(
        i, model.encoderLayer(), {x, positions},
        [&](ValueRange inputs) { return model.encode(graph, inputs[0], inputs[1]); }, "encoder");
  x = model.finishEncoder(graph, x);
  for (int64_t i = 0; i < model.decoderLayers.value && graph.ok(); ++i)
    caches[i] = graph.layer(
        i, model.decoderLayer(), {x, positions, caches[i]},
        [&](ValueRange inputs) {
          Value key = graph.linear(inputs[0], model.crossKey(), width, model.hidden, model.crossBias());
          Value value = graph.linear(inputs[0], model.crossValue(), width, model.hidden, model.crossBias());
          return graph.appendToCache(inputs[2], key, value, inputs[1]);
        },
        "source");

  graph.beginForward(caches, {"tokens", "positions", "output_ids", "source_ends"});
  caches = addCaches();
  positions = graph.input(1);
  x = model.embed(graph, graph.input(0), positions);
  for (int64_t i = 0; i < model.decoderLayers.value && graph.ok(); ++i)
    x = graph.layer(
        i, model.decoderLayer(), {x, positions, graph.input(3), caches[i]},
        [&](ValueRange inputs) {
          return model.decode(graph, inputs[0], inputs[1], [&](Value query) {
            return graph.crossAttention(query, inputs[3], inputs[2], model.attention(/*causal=*/true));
          });
        },
        "decoder");
  Value logits = model.head(graph, graph.selectRows(x, graph.input(2)));

  graph.ignoreTensors(ignored);
  absl::StatusOr<OwningOpRef<ModuleOp>> module = graph.finish(logits);
  if (!module.ok())
    return module.status();
  Graph built{std::move(*module),
              {model.vocabulary.value, model.context.value, model.hidden.value, model.decoderLayers.value}};
  built.startToken = model.startToken;
  built.definition = model.define();
  // Files of the one format are not written from those of the other.
  if (!checkpoint.holdsTensors())
    built.description = model.describe();
  return built;
}
