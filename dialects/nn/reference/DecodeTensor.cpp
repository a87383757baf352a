//===- DecodeTensor.cpp - from the bytes of a checkpoint to numbers ----------------------------------===//

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/Rounding.h"
#include <cstring>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// Elements of type `Stored` that lie in `contents`, converted to U.
template <typename Stored, typename U> std::vector<U> convertAll(ArrayRef<uint8_t> contents) {
  std::vector<U> values(contents.size() / sizeof(Stored));
  for (auto [i, value] : llvm::enumerate(values)) {
    Stored stored;
    std::memcpy(&stored, contents.data() + i * sizeof(Stored), sizeof(Stored));
    value = static_cast<U>(stored);
  }
  return values;
}

template <typename T>
std::vector<T> dequantizeAll(blocks::StorageFormat format, const uint8_t *contents, int64_t elements) {
  std::vector<T> values(elements);
  if constexpr (std::is_same_v<T, float>) {
    blocks::dequantize(format, contents, elements, values.data());
  } else {
    // In pieces of whole blocks, so that no second copy of the tensor is held.
    constexpr int64_t piece = 1 << 12;
    std::vector<float> numbers(piece);
    for (int64_t first = 0; first < elements; first += piece) {
      int64_t count = std::min(piece, elements - first);
      blocks::dequantize(format, contents + blocks::bytesOf(format, first), count, numbers.data());
      std::copy_n(numbers.begin(), count, values.begin() + first);
    }
  }
  return values;
}

std::shared_ptr<const StoredScales> scalesOf(blocks::StorageFormat format, const uint8_t *contents,
                                             int64_t elements) {
  auto stored = std::make_shared<StoredScales>();
  stored->scales.resize(blocks::groupsOf(format, elements));
  stored->mins.resize(stored->scales.size());
  constexpr int64_t piece = 1 << 12;
  std::vector<uint8_t> codes(piece);
  for (int64_t first = 0; first < elements; first += piece) {
    const int64_t group = blocks::groupsOf(format, first);
    blocks::decodeCodes(format, contents + blocks::bytesOf(format, first), std::min(piece, elements - first),
                        codes.data(), stored->scales.data() + group, stored->mins.data() + group);
  }
  return stored;
}

} // namespace

template <typename T>
llvm::Expected<RuntimeValue<T>> reference::decodeTensor(ArrayRef<uint8_t> contents, RankedTensorType type) {
  int64_t expected = getStorageBytes(type);
  if (static_cast<int64_t>(contents.size()) != expected)
    return llvm::createStringError(llvm::Twine("has ") + llvm::Twine(contents.size()) + " bytes, expected " +
                                   llvm::Twine(expected));
  Type elementType = type.getElementType();
  if (elementType.isInteger(32))
    return IntegerTensor(type.getShape(), convertAll<int32_t, int32_t>(contents));
  if (elementType.isInteger(8))
    return IntegerTensor(type.getShape(), convertAll<int8_t, int32_t>(contents));
  if (isa<Float64Type>(elementType))
    return Tensor<T>(type.getShape(), convertAll<double, T>(contents));
  std::optional<blocks::StorageFormat> format = storageFormatOf(elementType);
  if (!format)
    return llvm::createStringError("has elements of a type that the interpreter does not know");
  Tensor<T> tensor(type.getShape(), dequantizeAll<T>(*format, contents.data(), type.getNumElements()));
  if (blocks::traitsOf(*format).isQuantized())
    tensor.stored = scalesOf(*format, contents.data(), type.getNumElements());
  return tensor;
}

template llvm::Expected<RuntimeValue<float>> reference::decodeTensor<float>(ArrayRef<uint8_t>,
                                                                            RankedTensorType);
template llvm::Expected<RuntimeValue<double>> reference::decodeTensor<double>(ArrayRef<uint8_t>,
                                                                              RankedTensorType);
