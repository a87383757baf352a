//===- Dropout.cpp - nn.dropout --------------------------------------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include "dialects/random/Philox.h"

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

template <typename T> static LogicalResult evaluate(DropoutOp op, Frame<T> &frame) {
  Tensor<T> result = frame.getTensor(op.getInput());
  const IntegerTensor &rows = frame.getIntegers(op.getRows()), &draw = frame.getIntegers(op.getDraw());
  auto word = [](int64_t value) { return static_cast<uint32_t>(value); };
  const T factor = static_cast<T>(op.getFactor());
  for (int64_t t = 0; t < result.rows(); ++t)
    for (int64_t d = 0; d < result.width(); ++d) {
      const uint32_t drawn =
          llmc::philox({word(d), word(rows.values[t]), word(draw.values[2]), word(op.getStream())},
                       {word(draw.values[0]), word(draw.values[1])})[0];
      T &value = result.row(t)[d];
      value = drawn >= op.getLeastWord() ? factor * value : T(0);
    }
  return frame.setComputed(op.getResult(), std::move(result));
}

LogicalResult DropoutOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult DropoutOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
