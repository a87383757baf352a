#ifndef LLMC_TEST_UNIT_GGUF_GGUFWRITER_H
#define LLMC_TEST_UNIT_GGUF_GGUFWRITER_H

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace llmc::gguf::testing {

/// Little-endian bytes, with nothing checked: tests write wrong files on purpose.
class Bytes {
public:
  template <typename T> Bytes &number(T value) {
    content.append(reinterpret_cast<const char *>(&value), sizeof(T));
    return *this;
  }
  Bytes &u8(uint8_t value) { return number(value); }
  Bytes &u32(uint32_t value) { return number(value); }
  Bytes &u64(uint64_t value) { return number(value); }
  Bytes &raw(const std::string &bytes) {
    content += bytes;
    return *this;
  }
  /// Length and text.
  Bytes &string(const std::string &text) { return u64(text.size()).raw(text); }
  Bytes &alignTo(size_t alignment) {
    while (content.size() % alignment != 0)
      content += '\0';
    return *this;
  }
  std::string content;
};

/// A small GGUF file whose every number can be changed before it is written.
struct GgufWriter {
  struct TensorInfo {
    std::string name;
    /// In the order of the file: fastest first.
    std::vector<uint64_t> dimensions;
    uint32_t type = 0;
    uint64_t offset = 0;
  };

  std::string magic = "GGUF";
  uint32_t version = 3;
  /// Entries as they are written: key, type number, value.
  std::vector<std::string> entries;
  std::vector<TensorInfo> tensors;
  std::string data;
  size_t alignment = 32;
  /// What is added to the true counts in the header.
  uint64_t tooManyTensors = 0, tooManyEntries = 0;

  GgufWriter &entry(const std::string &key, uint32_t type, const std::string &value) {
    entries.push_back(Bytes().string(key).u32(type).raw(value).content);
    return *this;
  }
  GgufWriter &stringEntry(const std::string &key, const std::string &text) {
    return entry(key, 8, Bytes().string(text).content);
  }
  GgufWriter &u32Entry(const std::string &key, uint32_t number) {
    return entry(key, 4, Bytes().u32(number).content);
  }

  std::string header() const {
    Bytes bytes;
    bytes.raw(magic).u32(version).u64(tensors.size() + tooManyTensors).u64(entries.size() + tooManyEntries);
    for (const std::string &entry : entries)
      bytes.raw(entry);
    for (const TensorInfo &tensor : tensors) {
      bytes.string(tensor.name).u32(tensor.dimensions.size());
      for (uint64_t dimension : tensor.dimensions)
        bytes.u64(dimension);
      bytes.u32(tensor.type).u64(tensor.offset);
    }
    return bytes.content;
  }

  std::string file() const { return Bytes().raw(header()).alignTo(alignment).raw(data).content; }
};

} // namespace llmc::gguf::testing

#endif // LLMC_TEST_UNIT_GGUF_GGUFWRITER_H
