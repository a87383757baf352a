//===- RandomInputs.cpp - made-up weights and arguments ------------------------------------------------===//

#include "passes/verify/RandomInputs.h"
#include "dialects/blocks/HalfFloat.h"
#include "dialects/nn/reference/Rounding.h"
#include "passes/verify/ArgumentUse.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;
using namespace llmc::nn::reference;

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

RandomNumbers::RandomNumbers(uint64_t seed, StringRef name)
    : state(llvm::xxh3_64bits(name) ^ seed * 0x9e3779b97f4a7c15) {}

uint64_t RandomNumbers::next() { // SplitMix64 (Steele et al., 2014)
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

double RandomNumbers::uniform(double low, double high) {
  return low + (high - low) * std::ldexp(static_cast<double>(next() >> 11), -53);
}

int64_t RandomNumbers::below(int64_t count) {
  return static_cast<int64_t>(next() % static_cast<uint64_t>(count));
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

namespace {

/// So many bytes of tensors are made at most.
constexpr int64_t kMostBytes = int64_t(4) << 30;

/// A uniform distribution with variance one reaches this far.
const double kUnitRange = std::sqrt(3.0);

/// Where the scale and the minimum of a block lie (-1: there is none), and what they are for values of
/// variance one.
struct BlockScales {
  int scaleOffset, minOffset;
  double scale, min;
};

BlockScales scalesOf(blocks::StorageFormat format) {
  switch (format) {
  case blocks::StorageFormat::Q5_0: // scale * (code - 16)
    return {0, -1, 1 / 9.2, 0};
  case blocks::StorageFormat::Q5_1: // scale * code + min
    return {0, 2, 1 / 9.2, -15.5 / 9.2};
  case blocks::StorageFormat::Q2_K: // scale * code * (4 bits) - min * (4 bits)
    return {80, 82, 1 / 13.0, 1.5 / 13};
  case blocks::StorageFormat::Q3_K: // scale * (code - 4) * (6 bits)
    return {108, -1, 1 / 44.0, 0};
  case blocks::StorageFormat::IQ4_NL: // scale * (table)
    return {0, -1, 1 / 69.0, 0};
  case blocks::StorageFormat::IQ4_XS: // scale * (table) * (6 bits)
    return {0, -1, 1 / 1270.0, 0};
  default: // Q5_K: scale * code * (6 bits) - min * (6 bits)
    return {0, 2, 1 / 400.0, 15.5 / 400};
  }
}

/// The exponent of MXFP4 blocks for values of a deviation: those of its table have one of 5.9.
uint8_t exponentOf(double deviation) {
  return static_cast<uint8_t>(128 + std::clamp(std::lround(std::log2(deviation / 5.9)), -126l, 126l));
}

/// Random blocks of a format that numbers can not be rounded to.
std::vector<uint8_t> makeBlocks(blocks::StorageFormat format, int64_t elements, double deviation,
                                RandomNumbers &numbers) {
  std::vector<uint8_t> bytes(blocks::bytesOf(format, elements));
  for (uint8_t &byte : bytes)
    byte = static_cast<uint8_t>(numbers.below(256));
  const int64_t blockBytes = blocks::traitsOf(format).blockBytes;
  if (format == blocks::StorageFormat::MXFP4) {
    for (size_t block = 0; block < bytes.size(); block += blockBytes)
      bytes[block] = exponentOf(deviation);
    return bytes;
  }
  BlockScales scales = scalesOf(format);
  auto store = [](double value, uint8_t *target) {
    uint16_t half = blocks::floatToHalf(static_cast<float>(value));
    std::memcpy(target, &half, sizeof(half));
  };
  for (size_t block = 0; block < bytes.size(); block += blockBytes) {
    store(deviation * scales.scale, &bytes[block + scales.scaleOffset]);
    if (scales.minOffset >= 0)
      store(deviation * scales.min, &bytes[block + scales.minOffset]);
  }
  return bytes;
}

/// The bytes of integers or doubles.
template <typename Stored, typename Make> std::vector<uint8_t> makeElements(int64_t elements, Make make) {
  std::vector<Stored> values(elements);
  for (Stored &value : values)
    value = static_cast<Stored>(make());
  std::vector<uint8_t> bytes(elements * sizeof(Stored));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<uint8_t> makeTensor(RankedTensorType type, RandomNumbers &numbers) {
  const int64_t elements = type.getNumElements();
  const bool isMatrix = type.getRank() >= 2;
  const double deviation = isMatrix ? 1 / std::sqrt(static_cast<double>(type.getShape().back())) : 1;
  auto number = [&] {
    return isMatrix ? numbers.uniform(-kUnitRange, kUnitRange) * deviation : numbers.uniform(0.5, 1.5);
  };
  Type elementType = type.getElementType();
  if (elementType.isInteger(8))
    return makeElements<int8_t>(elements, [&] { return numbers.below(2); });
  if (elementType.isInteger())
    return makeElements<int32_t>(elements, [&] { return numbers.below(2); });
  if (isa<Float64Type>(elementType))
    return makeElements<double>(elements, number);
  const blocks::StorageFormat format = *storageFormatOf(elementType);
  if (!blocks::canQuantize(format))
    return makeBlocks(format, elements, deviation, numbers);
  std::vector<uint8_t> bytes(blocks::bytesOf(format, elements));
  const int64_t piece = blocks::traitsOf(format).blockElements;
  std::vector<float> values(piece);
  for (int64_t first = 0; first < elements; first += piece) {
    for (float &value : values)
      value = static_cast<float>(number());
    blocks::quantize(format, values.data(), piece, &bytes[blocks::bytesOf(format, first)]);
  }
  return bytes;
}

} // namespace

llvm::Expected<ArrayRef<uint8_t>> RandomParameters::getContents(StringRef name, RankedTensorType type) {
  if (!made.contains(name) && getStorageBytes(type) > kMostBytes - madeBytes)
    return llvm::createStringError("tensor '" + name +
                                   "' is one too many, all that are made up would take more than " +
                                   llvm::Twine(kMostBytes >> 30) + " GiB");
  auto [entry, isNew] = made.try_emplace(name);
  Made &tensor = entry->second;
  if (isNew) {
    RandomNumbers numbers(seed, name);
    tensor = {type, makeTensor(type, numbers)};
    madeBytes += tensor.bytes.size();
  } else if (tensor.type != type) {
    std::string text;
    llvm::raw_string_ostream(text) << "tensor '" << name << "' is " << tensor.type
                                   << " in the checkpoint, but the program declares " << type;
    return llvm::createStringError(text);
  }
  return ArrayRef<uint8_t>(tensor.bytes);
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

std::string llmc::describe(const StepSizes &sizes) {
  return llvm::formatv("{0} {1}, {2} {3} before {4}, seed {5}", sizes.rows, sizes.rows == 1 ? "row" : "rows",
                       sizes.cached, sizes.cached == 1 ? "position" : "positions",
                       sizes.rows == 1 ? "it" : "them", sizes.seed);
}

namespace {

/// What all arguments of one step agree on.
struct Step {
  int64_t rows, cached;
  int64_t firstPosition; ///< of the step's own tokens
};

/// Fits the sizes to the tables that positions index, and positions to the windows of attention.
Step planStep(ArrayRef<ArgumentUse> uses, const StepSizes &sizes) {
  int64_t positionLimit = std::numeric_limits<int32_t>::max(), window = 0;
  bool hasCache = false;
  for (const ArgumentUse &use : uses) {
    if (use.isPosition)
      positionLimit = std::min(positionLimit, use.limit);
    window = std::max(window, use.window);
    hasCache |= use.isCache;
  }
  Step step;
  step.rows = std::min(sizes.rows, positionLimit);
  step.cached = std::min(sizes.cached, positionLimit - step.rows);
  // With a window w and keys from 0 on, the first query sees all but the first of them.
  step.firstPosition = step.cached;
  if (hasCache && step.cached > 0 && window > step.cached)
    step.firstPosition = std::min(window, positionLimit - step.rows);
  return step;
}

IntegerTensor makeIntegers(ArrayRef<int64_t> shape, const ArgumentUse &use, const Step &step,
                           RandomNumbers &numbers) {
  IntegerTensor tensor(shape);
  int32_t segment = 0;
  for (auto [i, value] : llvm::enumerate(tensor.values)) {
    if (use.isPosition)
      value = static_cast<int32_t>(step.firstPosition + i);
    else if (use.isSegment)
      value = segment += i > 0 && numbers.below(3) == 0;
    else
      value = static_cast<int32_t>(numbers.below(use.isRowIndex ? step.rows : use.limit));
  }
  return tensor;
}

template <typename T>
void fill(MutableArrayRef<T> values, Type elementType, int64_t rowSize, bool isParameter,
          RandomNumbers &numbers) {
  const double range = isParameter ? kUnitRange / std::sqrt(static_cast<double>(rowSize)) : kUnitRange;
  for (T &value : values) // f32 holds the numbers of either evaluation
    value = static_cast<float>(numbers.uniform(-range, range));
  // A format that can not be rounded to is left in f32: the numbers are as good.
  llvm::consumeError(roundTo<T>(elementType, rowSize, values));
}

template <typename T> KvCache<T> makeCache(KvCacheType type, const Step &step, RandomNumbers &numbers) {
  KvCache<T> cache;
  cache.heads = type.getHeads();
  cache.headDim = type.getHeadDim();
  for (int64_t position = 0; position < step.cached; ++position) {
    typename KvCache<T>::Row row;
    for (std::vector<T> *values : {&row.key, &row.value}) {
      values->resize(cache.heads * cache.headDim);
      fill<T>(*values, type.getElementType(), cache.headDim, /*isParameter=*/false, numbers);
    }
    cache.rows[position] = std::make_shared<const typename KvCache<T>::Row>(std::move(row));
  }
  return cache;
}

} // namespace

template <typename T>
std::optional<SmallVector<RuntimeValue<T>>> llmc::makeArguments(func::FuncOp function,
                                                                const StepSizes &sizes) {
  SmallVector<ArgumentUse> uses;
  for (BlockArgument argument : function.getArguments())
    uses.push_back(findUse(argument));
  const Step step = planStep(uses, sizes);
  SmallVector<RuntimeValue<T>> arguments;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    RandomNumbers numbers(sizes.seed, llvm::formatv("{0}#{1}", function.getName(), i).str());
    if (auto cacheType = dyn_cast<KvCacheType>(type)) {
      arguments.push_back(makeCache<T>(cacheType, step, numbers));
      continue;
    }
    auto tensorType = dyn_cast<RankedTensorType>(type);
    if (!tensorType || !(tensorType.getElementType().isInteger(32) ||
                         isa<FloatType, BlockType>(tensorType.getElementType())))
      return std::nullopt;
    SmallVector<int64_t> shape;
    for (int64_t size : tensorType.getShape())
      shape.push_back(ShapedType::isDynamic(size) ? step.rows : size);
    if (tensorType.getElementType().isInteger(32)) {
      arguments.push_back(makeIntegers(shape, uses[i], step, numbers));
      continue;
    }
    Tensor<T> tensor(shape);
    fill<T>(tensor.values, tensorType.getElementType(), shape.empty() ? 1 : shape.back(),
            isParameter(function.getArgument(i)), numbers);
    arguments.push_back(std::move(tensor));
  }
  return arguments;
}

template std::optional<SmallVector<RuntimeValue<float>>> llmc::makeArguments<float>(func::FuncOp,
                                                                                    const StepSizes &);
template std::optional<SmallVector<RuntimeValue<double>>> llmc::makeArguments<double>(func::FuncOp,
                                                                                      const StepSizes &);
