#ifndef LLMC_FRONTEND_ONNX_OPERATORS_H
#define LLMC_FRONTEND_ONNX_OPERATORS_H

#include "absl/strings/string_view.h"

#include "frontend/onnx/Evaluate.h"

namespace llmc::onnx {

/// Computes the outputs of a node, whose first operands are given.
using Evaluator = absl::StatusOr<std::vector<Array>> (*)(const Node &node, Operands operands);

/// An operator of ONNX that evaluate() knows.
struct Operator {
  absl::string_view name;
  /// Operands that have to be given.
  size_t needed;
  Evaluator evaluate;
};

/// Operators that compute with elements one by one, or over an axis.
absl::Span<const Operator> arithmeticOperators();
/// Operators that move elements.
absl::Span<const Operator> movingOperators();

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_OPERATORS_H
