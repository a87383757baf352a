#include "frontend/onnx/Recognition.h"

#include <array>
#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/types/span.h"

namespace llmc::onnx {

namespace {

using Op = Expression::Op;

/// Exporters round their constants to f32.
bool isNear(double found, double expected) {
  return std::fabs(found - expected) <= 1e-5 * std::fabs(expected);
}

//===----------------------------------------------------------------------===//
// Products and sums, however they are written
//===----------------------------------------------------------------------===//

/// coefficient * product of base^power.
struct Product {
  struct Factor {
    const Expression *base;
    double power;
  };
  double coefficient = 1;
  std::vector<Factor> factors;

  void add(const Expression *base, double power) {
    auto same = absl::c_find_if(factors, [&](const Factor &factor) { return factor.base == base; });
    if (same == factors.end())
      factors.push_back({base, power});
    else
      same->power += power;
  }
  /// The base of the factor with this power, which is taken out; null if there is none.
  template <typename Predicate> const Expression *take(double power, Predicate isWanted) {
    for (auto factor = factors.begin(); factor != factors.end(); ++factor)
      if (factor->power == power && isWanted(*factor->base)) {
        const Expression *base = factor->base;
        factors.erase(factor);
        return base;
      }
    return nullptr;
  }
  bool takeFactor(const Expression *base, double power) {
    return take(power, [&](const Expression &candidate) { return &candidate == base; }) != nullptr;
  }
};

/// Bounds what files can make of it: products of products that use each operand twice.
constexpr int kDeepest = 10;

void addFactors(const Expression &expression, double power, Product &product, int depth = 0) {
  if (depth > kDeepest) {
    product.add(&expression, power);
    return;
  }
  switch (expression.op) {
  case Op::Scalar:
    product.coefficient *= std::pow(expression.number, power);
    return;
  case Op::Multiply:
    addFactors(expression[0], power, product, depth + 1);
    addFactors(expression[1], power, product, depth + 1);
    return;
  case Op::Divide:
    addFactors(expression[0], power, product, depth + 1);
    addFactors(expression[1], -power, product, depth + 1);
    return;
  case Op::Reciprocal:
    addFactors(expression[0], -power, product, depth + 1);
    return;
  case Op::Sqrt:
    // The root of a sum of squares: of nothing that is taken apart.
    product.add(&expression[0], power / 2);
    return;
  case Op::Power:
    if (expression[1].isScalar()) {
      product.add(&expression[0], power * expression[1].number);
      return;
    }
    break;
  case Op::Negate:
    if (power == 1) {
      product.coefficient = -product.coefficient;
      addFactors(expression[0], power, product, depth + 1);
      return;
    }
    break;
  default:
    break;
  }
  product.add(&expression, power);
}

Product factorsOf(const Expression &expression) {
  Product product;
  addFactors(expression, 1, product);
  return product;
}

/// A sum of a number and one other expression: `number + rest`.
struct ShiftedExpression {
  double number;
  const Expression *rest;
};
std::optional<ShiftedExpression> splitNumber(const Expression &sum) {
  if (sum.op != Op::Add)
    return std::nullopt;
  for (int i : {0, 1})
    if (sum[i].isScalar())
      return ShiftedExpression{sum[i].number, &sum[1 - i]};
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

/// The operand of a mean over the width.
const Expression *meanOperand(const Expression &expression) {
  return expression.op == Op::Mean ? &expression[0] : nullptr;
}

bool isSquareOf(const Expression &expression, const Expression &base) {
  Product square = factorsOf(expression);
  return square.coefficient == 1 && square.takeFactor(&base, 2) && square.factors.empty();
}

/// x of x - mean(x).
const Expression *centeredOperand(const Expression &expression) {
  if (expression.op != Op::Subtract)
    return nullptr;
  const Expression *mean = meanOperand(expression[1]);
  return mean == &expression[0] ? mean : nullptr;
}

bool isVector(const Expression &expression) { return expression.op == Op::Vector; }

std::optional<RecognizedNorm> recognizeNormWithoutBias(const Expression &expression) {
  Product product = factorsOf(expression);
  const Expression *variance =
      product.take(-0.5, [](const Expression &base) { return splitNumber(base).has_value(); });
  if (!variance || product.coefficient != 1)
    return std::nullopt;
  const ShiftedExpression shifted = *splitNumber(*variance);
  const Expression *squares = meanOperand(*shifted.rest);
  const Expression *weight = product.take(1, isVector);
  if (!squares || product.factors.size() != 1 || product.factors[0].power != 1 ||
      !(shifted.number >= 0 && shifted.number <= 1))
    return std::nullopt;
  const Expression *numerator = product.factors[0].base;
  if (!isSquareOf(*squares, *numerator))
    return std::nullopt;
  if (const Expression *x = centeredOperand(*numerator))
    return RecognizedNorm{Op::LayerNorm, x, weight, nullptr, shifted.number};
  return RecognizedNorm{Op::RmsNorm, numerator, weight, nullptr, shifted.number};
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// Coefficients of x^0 to x^3.
using Polynomial = std::array<double, 4>;

std::optional<Polynomial> multiply(const Polynomial &a, const Polynomial &b) {
  Polynomial result = {};
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b.size(); ++j) {
      if (a[i] == 0 || b[j] == 0)
        continue;
      if (i + j >= result.size())
        return std::nullopt;
      result[i + j] += a[i] * b[j];
    }
  return result;
}

/// `expression` as a polynomial of `x`.
std::optional<Polynomial> polynomialOf(const Expression &expression, const Expression &x, int depth = 0) {
  if (&expression == &x)
    return Polynomial{0, 1, 0, 0};
  if (expression.isScalar())
    return Polynomial{expression.number, 0, 0, 0};
  if (depth > 8 || expression.operands.empty())
    return std::nullopt;
  std::optional<Polynomial> a = polynomialOf(expression[0], x, depth + 1);
  if (!a)
    return std::nullopt;
  const bool isBinary = expression.operands.size() == 2;
  std::optional<Polynomial> b = isBinary ? polynomialOf(expression[1], x, depth + 1) : std::nullopt;
  if (isBinary && !b)
    return std::nullopt;
  switch (expression.op) {
  case Op::Add:
  case Op::Subtract:
    for (size_t i = 0; i < a->size(); ++i)
      (*a)[i] += expression.op == Op::Add ? (*b)[i] : -(*b)[i];
    return a;
  case Op::Multiply:
    return multiply(*a, *b);
  case Op::Divide:
    return expression[1].isScalar() ? multiply(*a, {1 / expression[1].number, 0, 0, 0}) : std::nullopt;
  case Op::Negate:
    return multiply(*a, {-1, 0, 0, 0});
  case Op::Power: {
    const double power = expression[1].isScalar() ? expression[1].number : 0;
    if (power != 2 && power != 3)
      return std::nullopt;
    std::optional<Polynomial> square = multiply(*a, *a);
    return square && power == 3 ? multiply(*square, *a) : square;
  }
  default:
    return std::nullopt;
  }
}

bool isPolynomial(const Expression &expression, const Expression &x, const Polynomial &expected) {
  std::optional<Polynomial> found = polynomialOf(expression, x);
  return found &&
         absl::c_equal(*found, expected, [](double a, double b) { return b == 0 ? a == 0 : isNear(a, b); });
}

} // namespace

std::optional<RecognizedNorm> recognizeNorm(const Expression &expression) {
  if (expression.op == Op::Add)
    for (int i : {0, 1})
      if (isVector(expression[i]))
        if (std::optional<RecognizedNorm> norm = recognizeNormWithoutBias(expression[1 - i]);
            norm && norm->op == Op::LayerNorm) {
          norm->bias = &expression[i];
          return norm;
        }
  return recognizeNormWithoutBias(expression);
}

std::optional<RecognizedActivation> recognizeActivation(const Expression &expression) {
  Product product = factorsOf(expression);
  if (const Expression *sigmoid =
          product.take(1, [](const Expression &base) { return base.op == Op::Sigmoid; })) {
    if (product.coefficient != 1 || product.factors.size() != 1 || product.factors[0].power != 1)
      return std::nullopt;
    const Expression *x = product.factors[0].base;
    if (isPolynomial((*sigmoid)[0], *x, {0, 1, 0, 0}))
      return RecognizedActivation{Op::Silu, x};
    if (isPolynomial((*sigmoid)[0], *x, {0, 1.702, 0, 0}))
      return RecognizedActivation{Op::GeluSigmoid, x};
    return std::nullopt;
  }
  const Expression *sum = product.take(1, [](const Expression &base) {
    const std::optional<ShiftedExpression> shifted = splitNumber(base);
    return shifted && shifted->number == 1 && (shifted->rest->op == Op::Erf || shifted->rest->op == Op::Tanh);
  });
  if (!sum || product.coefficient != 0.5 || product.factors.size() != 1 || product.factors[0].power != 1)
    return std::nullopt;
  const Expression *x = product.factors[0].base;
  const Expression &function = *splitNumber(*sum)->rest;
  const double root = std::sqrt(2 / M_PI);
  if (function.op == Op::Erf && isPolynomial(function[0], *x, {0, M_SQRT1_2, 0, 0}))
    return RecognizedActivation{Op::Gelu, x};
  if (function.op == Op::Tanh && isPolynomial(function[0], *x, {0, root, 0, 0.044715 * root}))
    return RecognizedActivation{Op::GeluTanh, x};
  return std::nullopt;
}

std::pair<double, const Expression *> splitFactor(const Expression &expression) {
  double factor = 1;
  const Expression *rest = &expression;
  while (true) {
    if (rest->op == Op::Multiply && (*rest)[1].isScalar()) {
      factor *= (*rest)[1].number;
      rest = rest->operands[0];
    } else if (rest->op == Op::Multiply && (*rest)[0].isScalar()) {
      factor *= (*rest)[0].number;
      rest = rest->operands[1];
    } else if (rest->op == Op::Divide && (*rest)[1].isScalar()) {
      factor /= (*rest)[1].number;
      rest = rest->operands[0];
    } else if (rest->op == Op::Negate) {
      factor = -factor;
      rest = rest->operands[0];
    } else {
      return {factor, rest};
    }
  }
}

} // namespace llmc::onnx
