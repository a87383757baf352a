#ifndef LLMC_FRONTEND_ONNX_ARRAY_H
#define LLMC_FRONTEND_ONNX_ARRAY_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "frontend/onnx/Tensor.h"

namespace llmc::onnx {

/// A small tensor whose elements are known while a model is imported: shapes, indices, masks, constants.
struct Array {
  enum class Kind { Boolean, Integer, Real };

  Kind kind = Kind::Real;
  /// Slowest dimension first; empty for a scalar.
  std::vector<int64_t> shape;
  /// Row-major. Integers beyond 2^53 are rounded: they only stand for "to the end".
  std::vector<double> values;

  /// Whether all elements are the same, of at least one.
  bool isUniform() const;
  /// Element `index` as an integer, cut to the range of int64_t.
  int64_t integer(int64_t index) const;
  std::vector<int64_t> integers() const;
};

/// More elements than this are refused: what is that large depends on tokens.
constexpr int64_t kMostElements = int64_t(1) << 24;

/// The elements of `tensor`.
absl::StatusOr<Array> arrayOf(const Tensor &tensor);
/// The kind of array that holds elements of `type`.
Array::Kind kindOf(ElementType type);
/// `value` as an element of `kind`.
double convert(double value, Array::Kind kind);

/// "[1, 7]", for messages.
std::string describeShape(absl::Span<const int64_t> shape);

/// Distances between neighbours in each dimension of a row-major array.
std::vector<int64_t> stridesOf(absl::Span<const int64_t> shape);

/// The shape of an element-wise operation on operands of these shapes.
absl::StatusOr<std::vector<int64_t>> broadcastShapes(absl::Span<const int64_t> a,
                                                     absl::Span<const int64_t> b);

/// `array` repeated to `shape`, to which it has to be broadcastable.
absl::StatusOr<Array> broadcastTo(const Array &array, absl::Span<const int64_t> shape);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_ARRAY_H
