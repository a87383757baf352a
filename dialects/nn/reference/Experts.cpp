//===- Experts.cpp - nn.experts ----------------------------------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include "dialects/nn/reference/Parallel.h"
#include "dialects/nn/reference/Rounding.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// An expert and its weight in the result.
template <typename T> struct Choice {
  int64_t expert;
  T weight;
};

template <typename T> std::vector<Choice<T>> choose(ExpertsOp op, const T *router) {
  const int64_t experts = op.getExperts(), topK = op.getTopK();
  const T largest = *std::max_element(router, router + experts);
  std::vector<T> probability(experts);
  T total = 0;
  for (int64_t e = 0; e < experts; ++e)
    total += probability[e] = std::exp(router[e] - largest);
  if (op.getSigmoid()) {
    total = 1;
    for (int64_t e = 0; e < experts; ++e)
      probability[e] = 1 / (1 + std::exp(-router[e]));
  }
  std::vector<int64_t> order(experts);
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + topK, order.end(), [&](int64_t a, int64_t b) {
    return probability[a] != probability[b] ? probability[a] > probability[b] : a < b;
  });
  std::vector<Choice<T>> choices;
  T chosen = 0;
  for (int64_t i = 0; i < topK; ++i) {
    choices.push_back({order[i], probability[order[i]] / total});
    chosen += choices.back().weight;
  }
  for (Choice<T> &choice : choices)
    if (op.getRenormalize())
      choice.weight /= chosen;
  return choices;
}

template <typename T> T dot(const T *a, const T *b, int64_t size) {
  T sum = 0;
  for (int64_t i = 0; i < size; ++i)
    sum += a[i] * b[i];
  return sum;
}

template <typename T> T activate(GateActivation kind, T x) {
  if (kind == GateActivation::Silu)
    return x / (1 + std::exp(-x));
  const T inner = static_cast<T>(std::sqrt(2 / M_PI)) * (x + static_cast<T>(0.044715) * x * x * x);
  return x * (1 + std::tanh(inner)) / 2;
}

template <typename T> LogicalResult evaluate(ExpertsOp op, Frame<T> &frame) {
  const Tensor<T> &input = frame.getTensor(op.getInput()), &router = frame.getTensor(op.getRouter());
  const Tensor<T> &gate = frame.getTensor(op.getGate()), &up = frame.getTensor(op.getUp());
  const Tensor<T> &down = frame.getTensor(op.getDown());
  if (input.rows() != router.rows())
    return op.emitOpError() << "has " << input.rows() << " input rows but " << router.rows()
                            << " router rows";
  const int64_t width = input.width(), inner = down.width(), topK = op.getTopK();
  const double operations = 2.0 * input.rows() * topK * width * inner;
  std::vector<std::vector<Choice<T>>> choices(input.rows());
  Tensor<T> hidden({input.rows() * topK, inner}), result({input.rows(), width});
  parallelFor(input.rows(), 2 * operations, [&](int64_t t) {
    choices[t] = choose(op, router.row(t));
    for (auto [k, choice] : llvm::enumerate(choices[t]))
      for (int64_t i = 0; i < inner; ++i)
        hidden.row(t * topK + k)[i] =
            activate(op.getActivation(), dot(input.row(t), gate.row(choice.expert * inner + i), width)) *
            dot(input.row(t), up.row(choice.expert * inner + i), width);
  });
  if (llvm::Error error = roundTo<T>(getElementTypeOrSelf(op.getInput()), inner, hidden.values))
    return op.emitOpError() << "multiplies by 'down': " << llvm::toString(std::move(error));
  parallelFor(input.rows(), operations, [&](int64_t t) {
    for (auto [k, choice] : llvm::enumerate(choices[t]))
      for (int64_t d = 0; d < width; ++d)
        result.row(t)[d] +=
            choice.weight * dot(hidden.row(t * topK + k), down.row(choice.expert * width + d), inner);
  });
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> LogicalResult evaluate(RelativePositionBiasOp op, Frame<T> &frame) {
  const IntegerTensor &queries = frame.getIntegers(op.getQueryPositions());
  const IntegerTensor &keys = frame.getIntegers(op.getKeyPositions());
  const Tensor<T> &table = frame.getTensor(op.getTable());
  Tensor<T> result({table.width() * queries.rows(), keys.rows()});
  for (int64_t h = 0; h < table.width(); ++h)
    for (int64_t i = 0; i < queries.rows(); ++i)
      for (int64_t j = 0; j < keys.rows(); ++j)
        result.row(h * queries.rows() + i)[j] =
            table.row(op.getBucket(static_cast<int64_t>(queries.values[i]) - keys.values[j]))[h];
  return frame.setComputed(op.getResult(), std::move(result));
}

} // namespace

LogicalResult ExpertsOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult ExpertsOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult RelativePositionBiasOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult RelativePositionBiasOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
