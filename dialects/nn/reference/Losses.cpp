//===- Losses.cpp - nn.cross_entropy -----------------------------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

template <typename T> static LogicalResult evaluate(CrossEntropyOp op, Frame<T> &frame) {
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
    const T *x = logits.row(t), largest = *std::max_element(x, x + logits.width());
    T sum = 0;
    for (int64_t j = 0; j < logits.width(); ++j)
      sum += std::exp(x[j] - largest);
    result.values[t] = largest + std::log(sum) - x[target];
  }
  return frame.setComputed(op.getResult(), std::move(result));
}

LogicalResult CrossEntropyOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult CrossEntropyOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
