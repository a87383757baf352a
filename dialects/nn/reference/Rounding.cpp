//===- Rounding.cpp - numbers as a storage type holds them -------------------------------------------===//

#include "dialects/nn/reference/Rounding.h"
#include "dialects/blocks/HalfFloat.h"
#include <bit>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;
using namespace llmc::nn::reference;

std::optional<llmc::blocks::StorageFormat> reference::storageFormatOf(Type type) {
  using blocks::StorageFormat;
  if (isa<Float32Type>(type))
    return StorageFormat::F32;
  if (isa<Float16Type>(type))
    return StorageFormat::F16;
  if (isa<BFloat16Type>(type))
    return StorageFormat::BF16;
  auto block = dyn_cast<BlockType>(type);
  if (!block || block.getAligned())
    return std::nullopt;
  switch (block.getFormat()) {
  case BlockFormat::Q8_0:
    return StorageFormat::Q8_0;
  case BlockFormat::Q4_0:
    return StorageFormat::Q4_0;
  case BlockFormat::Q4_1:
    return StorageFormat::Q4_1;
  case BlockFormat::Q5_0:
    return StorageFormat::Q5_0;
  case BlockFormat::Q5_1:
    return StorageFormat::Q5_1;
  case BlockFormat::Q2_K:
    return StorageFormat::Q2_K;
  case BlockFormat::Q3_K:
    return StorageFormat::Q3_K;
  case BlockFormat::Q4_K:
    return StorageFormat::Q4_K;
  case BlockFormat::Q5_K:
    return StorageFormat::Q5_K;
  case BlockFormat::Q6_K:
    return StorageFormat::Q6_K;
  case BlockFormat::IQ4_NL:
    return StorageFormat::IQ4_NL;
  case BlockFormat::IQ4_XS:
    return StorageFormat::IQ4_XS;
  case BlockFormat::MXFP4:
    return StorageFormat::MXFP4;
  case BlockFormat::Q16_K:
  case BlockFormat::Q8_K:
    return std::nullopt; // no storage has them
  }
  llvm_unreachable("unknown block format");
}

namespace {

float narrow(float value) { return value; }

/// `value` in f32, rounded to odd: a further rounding to f16 or bf16 then gives what rounding once would have
/// given (Boldo and Melquiond, 2008).
float narrow(double value) {
  float narrowed = static_cast<float>(value);
  if (std::isnan(value) || narrowed == value || std::isinf(value))
    return narrowed;
  if (std::fabs(static_cast<double>(narrowed)) > std::fabs(value))
    narrowed = std::nextafter(narrowed, 0.0f);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(narrowed) | 1);
}

template <typename T>
llvm::Error roundToBlocks(blocks::StorageFormat format, int64_t rowSize, MutableArrayRef<T> values) {
  const blocks::FormatTraits &traits = blocks::traitsOf(format);
  if (!blocks::canQuantize(format))
    return llvm::createStringError("numbers can not be rounded to " + StringRef(traits.name));
  if (rowSize % traits.blockElements != 0)
    return llvm::createStringError(llvm::Twine("rows of ") + llvm::Twine(rowSize) +
                                   " elements are no whole blocks of " + StringRef(traits.name));
  std::vector<float> row(rowSize);
  std::vector<uint8_t> bytes(blocks::bytesOf(format, rowSize));
  for (int64_t first = 0; first < static_cast<int64_t>(values.size()); first += rowSize) {
    for (int64_t i = 0; i < rowSize; ++i)
      row[i] = static_cast<float>(values[first + i]);
    if (auto bad = blocks::quantize(format, row.data(), rowSize, bytes.data()))
      return llvm::createStringError(llvm::Twine("element ") + llvm::Twine(first + *bad) + " is " +
                                     std::to_string(row[*bad]) + ", which " + StringRef(traits.name) +
                                     " can not hold");
    blocks::dequantize(format, bytes.data(), rowSize, row.data());
    for (int64_t i = 0; i < rowSize; ++i)
      values[first + i] = row[i];
  }
  return llvm::Error::success();
}

} // namespace

/// Rounds each block of 128 of a row, or what is left of it, to codes of one scale.
template <typename T>
static llvm::Error roundToActivations(BlockType type, int64_t rowSize, MutableArrayRef<T> values) {
  if (rowSize % type.getRowMultiple() != 0)
    return llvm::createStringError(llvm::Twine("rows of ") + llvm::Twine(rowSize) +
                                   " elements are no whole groups of " + llvm::Twine(type.getRowMultiple()));
  const bool wide = type.getFormat() == BlockFormat::Q16_K;
  for (int64_t first = 0, size; first < static_cast<int64_t>(values.size()); first += size) {
    size = std::min(type.getBlockSize(), rowSize - first % rowSize);
    MutableArrayRef<T> block = values.slice(first, size);
    float largest = 0;
    for (T value : block)
      largest = std::max(largest, std::fabs(static_cast<float>(value)));
    const float scale = largest / (wide ? 32639.0f : 127.0f), inverse = scale != 0 ? 1.0f / scale : 0.0f;
    for (T &value : block) {
      float code = std::round(static_cast<float>(value) * inverse);
      if (wide && std::isfinite(code) && (static_cast<int32_t>(code) & 255) == 128)
        ++code;
      value = code * scale;
    }
  }
  return llvm::Error::success();
}

template <typename T>
llvm::Error reference::roundTo(Type elementType, int64_t rowSize, MutableArrayRef<T> values) {
  if (auto block = dyn_cast<BlockType>(elementType); block && block.isActivation())
    return roundToActivations(block, rowSize, values);
  auto format = storageFormatOf(elementType);
  if (!format || *format == blocks::StorageFormat::F32)
    return llvm::Error::success();
  if (blocks::traitsOf(*format).isQuantized())
    return roundToBlocks(*format, rowSize, values);
  const bool half = *format == blocks::StorageFormat::F16;
  for (T &value : values) {
    float narrowed = narrow(value);
    value = half ? blocks::halfToFloat(blocks::floatToHalf(narrowed))
                 : blocks::bfloatToFloat(blocks::floatToBfloat(narrowed));
  }
  return llvm::Error::success();
}

template llvm::Error reference::roundTo<float>(Type, int64_t, MutableArrayRef<float>);
template llvm::Error reference::roundTo<double>(Type, int64_t, MutableArrayRef<double>);
