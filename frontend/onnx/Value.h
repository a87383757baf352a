#ifndef LLMC_FRONTEND_ONNX_VALUE_H
#define LLMC_FRONTEND_ONNX_VALUE_H

#include <variant>
#include <vector>

#include "absl/status/status.h"

#include "frontend/onnx/Array.h"
#include "frontend/onnx/Expression.h"
#include "frontend/onnx/Layout.h"

namespace llmc::onnx {

/// What no token has a part in: one array for each length of the sequence that is tried, or one for all.
struct Known {
  std::vector<Array> arrays;

  const Array &at(size_t length) const { return arrays.size() == 1 ? arrays[0] : arrays[length]; }
  /// Whether all elements at all lengths are the same number.
  bool isUniform() const;
};

/// A tensor of the file, or its transpose.
struct Constant {
  const Tensor *tensor;
  bool isTransposed = false;

  std::vector<int64_t> shape() const;
};

/// An input of integers, one for each token: tokens or their kinds.
struct Ids {
  Input input;
  Layout layout;
};

/// An activation.
struct Activation {
  const Expression *rows;
  Layout layout; ///< its axes go through the width of `rows`
};

/// Products of queries and keys of all heads, or, behind a softmax, the weights of values.
struct Scores {
  const Expression *query, *key;
  int64_t heads, kvHeads, headDim;
  double scale = 1;
  /// For each length [length, length]: which keys a query sees. None: all.
  std::vector<Array> visible;
  bool areWeights = false;
  Layout layout; ///< [1, heads, tokens, tokens]
};

/// Half of the elements of each head of `x`, or both halves turned: what a rotary embedding multiplies by
/// sines (Su et al., 2021).
struct RotaryPart {
  enum class What { First, Second, NegatedSecond, Turned };

  Activation x;
  What what; ///< Turned: the negated second half, then the first
};

/// `x`, or its turned halves, times cosines or sines of angles.
struct RotaryTerm {
  Activation x;
  bool isTurned;
  Known factor; ///< for each length [tokens, headDim]
};

/// What an edge of the graph carries. A status says why it can not be read: only what is needed is refused.
using Value = std::variant<Known, Constant, Ids, Activation, Scores, RotaryPart, RotaryTerm, absl::Status>;

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_VALUE_H
