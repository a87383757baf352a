#include "frontend/onnx/Expression.h"

#include <cmath>

namespace llmc::onnx {

const Expression *Expressions::make(Expression expression) {
  expression.order = static_cast<int64_t>(all.size());
  if (std::isnan(expression.number)) // Not equal to itself, so it has no place in a map.
    return &all.emplace_back(std::move(expression));
  Key key{expression.op,           expression.operands,   expression.number, expression.weight,
          expression.isTransposed, expression.first,      expression.width,  expression.input,
          expression.attention,    expression.frequencies};
  const Expression *&found = known[std::move(key)];
  if (!found)
    found = &all.emplace_back(std::move(expression));
  return found;
}

const Expression *Expressions::scalar(double number) {
  return make({.op = Expression::Op::Scalar, .number = number});
}

} // namespace llmc::onnx
