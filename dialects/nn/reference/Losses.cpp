//===- Losses.cpp - nn.cross_entropy, nn.kl_divergence ----------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

/// log(sum_j exp(x[j])).
template <typename T> static T logSumExp(ArrayRef<T> x) {
  const T largest = *llvm::max_element(x);
  T sum = 0;
  for (T value : x)
    sum += std::exp(value - largest);
  return largest + std::log(sum);
}

template <typename T> static LogicalResult evaluate(CrossEntropyOp op, Frame<T> &frame) {
  const T smoothing = static_cast<T>(op.getSmoothing().convertToDouble());
  const Tensor<T> &logits = frame.getTensor(op.getLogits());
  const IntegerTensor &targets = frame.getIntegers(op.getTargets());
  Tensor<T> result({logits.rows(), 1});
  for (int64_t t = 0; t < logits.rows(); ++t) {
    const int64_t target = targets.values[t];
    if (target < 0)
      continue;
    if (target >= logits.width())
      return op.emitOpError() << "has the target " << target << " in row " << t << ", expected one below "
                              << logits.width();
    const ArrayRef<T> x(logits.row(t), logits.width());
    const T mean = std::accumulate(x.begin(), x.end(), T(0)) / static_cast<T>(x.size());
    result.values[t] = logSumExp(x) - (1 - smoothing) * x[target] - smoothing * mean;
  }
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> static LogicalResult evaluate(KlDivergenceOp op, Frame<T> &frame) {
  const Tensor<T> &logits = frame.getTensor(op.getLogits()), &teacher = frame.getTensor(op.getTeacher());
  Tensor<T> result({logits.rows(), 1});
  for (int64_t t = 0; t < logits.rows(); ++t) {
    const ArrayRef<T> x(logits.row(t), logits.width()), r(teacher.row(t), logits.width());
    const T ofLogits = logSumExp(x), ofTeacher = logSumExp(r);
    for (auto [a, b] : llvm::zip_equal(x, r))
      result.values[t] += std::exp(b - ofTeacher) * ((b - ofTeacher) - (a - ofLogits));
  }
  return frame.setComputed(op.getResult(), std::move(result));
}

LogicalResult CrossEntropyOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult CrossEntropyOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult KlDivergenceOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult KlDivergenceOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
