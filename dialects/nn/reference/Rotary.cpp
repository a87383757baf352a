//===- Rotary.cpp - nn.rope, nn.rope_table, nn.rotate ------------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// [positions, dims]: of each pair first the cosines, then the sines. Angles and their functions are computed
/// in double precision.
template <typename T, typename Op> Tensor<T> makeTable(Op op, const IntegerTensor &positions) {
  SmallVector<double> frequencies = op.getFrequencies();
  const double magnitude = op.getMagnitude();
  const int64_t pairs = frequencies.size();
  Tensor<T> table({positions.rows(), 2 * pairs});
  for (int64_t t = 0; t < positions.rows(); ++t)
    for (int64_t i = 0; i < pairs; ++i) {
      const double angle = positions.values[t] * frequencies[i];
      table.row(t)[i] = static_cast<T>(magnitude * std::cos(angle));
      table.row(t)[pairs + i] = static_cast<T>(magnitude * std::sin(angle));
    }
  return table;
}

/// Rotates the pairs of each head of `input` by `table`.
template <typename T>
LogicalResult rotate(Operation *op, Tensor<T> &input, const Tensor<T> &table, int64_t heads,
                     RopeStyle style) {
  const int64_t pairs = table.width() / 2;
  if (input.rows() != table.rows())
    return op->emitOpError() << "rotates " << input.rows() << " rows by the angles of " << table.rows();
  if (input.width() % heads != 0 || 2 * pairs > input.width() / heads)
    return op->emitOpError() << "rotates " << 2 * pairs << " dimensions of " << heads
                             << " heads in a width of " << input.width();
  const int64_t headDim = input.width() / heads;
  for (int64_t t = 0; t < input.rows(); ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < pairs; ++i) {
        T *head = input.row(t) + h * headDim;
        T &first = style == RopeStyle::Half ? head[i] : head[2 * i];
        T &second = style == RopeStyle::Half ? head[i + pairs] : head[2 * i + 1];
        const T a = first, b = second, c = table.row(t)[i], s = table.row(t)[pairs + i];
        first = a * c - b * s;
        second = a * s + b * c;
      }
  return success();
}

template <typename T> LogicalResult evaluate(RopeOp op, Frame<T> &frame) {
  Tensor<T> result = frame.getTensor(op.getInput());
  Tensor<T> table = makeTable<T>(op, frame.getIntegers(op.getPositions()));
  if (failed(rotate(op, result, table, op.getHeads(), op.getStyle())))
    return failure();
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> LogicalResult evaluate(RopeTableOp op, Frame<T> &frame) {
  return frame.setComputed(op.getResult(), makeTable<T>(op, frame.getIntegers(op.getPositions())));
}

template <typename T> LogicalResult evaluate(RotateOp op, Frame<T> &frame) {
  Tensor<T> result = frame.getTensor(op.getInput());
  if (failed(rotate(op, result, frame.getTensor(op.getTable()), op.getHeads(), op.getStyle())))
    return failure();
  return frame.setComputed(op.getResult(), std::move(result));
}

} // namespace

LogicalResult RopeOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult RopeOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult RopeTableOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult RopeTableOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult RotateOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult RotateOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
