#include "frontend/onnx/Tensor.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "dialects/blocks/HalfFloat.h"
#include "runtime/io/Message.h"

namespace llmc::onnx {

namespace {

struct TypeTraits {
  ElementType type;
  const char *name;
  int bytes;
};

constexpr TypeTraits kTypes[] = {
    {ElementType::F32, "FLOAT", 4},    {ElementType::U8, "UINT8", 1},   {ElementType::I8, "INT8", 1},
    {ElementType::U16, "UINT16", 2},   {ElementType::I16, "INT16", 2},  {ElementType::I32, "INT32", 4},
    {ElementType::I64, "INT64", 8},    {ElementType::Bool, "BOOL", 1},  {ElementType::F16, "FLOAT16", 2},
    {ElementType::F64, "DOUBLE", 8},   {ElementType::U32, "UINT32", 4}, {ElementType::U64, "UINT64", 8},
    {ElementType::BF16, "BFLOAT16", 2}};

const TypeTraits &traitsOf(ElementType type) {
  for (const TypeTraits &traits : kTypes)
    if (traits.type == type)
      return traits;
  return kTypes[0];
}

template <typename T> T load(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// Appends each number of a typed field as an element of `size` bytes: small types have fields of int32.
template <typename Field> void appendElements(const Field &field, int size, std::vector<uint8_t> &bytes) {
  bytes.reserve(static_cast<size_t>(field.size()) * size);
  for (auto value : field) {
    uint8_t parts[sizeof(value)];
    std::memcpy(parts, &value, sizeof(value));
    bytes.insert(bytes.end(), parts, parts + std::min<size_t>(size, sizeof(value)));
  }
}

std::vector<uint8_t> typedElements(const wire::TensorProto &proto, ElementType type) {
  std::vector<uint8_t> bytes;
  const int size = bytesOf(type);
  switch (type) {
  case ElementType::F32:
    appendElements(proto.float_data(), size, bytes);
    break;
  case ElementType::F64:
    appendElements(proto.double_data(), size, bytes);
    break;
  case ElementType::I64:
    appendElements(proto.int64_data(), size, bytes);
    break;
  case ElementType::U32:
  case ElementType::U64:
    appendElements(proto.uint64_data(), size, bytes);
    break;
  default:
    appendElements(proto.int32_data(), size, bytes);
  }
  return bytes;
}

} // namespace

absl::StatusOr<ElementType> elementTypeOf(int number) {
  std::vector<std::string> supported;
  for (const TypeTraits &traits : kTypes) {
    if (static_cast<int>(traits.type) == number)
      return traits.type;
    supported.push_back(traits.name);
  }
  return absl::UnimplementedError(absl::StrCat(
      "element type ", number, " is not supported (supported: ", absl::StrJoin(supported, ", "), ")"));
}

absl::string_view nameOf(ElementType type) { return traitsOf(type).name; }
int bytesOf(ElementType type) { return traitsOf(type).bytes; }
bool isFloat(ElementType type) {
  return type == ElementType::F32 || type == ElementType::F16 || type == ElementType::BF16 ||
         type == ElementType::F64;
}

absl::StatusOr<int64_t> elementsOf(absl::Span<const int64_t> shape) {
  constexpr int64_t kMost = int64_t(1) << 40;
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0 || size > kMost)
      return absl::InvalidArgumentError(
          absl::StrCat("has shape [", absl::StrJoin(shape, ", "), "], expected sizes from 0 to 2^40"));
    count *= size;
    if (count > kMost)
      return absl::InvalidArgumentError(
          absl::StrCat("has shape [", absl::StrJoin(shape, ", "), "], expected at most 2^40 elements"));
  }
  return count;
}

int64_t Tensor::elements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

double Tensor::at(int64_t index) const {
  const uint8_t *element = bytes.data() + index * bytesOf(type);
  switch (type) {
  case ElementType::F32:
    return load<float>(element);
  case ElementType::F64:
    return load<double>(element);
  case ElementType::F16:
    return blocks::halfToFloat(load<uint16_t>(element));
  case ElementType::BF16:
    return blocks::bfloatToFloat(load<uint16_t>(element));
  case ElementType::Bool:
    return *element != 0;
  case ElementType::U8:
    return *element;
  case ElementType::I8:
    return load<int8_t>(element);
  case ElementType::U16:
    return load<uint16_t>(element);
  case ElementType::I16:
    return load<int16_t>(element);
  case ElementType::U32:
    return load<uint32_t>(element);
  case ElementType::I32:
    return load<int32_t>(element);
  case ElementType::U64:
    return static_cast<double>(load<uint64_t>(element));
  case ElementType::I64:
    return static_cast<double>(load<int64_t>(element));
  }
  return 0;
}

absl::Status setBytes(Tensor &tensor, absl::Span<const uint8_t> bytes, absl::string_view origin) {
  const uint64_t expected = static_cast<uint64_t>(tensor.elements()) * bytesOf(tensor.type);
  if (bytes.size() != expected)
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", io::quote(tensor.name), ": ", origin, " has ", bytes.size(), " bytes, expected ", expected,
        " for ", nameOf(tensor.type), " [", absl::StrJoin(tensor.shape, ", "), "]"));
  tensor.bytes = bytes;
  return absl::OkStatus();
}

absl::StatusOr<Tensor> readTensor(const wire::TensorProto &proto) {
  Tensor tensor;
  tensor.name = proto.name();
  const std::string context = absl::StrCat("tensor ", io::quote(tensor.name));
  absl::StatusOr<ElementType> type = elementTypeOf(proto.data_type());
  if (!type.ok())
    return io::withContext(context, type.status());
  tensor.type = *type;
  tensor.shape.assign(proto.dims().begin(), proto.dims().end());
  if (absl::StatusOr<int64_t> elements = elementsOf(tensor.shape); !elements.ok())
    return io::withContext(context, elements.status());
  if (proto.data_location() == wire::TensorProto::EXTERNAL)
    return tensor;
  const bool isRaw = proto.has_raw_data();
  if (isRaw)
    tensor.owned.assign(proto.raw_data().begin(), proto.raw_data().end());
  else
    tensor.owned = typedElements(proto, tensor.type);
  if (absl::Status status = setBytes(tensor, tensor.owned, isRaw ? "raw_data" : "its data"); !status.ok())
    return status;
  return tensor;
}

} // namespace llmc::onnx
