#ifndef LLMC_FRONTEND_ONNX_EXPRESSION_H
#define LLMC_FRONTEND_ONNX_EXPRESSION_H

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "frontend/onnx/Tensor.h"

namespace llmc::onnx {

/// What a graph is given for each token.
enum class Input { Tokens, Positions, TokenTypes };

/// What is computed for each token: a row of numbers. Operators that other operators stand for together (a
/// decomposed norm, GELU) are found when a row is wanted (Recognition.h).
struct Expression {
  enum class Op {
    // Leaves.
    Scalar,    ///< `number`
    Vector,    ///< `weight`, the same for each token
    Embedding, ///< rows of `weight` by `input`
    // Operations of nn.
    Linear,    ///< product with `weight` [out, in], or [in, out] if it is transposed
    Attention, ///< query, key, value; `attention`
    LayerNorm, ///< x, weight and perhaps bias; `number` is its epsilon
    RmsNorm,   ///< x, weight; `number` is its epsilon
    Gelu,
    GeluTanh,
    GeluSigmoid,
    Silu,
    Rope,     ///< of `attention.heads` heads; `frequencies`
    Slice,    ///< `width` elements from `first` on
    FirstRow, ///< of the first token only
    Mean,     ///< over the width
    // Element by element.
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Maximum,
    Minimum,
    Negate,
    Reciprocal,
    Sqrt,
    Exp,
    Log,
    Erf,
    Tanh,
    Sigmoid,
    Relu,
    Abs,
    Sin,
    Cos,
  };
  /// Which tokens there is a row for.
  enum class Rows { Constant, All, First };
  struct Attention {
    int64_t heads = 0, kvHeads = 0;
    double scale = 1;
    bool isCausal = false;
    std::optional<int64_t> window;

    auto operator<=>(const Attention &) const = default;
  };

  Op op;
  std::vector<const Expression *> operands;
  int64_t width = 1;
  Rows rows = Rows::Constant;
  double number = 0;
  const Tensor *weight = nullptr;
  bool isTransposed = false; ///< `weight` is [in, out]
  int64_t first = 0;
  Input input = Input::Tokens;
  Attention attention;
  std::vector<double> frequencies; ///< of pairs, in radians for each token
  int64_t order = 0;               ///< counts expressions as they are made: operands come first
  /// The node that it comes from, for messages and locations: "node 'NAME' (OP)", and its name.
  std::string place, name;

  bool isScalar() const { return op == Op::Scalar; }
  const Expression &operator[](size_t index) const { return *operands[index]; }
};

/// All expressions of a graph. Equal ones are one, so that they can be compared by address.
class Expressions {
public:
  const Expression *make(Expression expression);
  const Expression *scalar(double number);

private:
  using Key = std::tuple<Expression::Op, std::vector<const Expression *>, double, const Tensor *, bool,
                         int64_t, int64_t, Input, Expression::Attention, std::vector<double>>;
  std::map<Key, const Expression *> known;
  std::deque<Expression> all;
};

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_EXPRESSION_H
