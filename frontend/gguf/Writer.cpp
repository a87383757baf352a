#include "frontend/gguf/Writer.h"

#include <algorithm>

#include "frontend/gguf/TensorTypes.h"

namespace llmc::gguf {

namespace {

template <typename T> void append(std::string &bytes, T value) {
  bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
}

void appendText(std::string &bytes, absl::string_view text) {
  append<uint64_t>(bytes, text.size());
  bytes.append(text.data(), text.size());
}

void appendType(std::string &bytes, ValueType type) { append(bytes, static_cast<uint32_t>(type)); }

void appendArrayHead(std::string &bytes, ValueType type, uint64_t size) {
  appendType(bytes, type);
  append(bytes, size);
}

uint64_t padded(uint64_t size) {
  return (size + HeaderWriter::alignment - 1) / HeaderWriter::alignment * HeaderWriter::alignment;
}

} // namespace

uint64_t TensorHeader::bytes() const {
  int64_t elements = 1;
  for (int64_t size : shape)
    elements *= size;
  return blocks::bytesOf(format, elements);
}

void HeaderWriter::begin(absl::string_view key, ValueType type) {
  appendText(entries, key);
  appendType(entries, type);
  ++count;
}

void HeaderWriter::text(absl::string_view key, absl::string_view value) {
  begin(key, ValueType::String);
  appendText(entries, value);
}

void HeaderWriter::integer(absl::string_view key, uint32_t value) {
  begin(key, ValueType::UInt32);
  append(entries, value);
}

void HeaderWriter::number(absl::string_view key, float value) {
  begin(key, ValueType::Float32);
  append(entries, value);
}

void HeaderWriter::flag(absl::string_view key, bool value) {
  begin(key, ValueType::Bool);
  append<uint8_t>(entries, value);
}

void HeaderWriter::texts(absl::string_view key, absl::Span<const std::string> values) {
  begin(key, ValueType::Array);
  appendArrayHead(entries, ValueType::String, values.size());
  for (const std::string &value : values)
    appendText(entries, value);
}

void HeaderWriter::integers(absl::string_view key, absl::Span<const int32_t> values) {
  begin(key, ValueType::Array);
  appendArrayHead(entries, ValueType::Int32, values.size());
  for (int32_t value : values)
    append(entries, value);
}

void HeaderWriter::numbers(absl::string_view key, absl::Span<const float> values) {
  begin(key, ValueType::Array);
  appendArrayHead(entries, ValueType::Float32, values.size());
  for (float value : values)
    append(entries, value);
}

void HeaderWriter::copy(const Entry &entry) {
  begin(entry.key, entry.value.type());
  entry.value.appendTo(entries);
}

std::string HeaderWriter::finish(absl::Span<const TensorHeader> tensors) const {
  std::string header = "GGUF";
  append<uint32_t>(header, 3);
  append<uint64_t>(header, tensors.size());
  append<uint64_t>(header, count);
  header += entries;
  uint64_t offset = 0;
  for (const TensorHeader &tensor : tensors) {
    appendText(header, tensor.name);
    append<uint32_t>(header, tensor.shape.size());
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)
      append<uint64_t>(header, *size);
    append(header, typeOfFormat(tensor.format));
    append(header, offset);
    offset += padded(tensor.bytes());
  }
  header.resize(padded(header.size()));
  return header;
}

} // namespace llmc::gguf
