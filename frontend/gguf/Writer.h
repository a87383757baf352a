#ifndef LLMC_FRONTEND_GGUF_WRITER_H
#define LLMC_FRONTEND_GGUF_WRITER_H

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "dialects/blocks/BlockFormat.h"
#include "frontend/gguf/Reader.h"

namespace llmc::gguf {

/// What the header says of a tensor.
struct TensorHeader {
  std::string name;
  blocks::StorageFormat format;
  /// Slowest dimension first, as gguf::Tensor has it.
  std::vector<int64_t> shape;

  /// Bytes of the tensor's elements.
  uint64_t bytes() const;
};

/// The header of a GGUF file (version 3). Behind it come the tensors in order, each padded with zeros to a
/// multiple of `alignment`.
class HeaderWriter {
public:
  static constexpr uint64_t alignment = 32;

  void text(absl::string_view key, absl::string_view value);
  void integer(absl::string_view key, uint32_t value);
  void number(absl::string_view key, float value);
  void flag(absl::string_view key, bool value);
  void texts(absl::string_view key, absl::Span<const std::string> values);
  void integers(absl::string_view key, absl::Span<const int32_t> values);
  void numbers(absl::string_view key, absl::Span<const float> values);
  /// An entry of another file, to the bit.
  void copy(const Entry &entry);

  /// The header with `tensors`, padded to the alignment.
  std::string finish(absl::Span<const TensorHeader> tensors) const;

private:
  void begin(absl::string_view key, ValueType type);

  std::string entries;
  uint64_t count = 0;
};

} // namespace llmc::gguf

#endif // LLMC_FRONTEND_GGUF_WRITER_H
