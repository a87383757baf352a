#include "frontend/onnx/Array.h"

#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "runtime/io/Message.h"

namespace llmc::onnx {

bool Array::isUniform() const {
  return !values.empty() && absl::c_all_of(values, [&](double value) { return value == values[0]; });
}

int64_t Array::integer(int64_t index) const {
  constexpr double kLimit = 9223372036854775808.0; // 2^63
  const double value = values[index];
  if (std::isnan(value))
    return 0;
  if (value >= kLimit)
    return INT64_MAX;
  return value <= -kLimit ? INT64_MIN : static_cast<int64_t>(value);
}

std::vector<int64_t> Array::integers() const {
  std::vector<int64_t> result(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    result[i] = integer(static_cast<int64_t>(i));
  return result;
}

Array::Kind kindOf(ElementType type) {
  if (type == ElementType::Bool)
    return Array::Kind::Boolean;
  return isFloat(type) ? Array::Kind::Real : Array::Kind::Integer;
}

double convert(double value, Array::Kind kind) {
  switch (kind) {
  case Array::Kind::Boolean:
    return value != 0;
  case Array::Kind::Integer:
    return std::trunc(value);
  case Array::Kind::Real:
    return value;
  }
  return value;
}

absl::StatusOr<Array> arrayOf(const Tensor &tensor) {
  if (tensor.elements() > kMostElements)
    return absl::UnimplementedError(absl::StrCat("tensor ", io::quote(tensor.name), " has ",
                                                 tensor.elements(), " elements, expected at most ",
                                                 kMostElements, " where it is no weight"));
  Array array{kindOf(tensor.type), tensor.shape, std::vector<double>(tensor.elements())};
  for (size_t i = 0; i < array.values.size(); ++i)
    array.values[i] = tensor.at(static_cast<int64_t>(i));
  return array;
}

std::string describeShape(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::vector<int64_t> stridesOf(absl::Span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i])
    strides[i] = stride;
  return strides;
}

absl::StatusOr<std::vector<int64_t>> broadcastShapes(absl::Span<const int64_t> a,
                                                     absl::Span<const int64_t> b) {
  const size_t rank = std::max(a.size(), b.size());
  std::vector<int64_t> shape(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const int64_t y = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    if (x != y && x != 1 && y != 1)
      return absl::InvalidArgumentError(absl::StrCat("has operands of shapes ", describeShape(a), " and ",
                                                     describeShape(b), ", which do not fit"));
    shape[i] = x == 1 ? y : x;
  }
  return shape;
}

absl::StatusOr<Array> broadcastTo(const Array &array, absl::Span<const int64_t> shape) {
  absl::StatusOr<std::vector<int64_t>> common = broadcastShapes(array.shape, shape);
  if (!common.ok())
    return common.status();
  if (*common != std::vector<int64_t>(shape.begin(), shape.end()))
    return absl::InvalidArgumentError(absl::StrCat("has an operand of shape ", describeShape(array.shape),
                                                   ", which does not fit ", describeShape(shape)));
  absl::StatusOr<int64_t> count = elementsOf(shape);
  if (!count.ok() || *count > kMostElements)
    return absl::UnimplementedError(
        absl::StrCat("makes an array of shape ", describeShape(shape), ", which is too large"));
  if (array.shape == *common)
    return array;
  // Dimensions that are repeated have a stride of 0.
  std::vector<int64_t> strides(shape.size(), 0), own = stridesOf(array.shape);
  const size_t offset = shape.size() - array.shape.size();
  for (size_t i = 0; i < array.shape.size(); ++i)
    if (array.shape[i] != 1)
      strides[i + offset] = own[i];
  Array result{array.kind, *std::move(common), std::vector<double>(*count)};
  std::vector<int64_t> at(shape.size(), 0);
  int64_t from = 0;
  for (double &value : result.values) {
    value = array.values[from];
    for (size_t i = shape.size(); i-- > 0;) {
      from += strides[i];
      if (++at[i] < shape[i])
        break;
      from -= strides[i] * shape[i];
      at[i] = 0;
    }
  }
  return result;
}

} // namespace llmc::onnx
