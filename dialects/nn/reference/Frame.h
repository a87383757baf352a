//===- Frame.h - the values of an evaluation in progress ---------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_FRAME_H
#define LLMC_DIALECTS_NN_REFERENCE_FRAME_H

#include "dialects/nn/NN.h"
#include "dialects/nn/reference/Values.h"
#include "llvm/ADT/DenseMap.h"

namespace llmc::nn::reference {

template <typename T> class Interpreter;

/// Returns why `value` is no value of `type` ("a tensor of 3x5"), or an empty string if it is one: kind and
/// known sizes agree.
template <typename T> std::string describeMismatch(mlir::Type type, const RuntimeValue<T> &value);

/// The values of one block that is being evaluated, by their IR values. Scalars (of loops, and of the bodies
/// of structured operations) are tensors without dimensions. Every value in it agrees with its IR type in
/// kind, rank and known sizes; sizes that the type leaves open are checked by each operation.
template <typename T> class Frame {
public:
  /// A frame of a program that `interpreter` runs. Without an interpreter only operations can be evaluated
  /// that need neither parameters nor functions. Values that it has not are looked
  /// up in `outer`, the frame of the block around it.
  explicit Frame(Interpreter<T> *interpreter = nullptr, const Frame *outer = nullptr)
      : interpreter(interpreter), outer(outer) {}

  /// Null outside of a program.
  Interpreter<T> *getInterpreter() const { return interpreter; }

  /// The value of `value`, which has been set and not dropped.
  const RuntimeValue<T> &lookup(mlir::Value value) const;
  /// The same for a value whose type is a tensor of floating-point or block-quantized elements.
  const Tensor<T> &getTensor(mlir::Value value) const { return *lookup(value).getTensor(); }
  /// The same for a tensor of integers.
  const IntegerTensor &getIntegers(mlir::Value value) const { return *lookup(value).getIntegers(); }
  /// The same for a cache.
  const KvCache<T> &getCache(mlir::Value value) const { return *lookup(value).getCache(); }

  /// Sets `value` as it is. Fails with a diagnostic at the value if it does not fit the type.
  mlir::LogicalResult set(mlir::Value value, RuntimeValue<T> runtimeValue);
  /// Sets `result`, an index or another integer, to `number`. Fails with a diagnostic if it needs more than
  /// the 32 bits that integers are held in.
  mlir::LogicalResult setInteger(mlir::Value result, int64_t number);
  /// Sets `result` to what an operation computed, in the precision of the result's element type: f16 and bf16
  /// are rounded to in single precision (in double precision they are not, so that it shows what exact
  /// arithmetic would give), blocks are quantized in both.
  mlir::LogicalResult setComputed(mlir::Value result, Tensor<T> tensor);
  /// Sets `result` to `tensor` rounded to the result's element type in either precision.
  mlir::LogicalResult setRounded(mlir::Value result, Tensor<T> tensor);
  /// Sets `result` to numbers taken from `source`, and rounds them only if the element types differ.
  mlir::LogicalResult setCopied(mlir::Value result, mlir::Value source, Tensor<T> tensor);

  /// The point of the loops of a structured operation whose body is being evaluated in this frame or one
  /// inside of it; empty outside of bodies.
  llvm::ArrayRef<int64_t> getPoint() const { return point.empty() && outer ? outer->getPoint() : point; }
  void setPoint(llvm::ArrayRef<int64_t> loops) { point = loops; }

  /// Forgets `value`.
  void drop(mlir::Value value) { values.erase(value); }

private:
  Interpreter<T> *interpreter;
  const Frame *outer;
  llvm::ArrayRef<int64_t> point;
  llvm::DenseMap<mlir::Value, RuntimeValue<T>> values;
};

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_FRAME_H
