//===- Compare.cpp - whether results lie within a numeric bound --------------------------------------===//

#include "passes/verify/Compare.h"
#include "dialects/nn/NN.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn::reference;

namespace {

/// Bits of the significand of the numbers that a result of element type `type` holds, in an evaluation on T.
template <typename T> int significandBits(Type type) {
  auto floating = dyn_cast<FloatType>(type);
  int own = floating ? floating.getFPMantissaWidth() : std::numeric_limits<float>::digits;
  return std::min(own, std::numeric_limits<T>::digits);
}

/// Distance between neighbours of the magnitude of `value` with so many significant bits.
double ulpOf(double value, int bits) {
  int exponent = value == 0 ? std::numeric_limits<float>::min_exponent : std::ilogb(value);
  return std::ldexp(1.0, exponent - bits + 1);
}

/// Whether `b` lies within a bound around `a`.
template <typename T> class Judge {
public:
  Judge(const NumericBound &bound, Type elementType, ArrayRef<T> before, double spacing)
      : bound(bound), bits(significandBits<T>(elementType)) {
    for (T value : before)
      if (std::isfinite(value))
        largest = std::max<double>(largest, std::fabs(value));
    allowance = spacing * largest;
  }

  bool accepts(T a, T b) const {
    if (std::isnan(a) || std::isnan(b))
      return std::isnan(a) && std::isnan(b);
    if (a == b)
      return bound.kind != NumericBound::Kind::Exact || std::signbit(a) == std::signbit(b);
    if (std::isinf(a) || std::isinf(b))
      return false;
    double distance = std::fabs(static_cast<double>(a) - static_cast<double>(b));
    switch (bound.kind) {
    case NumericBound::Kind::Exact:
      return false;
    case NumericBound::Kind::Ulps:
      return distance <= bound.limit * ulpOf(std::max(std::fabs(a), std::fabs(b)), bits) + allowance;
    case NumericBound::Kind::Relative:
      return distance <= bound.limit * largest + allowance;
    case NumericBound::Kind::Absolute:
      return distance <= bound.limit + allowance;
    case NumericBound::Kind::ChangesInterface:
      return true;
    }
    llvm_unreachable("unknown kind of bound");
  }

private:
  const NumericBound &bound;
  int bits;
  double largest = 0;
  double allowance; ///< for roundings that fall the other way
};

std::string formatNumber(double number) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.9g", number);
  return text;
}

std::string describeIndex(int64_t flat, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0; flat /= shape[d])
    index[d] = flat % shape[d];
  return llvm::formatv("[{0:$[, ]}]", llvm::make_range(index.begin(), index.end())).str();
}

std::string describeShape(ArrayRef<int64_t> shape) {
  return llvm::formatv("{0:$[x]}", llvm::make_range(shape.begin(), shape.end())).str();
}

template <typename U, typename Accepts>
std::string compareTensors(const Tensor<U> &before, const Tensor<U> &after, Accepts accepts) {
  if (before.shape != after.shape)
    return llvm::formatv("has shape {0} before and {1} after", describeShape(before.shape),
                         describeShape(after.shape));
  for (size_t i = 0; i < before.values.size(); ++i)
    if (!accepts(before.values[i], after.values[i]))
      return llvm::formatv("element {0} is {1} before and {2} after", describeIndex(i, before.shape),
                           formatNumber(before.values[i]), formatNumber(after.values[i]));
  return "";
}

template <typename T>
std::string compareCaches(Type elementType, const KvCache<T> &before, const KvCache<T> &after,
                          const NumericBound &bound, double spacing) {
  if (before.rows.size() != after.rows.size())
    return llvm::formatv("holds {0} positions before and {1} after", before.rows.size(), after.rows.size());
  for (const auto &[position, row] : before.rows) {
    auto found = after.rows.find(position);
    if (found == after.rows.end())
      return llvm::formatv("holds position {0} before but not after", position);
    if (row == found->second)
      continue;
    for (bool isKey : {true, false}) {
      const std::vector<T> &a = isKey ? row->key : row->value;
      const std::vector<T> &b = isKey ? found->second->key : found->second->value;
      Judge<T> judge(bound, elementType, a, spacing);
      for (size_t i = 0; i < a.size(); ++i)
        if (!judge.accepts(a[i], b[i]))
          return llvm::formatv("{0} of position {1}, element {2} is {3} before and {4} after",
                               isKey ? "key" : "value", position, i, formatNumber(a[i]), formatNumber(b[i]));
    }
  }
  return "";
}

} // namespace

template <typename T>
std::string llmc::describeDeparture(Type type, const RuntimeValue<T> &before, const RuntimeValue<T> &after,
                                    const NumericBound &bound, double spacing) {
  if (before.getTensor() && after.getTensor()) {
    Judge<T> judge(bound, cast<RankedTensorType>(type).getElementType(), before.getTensor()->values, spacing);
    return compareTensors(*before.getTensor(), *after.getTensor(),
                          [&](T a, T b) { return judge.accepts(a, b); });
  }
  if (before.getIntegers() && after.getIntegers())
    return compareTensors(*before.getIntegers(), *after.getIntegers(),
                          [](int32_t a, int32_t b) { return a == b; });
  if (before.getCache() && after.getCache())
    return compareCaches(cast<nn::KvCacheType>(type).getElementType(), *before.getCache(), *after.getCache(),
                         bound, spacing);
  return "is another kind of value after";
}

template std::string llmc::describeDeparture<float>(Type, const RuntimeValue<float> &,
                                                    const RuntimeValue<float> &, const NumericBound &,
                                                    double);
template std::string llmc::describeDeparture<double>(Type, const RuntimeValue<double> &,
                                                     const RuntimeValue<double> &, const NumericBound &,
                                                     double);

/// The same for one type. Weights, whose shapes are known, are not rounded anew when activations move.
static double spacingOf(Type type) {
  if (auto cache = dyn_cast<nn::KvCacheType>(type))
    type = cache.getElementType();
  else if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && !tensor.hasStaticShape())
    type = tensor.getElementType();
  if (auto floating = dyn_cast<FloatType>(type))
    return type.isF16() || type.isBF16()
               ? std::ldexp(1.0, 1 - static_cast<int>(floating.getFPMantissaWidth()))
               : 0;
  if (auto block = dyn_cast<nn::BlockType>(type)) {
    if (llvm::is_contained({nn::BlockFormat::Q8_0, nn::BlockFormat::Q8_K}, block.getFormat()))
      return 1.0 / 127;
    if (block.getFormat() == nn::BlockFormat::Q16_K)
      return 1.0 / 32639;
  }
  return 0;
}

double llmc::findSpacing(ModuleOp module) {
  double spacing = 0;
  module.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      spacing = std::max(spacing, spacingOf(type));
  });
  return spacing;
}

std::string llmc::describeBound(const NumericBound &bound) {
  std::string limit = formatNumber(bound.limit);
  switch (bound.kind) {
  case NumericBound::Kind::Exact:
    return "exact";
  case NumericBound::Kind::Ulps:
    return "within " + limit + " ulps";
  case NumericBound::Kind::Relative:
    return "within " + limit + " of the largest magnitude";
  case NumericBound::Kind::Absolute:
    return "within " + limit;
  case NumericBound::Kind::ChangesInterface:
    return "changes the interface";
  }
  llvm_unreachable("unknown kind of bound");
}
