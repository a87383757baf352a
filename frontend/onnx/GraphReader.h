#ifndef LLMC_FRONTEND_ONNX_GRAPHREADER_H
#define LLMC_FRONTEND_ONNX_GRAPHREADER_H

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/statusor.h"

#include "frontend/onnx/Evaluate.h"
#include "frontend/onnx/Expression.h"
#include "frontend/onnx/Model.h"
#include "frontend/onnx/TensorPool.h"
#include "frontend/onnx/Value.h"

namespace llmc::onnx {

/// Goes through the nodes of a graph and finds out what each edge is, for one sequence without padding.
///
/// What depends on the length of the sequence only (shapes, positions, masks) is computed for some lengths.
/// Two sizes are the same, and a mask is causal, if they are at all of these. Everything else is rows:
/// layouts follow what reshapes and transposes show of them, and expressions what is computed with them.
class GraphReader {
public:
  /// `lengths` of sequences that are tried, in increasing order.
  GraphReader(const Model &model, Expressions &expressions, TensorPool &tensors,
              std::vector<int64_t> lengths);

  /// Reads all nodes. Fails if the graph is none, or if its inputs are not those of a model of text; what can
  /// not be read is kept as a status in the values.
  absl::Status read();

  /// The value called `name`, or null.
  const Value *find(const std::string &name) const;

  /// Positions that the tables of positions have rows for; nothing if there are none.
  std::optional<int64_t> contextLength() const { return context; }
  /// Rows of the tables of tokens and of kinds of tokens; 0: there is none.
  int64_t vocabularySize() const { return vocabulary; }
  int64_t tokenTypes() const { return types; }

private:
  using Values = absl::StatusOr<std::vector<Value>>;
  using Inputs = std::vector<const Value *>; ///< null: not given
  using Reader = Values (GraphReader::*)(const Node &, const Inputs &);

  // Inputs (ReadInputs.cpp).
  absl::Status readInputs();
  /// 0, 1, 2, ... of the tokens: [1, tokens].
  Known positions() const;

  absl::Status readNodes(const wire::GraphProto &graph);
  Values readNode(const Node &node, const Inputs &inputs);
  Values readConstant(const Node &node);
  Values readIf(const Node &node, const Inputs &inputs);
  static Reader readerOf(const std::string &op);

  // Values that are known.
  std::optional<Known> knownOf(const Value *value) const;
  Values evaluateKnown(const Node &node, const std::vector<Known> &operands);
  Values readShape(const Node &node, const Inputs &inputs);
  std::optional<Values> readTensorNode(const Node &node, const Inputs &inputs);

  // Nodes that move the elements of ids, activations and scores (ReadLayouts.cpp).
  Values readSame(const Node &node, const Inputs &inputs);
  Values readReshape(const Node &node, const Inputs &inputs);
  Values readTranspose(const Node &node, const Inputs &inputs);
  Values readExpand(const Node &node, const Inputs &inputs);
  Values readSlice(const Node &node, const Inputs &inputs);
  Values readSplit(const Node &node, const Inputs &inputs);
  Values readGather(const Node &node, const Inputs &inputs);
  Values readEmbedding(const Node &node, const Constant &table, const Value &indices);
  Values takePart(const Node &node, const Activation &x, int64_t axis, int64_t start, int64_t count,
                  bool keepsAxis);
  Values relaid(const Value &value, Layout layout);

  // Nodes that compute (ReadArithmetic.cpp).
  Values readUnary(const Node &node, const Inputs &inputs);
  Values readBinary(const Node &node, const Inputs &inputs);
  Values readEqual(const Node &node, const Inputs &inputs);
  Values readIsNaN(const Node &node, const Inputs &inputs);
  Values readReduceMean(const Node &node, const Inputs &inputs);
  Values readNorm(const Node &node, const Inputs &inputs);
  /// `vectors` are weight and bias, which may be null; `epsilon` is for nodes that do not say.
  Values normOf(const Node &node, const Activation &x, Expression::Op op,
                std::initializer_list<const Value *> vectors, double epsilon);
  Values readGelu(const Node &node, const Inputs &inputs);
  Values readMatMul(const Node &node, const Inputs &inputs);
  Values readGemm(const Node &node, const Inputs &inputs);
  Values product(const Node &node, const Activation &x, const Value &weight, bool isTransposed);
  /// Element by element; operands are activations and what is known.
  Values combine(const Node &node, Expression::Op op, const Value &a, const Value &b);
  absl::StatusOr<Activation> operandOf(const Node &node, const Value &value, const Activation &other);
  absl::StatusOr<const Expression *> vectorOf(const Node &node, const Value &value, int64_t width);
  /// The tensor of a constant or of an array, to be a weight.
  const Tensor *tensorOf(const Value &value, const std::string &name);
  Value activation(const Node &node, Expression expression, Layout layout);

  // Nodes of attention (ReadAttention.cpp).
  Values readScores(const Node &node, const Activation &query, const Activation &key);
  Values readMixed(const Node &node, const Scores &weights, const Activation &value);
  Values readSoftmax(const Node &node, const Inputs &inputs);
  Values readWhere(const Node &node, const Inputs &inputs);
  Values scaleScores(const Node &node, const Scores &scores, double factor);
  Values addMask(const Node &node, const Scores &scores, const Known &mask);
  Values hide(const Node &node, const Scores &scores, const Known &isHidden);

  // Operators of ONNX Runtime (ReadRuntimeOperators.cpp).
  Values readSkipNorm(const Node &node, const Inputs &inputs);
  Values readEmbedNorm(const Node &node, const Inputs &inputs);
  Values readAttention(const Node &node, const Inputs &inputs);
  bool hidesNothing(const Value &mask) const;

  // Nodes that join tensors: keys behind a cache, halves of rotary embeddings (ReadConcat.cpp).
  std::optional<Value> halfOf(const Activation &x, int64_t axis, int64_t start, int64_t count) const;
  Values readConcat(const Node &node, const Inputs &inputs);
  std::optional<Value> rotaryTermOf(const Value &x, const Value &factor) const;
  Values rotate(const Node &node, const RotaryTerm &a, const RotaryTerm &b);

  absl::Status wrong(const Node &node, const Inputs &inputs) const;

  const Model &model;
  Expressions &expressions;
  TensorPool &tensors;
  std::vector<int64_t> lengths;
  absl::node_hash_map<std::string, Value> values; ///< they stay where they are
  /// Tensors of the file that were looked into.
  mutable absl::flat_hash_map<const Tensor *, Known> arrays;
  int depth = 0; ///< of branches in branches
  std::optional<int64_t> context;
  int64_t vocabulary = 0, types = 0;
};

/// What `value` is, for messages: "an activation of shape [1, tokens, 36]".
std::string describe(const Value &value);
/// Its shape for a sequence of each of `lengths`.
std::vector<std::vector<int64_t>> shapesOf(const Value &value, const std::vector<int64_t> &lengths);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_GRAPHREADER_H
