//===- Values.h - what an evaluation computes with ---------------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_VALUES_H
#define LLMC_DIALECTS_NN_REFERENCE_VALUES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <map>
#include <memory>
#include <variant>
#include <vector>

namespace llmc::nn::reference {

/// Number of elements of a tensor of `shape`, whose sizes are not negative.
inline int64_t elementsOf(llvm::ArrayRef<int64_t> shape) {
  int64_t elements = 1;
  for (int64_t size : shape)
    elements *= size;
  return elements;
}

/// Scales and minima of the groups of a block-quantized tensor, in order, as blocks::decodeCodes() gives
/// them.
struct StoredScales {
  std::vector<float> scales, mins;
};

/// A dense tensor, row-major. Elements of any type (f16, blocks) are held as the numbers they stand for.
template <typename T> struct Tensor {
  llvm::SmallVector<int64_t, 2> shape;
  std::vector<T> values;
  /// Of what nn.load gives of a block-quantized parameter; null for all else.
  std::shared_ptr<const StoredScales> stored;

  Tensor() = default;
  /// A tensor of zeros.
  explicit Tensor(llvm::ArrayRef<int64_t> shape) : shape(shape), values(elementsOf(shape)) {}
  Tensor(llvm::ArrayRef<int64_t> shape, std::vector<T> values) : shape(shape), values(std::move(values)) {}

  /// Size of the first dimension. The rank is at least one.
  int64_t rows() const { return shape.front(); }
  /// Elements of all dimensions but the first.
  int64_t width() const { return elementsOf(llvm::ArrayRef(shape).drop_front()); }
  const T *row(int64_t index) const { return values.data() + index * width(); }
  T *row(int64_t index) { return values.data() + index * width(); }
};

/// Ids and positions, and, as one without dimensions, an index.
using IntegerTensor = Tensor<int32_t>;

/// Keys and values of one layer by position. Copies share their rows.
template <typename T> struct KvCache {
  /// Key and value of one position, each [heads * headDim].
  struct Row {
    std::vector<T> key, value;
  };
  int64_t heads = 0, headDim = 0;
  std::map<int32_t, std::shared_ptr<const Row>> rows;
};

/// A tensor, an integer tensor or a cache. Immutable, and cheap to copy.
template <typename T> class RuntimeValue {
public:
  RuntimeValue() = default;
  RuntimeValue(Tensor<T> tensor) : data(std::make_shared<const Tensor<T>>(std::move(tensor))) {}
  RuntimeValue(IntegerTensor tensor) : data(std::make_shared<const IntegerTensor>(std::move(tensor))) {}
  RuntimeValue(KvCache<T> cache) : data(std::make_shared<const KvCache<T>>(std::move(cache))) {}

  /// The tensor, or null if this is something else.
  const Tensor<T> *getTensor() const { return get<Tensor<T>>(); }
  /// The integer tensor, or null if this is something else.
  const IntegerTensor *getIntegers() const { return get<IntegerTensor>(); }
  /// The cache, or null if this is something else.
  const KvCache<T> *getCache() const { return get<KvCache<T>>(); }
  /// Whether nothing has been assigned.
  bool isEmpty() const { return std::holds_alternative<std::monostate>(data); }

private:
  template <typename U> const U *get() const {
    auto *pointer = std::get_if<std::shared_ptr<const U>>(&data);
    return pointer ? pointer->get() : nullptr;
  }
  std::variant<std::monostate, std::shared_ptr<const Tensor<T>>, std::shared_ptr<const IntegerTensor>,
               std::shared_ptr<const KvCache<T>>>
      data;
};

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_VALUES_H
