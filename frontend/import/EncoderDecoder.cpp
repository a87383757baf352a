//===- EncoderDecoder.cpp - models that read a source before they write -------------------------------===//

#include "frontend/import/EncoderDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

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
  return built;
}
