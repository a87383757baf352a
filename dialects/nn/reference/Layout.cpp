//===- Layout.cpp - operations that move numbers and change none --------------------------------------===//

#include "dialects/blocks/AlignedScales.h"
#include "dialects/nn/reference/Frame.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// y[i, :] = table[indices[i], :]; `name` is what an index is called in diagnostics.
template <typename T>
FailureOr<Tensor<T>> gatherRows(Operation *op, const Tensor<T> &table, const IntegerTensor &indices,
                                StringRef name) {
  Tensor<T> result({indices.rows(), table.width()});
  for (auto [i, index] : llvm::enumerate(indices.values)) {
    if (index < 0 || index >= table.rows())
      return op->emitOpError() << name << ' ' << i << " is " << index << ", but there are " << table.rows()
                               << " rows";
    std::copy_n(table.row(index), table.width(), result.row(i));
  }
  return result;
}

template <typename T> LogicalResult evaluate(EmbeddingOp op, Frame<T> &frame) {
  auto result = gatherRows(op, frame.getTensor(op.getTable()), frame.getIntegers(op.getIds()), "id");
  return failed(result) ? failure() : frame.setCopied(op.getResult(), op.getTable(), std::move(*result));
}

template <typename T> LogicalResult evaluate(SelectRowsOp op, Frame<T> &frame) {
  auto result = gatherRows(op, frame.getTensor(op.getInput()), frame.getIntegers(op.getRows()), "row");
  return failed(result) ? failure() : frame.setCopied(op.getResult(), op.getInput(), std::move(*result));
}

template <typename T> LogicalResult evaluate(ScatterRowsOp op, Frame<T> &frame) {
  const Tensor<T> &input = frame.getTensor(op.getInput());
  const IntegerTensor &rows = frame.getIntegers(op.getRows());
  Tensor<T> result({cast<ShapedType>(op.getResult().getType()).getDimSize(0), input.width()});
  for (int64_t t = 0; t < input.rows(); ++t) {
    const int64_t place = rows.values[t];
    if (place < 0 || place >= result.rows())
      return op.emitOpError() << "adds to row " << place << " of " << result.rows();
    for (int64_t d = 0; d < input.width(); ++d)
      result.row(place)[d] += input.row(t)[d];
  }
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> LogicalResult evaluate(SplitOp op, Frame<T> &frame) {
  const Tensor<T> &input = frame.getTensor(op.getInput());
  int64_t sum = 0;
  for (Value part : op.getResults())
    sum += cast<ShapedType>(part.getType()).getDimSize(1);
  if (sum != input.width())
    return op.emitOpError() << "splits a width of " << input.width() << " into parts of " << sum << " in all";
  int64_t first = 0;
  for (Value part : op.getResults()) {
    Tensor<T> result({input.rows(), cast<ShapedType>(part.getType()).getDimSize(1)});
    for (int64_t row = 0; row < input.rows(); ++row)
      std::copy_n(input.row(row) + first, result.width(), result.row(row));
    first += result.width();
    if (failed(frame.setCopied(part, op.getInput(), std::move(result))))
      return failure();
  }
  return success();
}

/// The inputs one below the other. Their types are equal but for the number of rows.
template <typename U> Tensor<U> stack(ArrayRef<const Tensor<U> *> inputs) {
  Tensor<U> result = *inputs.front();
  for (const Tensor<U> *input : inputs.drop_front()) {
    result.shape[0] += input->rows();
    llvm::append_range(result.values, input->values);
  }
  result.stored = nullptr;
  if (llvm::all_of(inputs, [](const Tensor<U> *input) { return input->stored != nullptr; })) {
    auto stored = std::make_shared<StoredScales>();
    for (const Tensor<U> *input : inputs) {
      llvm::append_range(stored->scales, input->stored->scales);
      llvm::append_range(stored->mins, input->stored->mins);
    }
    result.stored = std::move(stored);
  }
  return result;
}

template <typename T> LogicalResult evaluate(ConcatOp op, Frame<T> &frame) {
  if (cast<ShapedType>(op.getResult().getType()).getElementType().isInteger()) {
    SmallVector<const IntegerTensor *> inputs;
    for (Value input : op.getInputs())
      inputs.push_back(&frame.getIntegers(input));
    return frame.set(op.getResult(), stack<int32_t>(inputs));
  }
  SmallVector<const Tensor<T> *> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(&frame.getTensor(input));
  for (const Tensor<T> *input : inputs)
    if (ArrayRef(input->shape).drop_front() != ArrayRef(inputs.front()->shape).drop_front())
      return op.emitOpError() << "joins rows of " << input->width() << " to rows of "
                              << inputs.front()->width();
  return frame.set(op.getResult(), stack<T>(inputs));
}

/// Rows of `input` in the given order; row -1 is zero.
template <typename U> Tensor<U> reorderRows(const Tensor<U> &input, ArrayRef<int64_t> order) {
  Tensor<U> result(input.shape);
  result.shape[0] = order.size();
  result.values.assign(elementsOf(result.shape), U(0));
  for (auto [i, index] : llvm::enumerate(order))
    if (index >= 0)
      std::copy_n(input.row(index), input.width(), result.row(i));
  return result;
}

template <typename T> LogicalResult evaluate(AlignHeadsOp op, Frame<T> &frame) {
  SmallVector<int64_t> order = op.getRowOrder();
  if (const IntegerTensor *integers = frame.lookup(op.getInput()).getIntegers())
    return frame.set(op.getResult(), reorderRows(*integers, order));
  return frame.setCopied(op.getResult(), op.getInput(), reorderRows(frame.getTensor(op.getInput()), order));
}

/// A packed weight stands for the numbers that it was packed from (describeMismatch() in Frame.cpp accepts
/// them for its type).
template <typename T> LogicalResult evaluate(PackOp op, Frame<T> &frame) {
  return frame.set(op.getResult(), frame.lookup(op.getInput()));
}

/// `weight` with the scales of its groups rounded. Numbers of which it is not known with which scales they
/// are stored, random ones, stay as they are.
template <typename T> Tensor<T> withAlignedScales(BlockType type, const Tensor<T> &weight) {
  if (!weight.stored)
    return weight;
  const blocks::FormatTraits &traits =
      blocks::traitsOf(*blocks::parseFormat(stringifyBlockFormat(type.getFormat())));
  const int64_t groups = weight.width() / traits.groupSize;
  const int center = blocks::alignedCenter(traits);
  Tensor<T> result(weight.shape);
  std::vector<blocks::AlignedGroup> aligned(groups);
  for (int64_t row = 0; row < weight.rows(); ++row) {
    std::span scales(weight.stored->scales.data() + row * groups, groups);
    std::span mins(weight.stored->mins.data() + row * groups, groups);
    blocks::alignScales(traits, scales, mins, aligned);
    for (int64_t i = 0; i < weight.width(); ++i) {
      const int64_t group = i / traits.groupSize;
      const double steps = scales[group] == 0 ? 0 : (weight.row(row)[i] - mins[group]) / scales[group];
      const double code = std::round(steps) - center, scale = aligned[group].scale;
      result.row(row)[i] = static_cast<T>(aligned[group].unit * (scale * code + aligned[group].minimum));
    }
  }
  return result;
}

template <typename T> LogicalResult evaluate(ConvertOp op, Frame<T> &frame) {
  // Numbers that the narrower type holds already are not rounded a second time: dequantizing is exact.
  if (op.getInput().getType() == op.getResult().getType())
    return frame.set(op.getResult(), frame.lookup(op.getInput()));
  if (auto block = dyn_cast<BlockType>(getElementTypeOrSelf(op.getResult())); block && block.getAligned())
    return frame.set(op.getResult(), withAlignedScales(block, frame.getTensor(op.getInput())));
  return frame.setRounded(op.getResult(), frame.getTensor(op.getInput()));
}

} // namespace

LogicalResult EmbeddingOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult EmbeddingOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult SelectRowsOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult SelectRowsOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult ScatterRowsOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult ScatterRowsOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult SplitOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult SplitOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult ConcatOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult ConcatOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult AlignHeadsOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult AlignHeadsOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult PackOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult PackOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult ConvertOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult ConvertOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
