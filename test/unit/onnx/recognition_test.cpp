// Norms and activations in the forms that exporters and frameworks write them in.

#include <cmath>

#include "gtest/gtest.h"

#include "frontend/onnx/Recognition.h"

using namespace llmc::onnx;
using Op = Expression::Op;

namespace {

class OnnxRecognition : public ::testing::Test {
protected:
  const Expression *op(Op kind, std::vector<const Expression *> operands) {
    const int64_t width = kind == Op::Mean ? 1 : 8;
    return expressions.make({.op = kind, .operands = std::move(operands), .width = width});
  }
  const Expression *number(double value) { return expressions.scalar(value); }
  const Expression *add(const Expression *a, const Expression *b) { return op(Op::Add, {a, b}); }
  const Expression *mul(const Expression *a, const Expression *b) { return op(Op::Multiply, {a, b}); }
  const Expression *div(const Expression *a, const Expression *b) { return op(Op::Divide, {a, b}); }
  const Expression *pow(const Expression *a, double power) { return op(Op::Power, {a, number(power)}); }
  const Expression *mean(const Expression *a) { return op(Op::Mean, {a}); }

  void expectActivation(const Expression *expression, Op kind) {
    std::optional<RecognizedActivation> found = recognizeActivation(*expression);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->op, kind);
    EXPECT_EQ(found->x, x);
  }
  void expectNorm(const Expression *expression, Op kind, const Expression *expectedBias = nullptr) {
    std::optional<RecognizedNorm> found = recognizeNorm(*expression);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->op, kind);
    EXPECT_EQ(found->x, x);
    EXPECT_EQ(found->weight, weight);
    EXPECT_EQ(found->bias, expectedBias);
    EXPECT_EQ(found->epsilon, 1e-6);
  }

  Expressions expressions;
  Tensor tensors[3];
  const Expression *x = expressions.make({.op = Op::Embedding, .width = 8, .weight = &tensors[0]});
  const Expression *weight = expressions.make({.op = Op::Vector, .width = 8, .weight = &tensors[1]});
  const Expression *bias = expressions.make({.op = Op::Vector, .width = 8, .weight = &tensors[2]});
};

TEST_F(OnnxRecognition, GeluHoweverTheProductIsWritten) {
  const Expression *erf = add(op(Op::Erf, {div(x, number(std::sqrt(2.f)))}), number(1));
  expectActivation(mul(mul(x, erf), number(0.5)), Op::Gelu);
  expectActivation(mul(x, mul(number(0.5), erf)), Op::Gelu);
  expectActivation(mul(mul(number(0.5), x), erf), Op::Gelu);
  expectActivation(div(mul(erf, x), number(2)), Op::Gelu);
  const Expression *scaled = op(Op::Erf, {mul(x, number(std::sqrt(0.5f)))});
  expectActivation(mul(mul(x, number(0.5)), add(number(1), scaled)), Op::Gelu);
}

TEST_F(OnnxRecognition, GeluByTanh) {
  const double root = std::sqrt(2 / M_PI);
  const Expression *cubic = add(x, mul(pow(x, 3), number(0.044715)));
  auto gelu = [&](const Expression *u) {
    return mul(mul(x, number(0.5)), add(op(Op::Tanh, {u}), number(1)));
  };
  expectActivation(gelu(mul(cubic, number(root))), Op::GeluTanh);
  // x * (root + root * 0.044715 * x * x)
  const Expression *square = add(mul(mul(x, x), number(0.044715 * root)), number(root));
  expectActivation(gelu(mul(x, square)), Op::GeluTanh);
  EXPECT_FALSE(recognizeActivation(*gelu(mul(x, number(root)))));
}

TEST_F(OnnxRecognition, Sigmoids) {
  expectActivation(mul(op(Op::Sigmoid, {x}), x), Op::Silu);
  expectActivation(mul(x, op(Op::Sigmoid, {mul(number(1.702), x)})), Op::GeluSigmoid);
  EXPECT_FALSE(recognizeActivation(*mul(x, op(Op::Sigmoid, {mul(number(1.5), x)}))));
  EXPECT_FALSE(recognizeActivation(*mul(x, op(Op::Sigmoid, {bias}))));
}

TEST_F(OnnxRecognition, LayerNorm) {
  const Expression *centered = op(Op::Subtract, {x, mean(x)});
  const Expression *deviation = op(Op::Sqrt, {add(mean(pow(centered, 2)), number(1e-6))});
  expectNorm(add(mul(div(centered, deviation), weight), bias), Op::LayerNorm, bias);
  expectNorm(add(bias, mul(weight, mul(centered, op(Op::Reciprocal, {deviation})))), Op::LayerNorm, bias);
  const Expression *squares = mean(mul(centered, centered));
  expectNorm(div(mul(weight, centered), op(Op::Sqrt, {add(number(1e-6), squares)})), Op::LayerNorm);
  // The deviation of something else.
  const Expression *other = op(Op::Sqrt, {add(mean(pow(x, 2)), number(1e-6))});
  EXPECT_FALSE(recognizeNorm(*mul(div(centered, other), weight)));
}

TEST_F(OnnxRecognition, RmsNorm) {
  const Expression *variance = add(mean(pow(x, 2)), number(1e-6));
  expectNorm(mul(weight, mul(x, op(Op::Reciprocal, {op(Op::Sqrt, {variance})}))), Op::RmsNorm);
  expectNorm(mul(mul(x, pow(variance, -0.5)), weight), Op::RmsNorm);
  EXPECT_FALSE(recognizeNorm(*mul(weight, mul(x, op(Op::Reciprocal, {variance})))));
}

TEST_F(OnnxRecognition, FactorsAreSplitOff) {
  auto [factor, rest] = splitFactor(*div(mul(number(3), op(Op::Negate, {x})), number(2)));
  EXPECT_EQ(factor, -1.5);
  EXPECT_EQ(rest, x);
}

} // namespace
