#ifndef LLMC_FRONTEND_ONNX_TENSOR_H
#define LLMC_FRONTEND_ONNX_TENSOR_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "frontend/onnx/onnx.pb.h"

namespace llmc::onnx {

/// Element types that are read, with their numbers in TensorProto.DataType.
enum class ElementType {
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  Bool = 9,
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  BF16 = 16,
};

/// The element type with this number in TensorProto.DataType. Others are refused by name.
absl::StatusOr<ElementType> elementTypeOf(int number);

/// The name in the specification, e.g. "FLOAT16".
absl::string_view nameOf(ElementType type);
int bytesOf(ElementType type);
bool isFloat(ElementType type);

/// A tensor of constants. Its bytes have no particular alignment.
struct Tensor {
  Tensor() = default;
  Tensor(Tensor &&) = default;
  Tensor &operator=(Tensor &&) = default;
  Tensor(const Tensor &) = delete;
  Tensor &operator=(const Tensor &) = delete;

  std::string name;
  ElementType type = ElementType::F32;
  /// Slowest dimension first; empty for a scalar.
  std::vector<int64_t> shape;
  /// The elements in row-major order, little-endian.
  absl::Span<const uint8_t> bytes;
  /// The file that they are in.
  std::string file;
  /// What `bytes` are where they are in no mapped file.
  std::vector<uint8_t> owned;

  int64_t elements() const;
  /// Element `index` as a number.
  double at(int64_t index) const;
};

/// Number of elements of a shape. Fails if a dimension is negative or if they are more than 2^40.
absl::StatusOr<int64_t> elementsOf(absl::Span<const int64_t> shape);

/// Reads what a TensorProto says, and its elements if they are in typed fields or in raw_data, which are
/// copied. External ones are left out: `bytes` is empty. Fails with `tensor 'name': ...`.
absl::StatusOr<Tensor> readTensor(const wire::TensorProto &proto);

/// Checks that `bytes` are as many as type and shape of `tensor` ask for, and takes them.
absl::Status setBytes(Tensor &tensor, absl::Span<const uint8_t> bytes, absl::string_view origin);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_TENSOR_H
