//===- Normalization.cpp - nn.rms_norm, nn.layer_norm ------------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

template <typename T> LogicalResult evaluate(RmsNormOp op, Frame<T> &frame) {
  const Tensor<T> &input = frame.getTensor(op.getInput()), &weight = frame.getTensor(op.getWeight());
  const int64_t group = weight.rows();
  if (group == 0 || input.width() % group != 0)
    return op.emitOpError() << "normalizes rows of width " << input.width() << " in groups of " << group;
  const T epsilon = static_cast<T>(op.getEpsilon().convertToDouble());
  Tensor<T> result(input.shape);
  for (int64_t first = 0, size = input.values.size(); first < size; first += group) {
    const T *x = input.values.data() + first;
    T squares = 0;
    for (int64_t d = 0; d < group; ++d)
      squares += x[d] * x[d];
    const T norm = std::sqrt(squares / group + epsilon);
    for (int64_t d = 0; d < group; ++d)
      result.values[first + d] = x[d] / norm * weight.values[d];
  }
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> LogicalResult evaluate(LayerNormOp op, Frame<T> &frame) {
  const Tensor<T> &input = frame.getTensor(op.getInput()), &weight = frame.getTensor(op.getWeight());
  const Tensor<T> *bias = op.getBias() ? &frame.getTensor(op.getBias()) : nullptr;
  const int64_t width = input.width();
  if (weight.rows() != width || (bias && bias->rows() != width))
    return op.emitOpError() << "normalizes rows of width " << width << " with a weight of size "
                            << weight.rows() << " and a bias of size "
                            << (bias ? bias->rows() : weight.rows());
  const T epsilon = static_cast<T>(op.getEpsilon().convertToDouble());
  Tensor<T> result(input.shape);
  for (int64_t row = 0; row < input.rows(); ++row) {
    const T *x = input.row(row);
    T sum = 0, squares = 0;
    for (int64_t d = 0; d < width; ++d)
      sum += x[d];
    const T mean = sum / width;
    for (int64_t d = 0; d < width; ++d)
      squares += (x[d] - mean) * (x[d] - mean);
    const T deviation = std::sqrt(squares / width + epsilon);
    for (int64_t d = 0; d < width; ++d)
      result.row(row)[d] = (x[d] - mean) / deviation * weight.values[d] + (bias ? bias->values[d] : T(0));
  }
  return frame.setComputed(op.getResult(), std::move(result));
}

} // namespace

LogicalResult RmsNormOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult RmsNormOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult LayerNormOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult LayerNormOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
