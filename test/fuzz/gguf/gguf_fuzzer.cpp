// Any bytes as a GGUF file: refused with a message, or every claim that the reader passes on holds.

#include <cstdlib>

#include "frontend/gguf/Reader.h"

using namespace llmc;

static void touch(const gguf::Value &value) {
  if (value.describe().find('\n') != std::string::npos)
    std::abort();
  (void)value.asIntegers();
  (void)value.asNumbers();
  (void)value.asBools();
  (void)value.asStrings();
  if (auto arrays = value.asArrays())
    for (const gguf::Value &array : *arrays)
      touch(array);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  absl::StatusOr<gguf::Reader> reader = gguf::Reader::parse("fuzz.gguf", absl::MakeConstSpan(data, size));
  if (!reader.ok()) {
    if (reader.status().message().find('\n') != absl::string_view::npos)
      std::abort();
    return 0;
  }
  for (const gguf::Entry &entry : reader->metadata())
    touch(entry.value);
  for (const gguf::Tensor &tensor : reader->tensors()) {
    const uint8_t *end = tensor.bytes.data() + tensor.bytes.size();
    if (tensor.bytes.data() < data || end > data + size || tensor.bytes.empty())
      std::abort();
    if (static_cast<int64_t>(tensor.bytes.size()) != blocks::bytesOf(tensor.format, tensor.elements()))
      std::abort();
    std::vector<float> values(tensor.elements());
    blocks::dequantize(tensor.format, tensor.bytes.data(), tensor.elements(), values.data());
  }
  return 0;
}
