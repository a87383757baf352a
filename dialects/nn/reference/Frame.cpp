//===- Frame.cpp - the values of an evaluation in progress -------------------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include "dialects/nn/reference/Rounding.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

std::string describeShape(StringRef kind, ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << kind << " of ";
  llvm::interleave(shape, stream, "x");
  return text;
}

/// The type of `value` as it is held: scalars are tensors without dimensions.
RankedTensorType heldType(Type type) {
  if (isa<FloatType, IntegerType, IndexType>(type))
    return RankedTensorType::get({}, type);
  return dyn_cast<RankedTensorType>(type);
}

/// Whether `type` is that of a packed weight: bytes that stand for the numbers of the weight, in its shape
/// and not in theirs.
bool isPacked(RankedTensorType type) { return type.getElementType().isInteger(8); }

template <typename U> bool fits(RankedTensorType type, const Tensor<U> &tensor) {
  if (type.getRank() != static_cast<int64_t>(tensor.shape.size()))
    return false;
  for (auto [expected, size] : llvm::zip(type.getShape(), tensor.shape))
    if (!ShapedType::isDynamic(expected) && expected != size)
      return false;
  return true;
}

} // namespace

template <typename T> std::string reference::describeMismatch(Type type, const RuntimeValue<T> &value) {
  if (value.isEmpty())
    return "nothing";
  RankedTensorType tensorType = heldType(type);
  if (const Tensor<T> *tensor = value.getTensor()) {
    bool agrees = tensorType && (isPacked(tensorType) ? tensor->shape.size() == 2
                                                      : !tensorType.getElementType().isIntOrIndex() &&
                                                            fits(tensorType, *tensor));
    return agrees ? "" : describeShape("a tensor", tensor->shape);
  }
  if (const IntegerTensor *integers = value.getIntegers()) {
    bool agrees = tensorType && tensorType.getElementType().isIntOrIndex() && fits(tensorType, *integers);
    return agrees ? "" : describeShape("an integer tensor", integers->shape);
  }
  const KvCache<T> &cache = *value.getCache();
  auto cacheType = dyn_cast<KvCacheType>(type);
  bool agrees = cacheType && cacheType.getHeads() == cache.heads && cacheType.getHeadDim() == cache.headDim;
  return agrees ? "" : describeShape("a cache", {cache.heads, cache.headDim});
}

template <typename T> const RuntimeValue<T> &Frame<T>::lookup(Value value) const {
  auto found = values.find(value);
  if (found == values.end() && outer)
    return outer->lookup(value);
  assert(found != values.end() && "the value has not been evaluated or is dropped already");
  return found->second;
}

template <typename T> LogicalResult Frame<T>::set(Value value, RuntimeValue<T> runtimeValue) {
  std::string mismatch = describeMismatch(value.getType(), runtimeValue);
  if (!mismatch.empty())
    return emitError(value.getLoc()) << "evaluation gives " << mismatch << " where " << value.getType()
                                     << " is expected";
  values[value] = std::move(runtimeValue);
  return success();
}

template <typename T> LogicalResult Frame<T>::setInteger(Value result, int64_t number) {
  if (!llvm::isInt<32>(number))
    return emitError(result.getLoc())
           << "evaluation gives " << number << ", but integers are interpreted in 32 bits";
  return set(result, IntegerTensor({}, {static_cast<int32_t>(number)}));
}

template <typename T> LogicalResult Frame<T>::setComputed(Value result, Tensor<T> tensor) {
  Type elementType = getElementTypeOrSelf(result);
  if (std::is_same_v<T, double> && !isa<BlockType>(elementType))
    return set(result, std::move(tensor));
  return setRounded(result, std::move(tensor));
}

template <typename T> LogicalResult Frame<T>::setRounded(Value result, Tensor<T> tensor) {
  Type elementType = getElementTypeOrSelf(result);
  int64_t rowSize = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (llvm::Error error = roundTo<T>(elementType, rowSize, tensor.values))
    return emitError(result.getLoc())
           << "evaluation of a " << result.getType() << ": " << llvm::toString(std::move(error));
  tensor.stored = nullptr; // of what was rounded
  return set(result, std::move(tensor));
}

template <typename T> LogicalResult Frame<T>::setCopied(Value result, Value source, Tensor<T> tensor) {
  Type elementType = getElementTypeOrSelf(result);
  if (getElementTypeOrSelf(source) == elementType)
    return set(result, std::move(tensor));
  return setComputed(result, std::move(tensor));
}

template class llmc::nn::reference::Frame<float>;
template class llmc::nn::reference::Frame<double>;
template std::string reference::describeMismatch<float>(Type, const RuntimeValue<float> &);
template std::string reference::describeMismatch<double>(Type, const RuntimeValue<double> &);
