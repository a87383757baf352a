// Any bytes as a safetensors file: refused with a message, or every claim that the reader passes on holds.

#include <cstdlib>

#include "frontend/safetensors/Reader.h"

using namespace llmc;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  absl::StatusOr<safetensors::Reader> reader =
      safetensors::Reader::parse("fuzz.safetensors", absl::MakeConstSpan(data, size));
  if (!reader.ok()) {
    if (reader.status().message().find('\n') != absl::string_view::npos)
      std::abort();
    return 0;
  }
  for (const safetensors::Tensor &tensor : reader->tensors()) {
    if (tensor.bytes.data() < data || tensor.bytes.data() + tensor.bytes.size() > data + size)
      std::abort();
    if (static_cast<int64_t>(tensor.bytes.size()) * 8 != tensor.elements() * safetensors::bitsOf(tensor.type))
      std::abort();
    if (reader->find(tensor.name) != &tensor)
      std::abort();
    absl::StatusOr<blocks::StorageFormat> format = tensor.weightFormat();
    if (!format.ok())
      continue;
    std::vector<float> values(tensor.elements());
    blocks::dequantize(*format, tensor.bytes.data(), tensor.elements(), values.data());
  }
  return 0;
}
