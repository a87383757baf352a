//===- EncoderDecoder.h - models that read a source before they write ---------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ENCODERDECODER_H
#define LLMC_FRONTEND_IMPORT_ENCODERDECODER_H

#include "frontend/import/Family.h"
#include "frontend/import/GraphBuilder.h"

namespace llmc::frontend {

/// A model of two stacks (Vaswani et al., 2017): the encoder reads all of a source, and each layer of the
/// decoder attends to what became of it. Families say what the parts are.
///
/// The graph is @encode (tokens, positions of the source), which fills a cache of keys and values for each
/// layer of the decoder, and @forward (tokens, positions, output_ids, source_ends), which reads them.
/// `source_ends` is the position of the source's last token, once for each token.
class EncoderDecoder {
public:
  Size encoderLayers, decoderLayers, vocabulary, context, hidden, heads, headDim;
  /// What the decoder's text begins with.
  int64_t startToken = 0;
  spec::ModelDefinition::Family family; ///< as definitions call it

  virtual ~EncoderDecoder() = default;

  /// The model as a definition, and as files of Hugging Face describe it.
  virtual spec::ModelDefinition define() const = 0;
  virtual Description describe() const = 0;

  /// What names of layers begin with.
  virtual Name encoderLayer() const = 0;
  virtual Name decoderLayer() const = 0;

  virtual mlir::Value embedSource(GraphBuilder &graph, mlir::Value tokens, mlir::Value positions) const = 0;
  virtual mlir::Value encode(GraphBuilder &graph, mlir::Value x, mlir::Value positions) const = 0;
  /// What comes behind the encoder's last layer.
  virtual mlir::Value finishEncoder(GraphBuilder &graph, mlir::Value x) const = 0;

  /// The name of the product of a layer of the decoder with the encoder's outputs: keys or values.
  virtual Name crossKey() const = 0;
  virtual Name crossValue() const = 0;
  virtual Bias crossBias() const = 0;

  virtual mlir::Value embed(GraphBuilder &graph, mlir::Value tokens, mlir::Value positions) const = 0;
  /// A layer of the decoder. `attend` gives the attention of queries to the source.
  virtual mlir::Value decode(GraphBuilder &graph, mlir::Value x, mlir::Value positions,
                             llvm::function_ref<mlir::Value(mlir::Value query)> attend) const = 0;
  /// Logits of the rows that are wanted.
  virtual mlir::Value head(GraphBuilder &graph, mlir::Value x) const = 0;

  /// The scale of the products of queries and keys.
  virtual double attentionScale() const = 0;
  AttentionShape attention(bool causal) const {
    return {heads.value, heads.value, attentionScale(), causal, /*window=*/{}};
  }

protected:
  EncoderDecoder() = default;
  /// With what a complete definition says of the fields above.
  explicit EncoderDecoder(const spec::ModelDefinition &model);
  /// A definition and a description that say these fields.
  spec::ModelDefinition defineStacks() const;
  Description describeStacks(const char *architecture, const char *modelType) const;
};

/// Builds the graph. `fields` are those that `model` was read from; their error comes first. Tensors called
/// `ignored` have no use.
absl::StatusOr<Graph> buildEncoderDecoder(Checkpoint &checkpoint, Hyperparameters &fields,
                                          const EncoderDecoder &model,
                                          llvm::ArrayRef<llvm::StringRef> ignored,
                                          mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ENCODERDECODER_H
