//===- Products.cpp - nn.linear ----------------------------------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include "dialects/nn/reference/Parallel.h"
#include <cstring>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// Outputs that are computed side by side.
template <typename T> constexpr int64_t kLanes = 64 / sizeof(T);

/// y[t, lane] = sum_k x[t, k] * packed[k, lane] for `Rows` rows of x and one block of outputs. The sum runs
/// in the order of k, whatever the block.
template <typename T, int64_t Rows>
void multiplyRows(const T *x, int64_t width, const T *packed, T (*sums)[kLanes<T>]) {
  T partial[Rows][kLanes<T>] = {};
  for (int64_t k = 0; k < width; ++k)
    for (int64_t r = 0; r < Rows; ++r)
      for (int64_t lane = 0; lane < kLanes<T>; ++lane)
        partial[r][lane] += x[r * width + k] * packed[k * kLanes<T> + lane];
  std::memcpy(sums, partial, sizeof(partial));
}

template <typename T>
void multiplyBlock(const Tensor<T> &input, const Tensor<T> &weight, int64_t firstOutput,
                   const Tensor<T> *bias, Tensor<T> &result) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t width = input.width(), outputs = std::min(lanes, weight.rows() - firstOutput);
  std::vector<T> packed(width * lanes); // [width, lanes]
  for (int64_t lane = 0; lane < outputs; ++lane)
    for (int64_t k = 0; k < width; ++k)
      packed[k * lanes + lane] = weight.row(firstOutput + lane)[k];
  auto store = [&](int64_t row, const T *sums) {
    for (int64_t lane = 0; lane < outputs; ++lane)
      result.row(row)[firstOutput + lane] = sums[lane] + (bias ? bias->values[firstOutput + lane] : T(0));
  };
  T sums[2][lanes];
  int64_t row = 0;
  for (; row + 2 <= input.rows(); row += 2) {
    multiplyRows<T, 2>(input.row(row), width, packed.data(), sums);
    store(row, sums[0]);
    store(row + 1, sums[1]);
  }
  if (row < input.rows()) {
    multiplyRows<T, 1>(input.row(row), width, packed.data(), sums);
    store(row, sums[0]);
  }
}

template <typename T> LogicalResult evaluate(LinearOp op, Frame<T> &frame) {
  const Tensor<T> &input = frame.getTensor(op.getInput()), &weight = frame.getTensor(op.getWeight());
  const Tensor<T> *bias = op.getBias() ? &frame.getTensor(op.getBias()) : nullptr;
  if (input.width() != weight.width())
    return op.emitOpError() << "multiplies an input of width " << input.width() << " by a weight of width "
                            << weight.width();
  if (bias && bias->rows() != weight.rows())
    return op.emitOpError() << "adds a bias of size " << bias->rows() << " to a result of width "
                            << weight.rows();
  Tensor<T> result({input.rows(), weight.rows()});
  double operations = 2.0 * input.rows() * weight.values.size();
  parallelFor(llvm::divideCeil(weight.rows(), kLanes<T>), operations,
              [&](int64_t block) { multiplyBlock(input, weight, block * kLanes<T>, bias, result); });
  return frame.setComputed(op.getResult(), std::move(result));
}

} // namespace

LogicalResult LinearOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult LinearOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
