#include "test/unit/codegen/RandomParameters.h"

#include "codegen/common/PanelLayout.h"
#include "dialects/blocks/HalfFloat.h"
#include "dialects/nn/NN.h"
#include <cmath>
#include <cstring>

using namespace llmc;
using blocks::StorageFormat;

namespace {

class Filler {
public:
  explicit Filler(llvm::StringRef name)
      : random(std::hash<std::string>()(name.str())), isLargest(name.contains("largest")) {}

  /// `size` or -`size` of those that are as large as can be.
  float number(float size) {
    const float value = uniform(-size, size);
    return isLargest ? std::copysign(size, value) : value;
  }
  float uniform(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); }

  /// A block of random codes and sub-scales whose values are of about `size`.
  void fillBlock(StorageFormat format, float size, uint8_t *block) {
    const blocks::FormatTraits &traits = blocks::traitsOf(format);
    const uint8_t largest = format == StorageFormat::Q8_0 ? 0x7f : 0xff; // codes of Q8_0 are signed
    for (int64_t i = 0; i < traits.blockBytes; ++i)
      block[i] = isLargest ? largest : static_cast<uint8_t>(random());
    size *= uniform(0.5f, 1.5f);
    // Scales may be negative, and those of rows of zeros are zero.
    const unsigned kind = random() % 16;
    const float scale = kind == 0 ? 0 : kind == 1 ? -size : size;
    switch (format) {
    case StorageFormat::Q8_0:
      return setHalf(block, 0, scale / 127);
    case StorageFormat::Q4_0:
      return setHalf(block, 0, scale / 8);
    case StorageFormat::Q4_1:
      setHalf(block, 0, scale * 2 / 15);
      return setHalf(block, 2, -scale);
    case StorageFormat::Q5_0:
      return setHalf(block, 0, scale / 16);
    case StorageFormat::Q5_1:
      setHalf(block, 0, scale * 2 / 31);
      return setHalf(block, 2, -scale);
    case StorageFormat::Q2_K: // 4-bit scales and minima
      setHalf(block, 80, scale * 2 / (3 * 8));
      return setHalf(block, 82, scale / 8);
    case StorageFormat::Q3_K: // signed 6-bit scales
      return setHalf(block, 108, scale / (4 * 16));
    case StorageFormat::IQ4_NL:
      return setHalf(block, 0, scale / 127);
    case StorageFormat::IQ4_XS: // signed 6-bit scales
      return setHalf(block, 0, scale / (127 * 16));
    case StorageFormat::MXFP4: // an exponent, of up to 12 times what it says
      block[0] = static_cast<uint8_t>(128 + (kind == 0 ? -60 : std::ilogb(size / 12)));
      return;
    case StorageFormat::Q4_K: // 6-bit scales and minima
      setHalf(block, 0, scale * 2 / (15 * 32));
      return setHalf(block, 2, scale / 32);
    case StorageFormat::Q5_K:
      setHalf(block, 0, scale * 2 / (31 * 32));
      return setHalf(block, 2, scale / 32);
    case StorageFormat::Q6_K: // signed 8-bit scales, the block's scale at its end
      return setHalf(block, traits.blockBytes - 2, scale / (32 * 64));
    default:
      return;
    }
  }

private:
  static void setHalf(uint8_t *block, int64_t offset, float value) {
    const uint16_t half = blocks::floatToHalf(value);
    std::memcpy(block + offset, &half, 2);
  }
  std::mt19937 random;
  const bool isLargest;
};

} // namespace

llvm::Expected<llvm::ArrayRef<uint8_t>> test::RandomParameters::getContents(llvm::StringRef name,
                                                                            mlir::RankedTensorType type) {
  auto [it, isNew] = contents.try_emplace(name);
  std::vector<uint8_t> &bytes = it->second;
  if (!isNew)
    return llvm::ArrayRef(bytes);
  bytes.resize(nn::getStorageBytes(type));
  Filler filler(name);
  const bool isVector = type.getRank() == 1;
  const float size =
      isVector || name.contains("table") ? 1 : 1.7f / std::sqrt(static_cast<float>(type.getDimSize(1)));
  const StorageFormat format = codegen::storageFormatOf(type.getElementType());
  const blocks::FormatTraits &traits = blocks::traitsOf(format);
  for (size_t at = 0; at < bytes.size(); at += traits.blockBytes) {
    if (traits.isQuantized()) {
      filler.fillBlock(format, size, bytes.data() + at);
      continue;
    }
    float value = filler.number(size);
    if (isVector)
      value = name.contains("norm") ? 1 + value / 2 : value / 2;
    blocks::quantize(format, &value, 1, bytes.data() + at);
  }
  return llvm::ArrayRef(bytes);
}
