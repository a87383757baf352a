#ifndef LLMC_DIALECTS_BLOCKS_BLOCKFORMAT_H
#define LLMC_DIALECTS_BLOCKS_BLOCKFORMAT_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmc::blocks {

/// How the elements of a weight lie in memory: plain floating point, or blocks of small integers that share
/// scales as in llama.cpp's GGUF files. All are little-endian.
enum class StorageFormat {
  F32,
  F16,
  BF16,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_NL,
  IQ4_XS,
  MXFP4
};

/// Every format, in the order of the enumeration.
inline constexpr std::array<StorageFormat, 16> allFormats = {
    StorageFormat::F32,  StorageFormat::F16,    StorageFormat::BF16,   StorageFormat::Q8_0,
    StorageFormat::Q4_0, StorageFormat::Q4_1,   StorageFormat::Q5_0,   StorageFormat::Q5_1,
    StorageFormat::Q2_K, StorageFormat::Q3_K,   StorageFormat::Q4_K,   StorageFormat::Q5_K,
    StorageFormat::Q6_K, StorageFormat::IQ4_NL, StorageFormat::IQ4_XS, StorageFormat::MXFP4};

/// What is constant about a format. Quantized formats give every element an unsigned code of `codeBits` bits,
/// and every group of `groupSize` consecutive elements of a row a scale, and either a common zero or a
/// minimum of its own:
///
///     value = scale * (code - zeroCode)     without minimum (symmetric)
///     value = scale * code + minimum        with minimum
///
/// Formats whose stored codes are places in a table of numbers (IQ4_NL, IQ4_XS, MXFP4) have the numbers of
/// the table for codes, which take more bits.
struct FormatTraits {
  /// The name as GGUF files and `--dtype` spell it, e.g. "Q4_1".
  std::string_view name;
  /// Elements of a block: a row holds a whole number of blocks. 1 for plain floating point.
  int64_t blockElements;
  /// Bytes of a block.
  int64_t blockBytes;
  /// Bits of a code as decodeCodes() gives it; 0 for plain floating point.
  int codeBits;
  /// Elements that share a scale; divides blockElements. 0 for plain floating point.
  int groupSize;
  /// The code that stands for zero in symmetric formats; 0 in others.
  int zeroCode;
  /// Whether groups have a minimum of their own.
  bool hasMin;
  /// Whether every scale and minimum is a number that f16 holds.
  bool halfScales;

  bool isQuantized() const { return codeBits != 0; }
};

/// The traits of `format`.
const FormatTraits &traitsOf(StorageFormat format);

/// The name of `format`, e.g. "Q4_1".
inline std::string_view nameOf(StorageFormat format) { return traitsOf(format).name; }

/// The format called `name`, in upper or lower case; nothing if there is none.
std::optional<StorageFormat> parseFormat(std::string_view name);

/// "F32, F16, ..., MXFP4": for messages that list what is supported.
std::string listFormats();

/// Bytes of `elements` elements, which are a multiple of the block size and come from a checked tensor (no
/// overflow).
inline int64_t bytesOf(StorageFormat format, int64_t elements) {
  const FormatTraits &traits = traitsOf(format);
  return elements / traits.blockElements * traits.blockBytes;
}

/// Elements that share one scale and one minimum in `elements` elements of a quantized format: the sizes of
/// `scales` and `mins` in decodeCodes().
inline int64_t groupsOf(StorageFormat format, int64_t elements) {
  return elements / traitsOf(format).groupSize;
}

/// Writes the f32 value of `elements` elements (a multiple of blockElements) that start at `source` to
/// `target`. Equal bit for bit to the reference of the format; `source` needs no alignment.
void dequantize(StorageFormat format, const uint8_t *source, int64_t elements, float *target);

/// Takes a quantized format apart, in the order of the elements and whatever the order inside its blocks:
///
///     codes [elements]               0 <= code < 2^codeBits
///     scales, mins [elements / groupSize]
///
/// such that `scale * code + min`, computed in f32 with or without a fused multiply-add, equals the result of
/// dequantize() in every bit (except that zero may lose its sign). For symmetric formats min is `-zeroCode *
/// scale`. `mins` may be null. This is lossless: the code generator packs weights from it.
void decodeCodes(StorageFormat format, const uint8_t *source, int64_t elements, uint8_t *codes, float *scales,
                 float *mins);

/// Whether quantize() can write `format`.
bool canQuantize(StorageFormat format);

/// Rounds `elements` f32 values (a multiple of blockElements) to `format`, for which canQuantize() holds: to
/// nearest, ties to even for F16 and BF16, by the rule of the format's reference for Q8_0, Q4_0 and Q4_1, and
/// with small squared errors for Q4_K and Q6_K, which leave the choice of scales to the writer. Returns
/// nothing if all went well, else the index of the first element that is not finite or too large for the
/// format's scale; `target` then holds rubbish from there on.
std::optional<int64_t> quantize(StorageFormat format, const float *source, int64_t elements, uint8_t *target);

} // namespace llmc::blocks

#endif // LLMC_DIALECTS_BLOCKS_BLOCKFORMAT_H
