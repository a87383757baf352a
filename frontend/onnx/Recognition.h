#ifndef LLMC_FRONTEND_ONNX_RECOGNITION_H
#define LLMC_FRONTEND_ONNX_RECOGNITION_H

#include <optional>
#include <utility>
#include <vector>

#include "frontend/onnx/Expression.h"

namespace llmc::onnx {

/// A norm of the rows of `x` that an expression stands for.
struct RecognizedNorm {
  Expression::Op op;                   ///< LayerNorm or RmsNorm
  const Expression *x, *weight, *bias; ///< weight and bias are vectors, or null
  double epsilon;
};
/// Finds (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * weight + bias, and the same without the
/// subtraction and the bias, however the products and quotients are written.
std::optional<RecognizedNorm> recognizeNorm(const Expression &expression);

/// An activation of `x` that an expression stands for.
struct RecognizedActivation {
  Expression::Op op; ///< Gelu, GeluTanh, GeluSigmoid or Silu
  const Expression *x;
};
/// Finds x * F(x) with F of GELU (in its three forms) or SiLU.
std::optional<RecognizedActivation> recognizeActivation(const Expression &expression);

/// `expression` as a number times another one; that of most is 1.
std::pair<double, const Expression *> splitFactor(const Expression &expression);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_RECOGNITION_H
