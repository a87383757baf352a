#ifndef LLMC_FRONTEND_GGUF_CURSOR_H
#define LLMC_FRONTEND_GGUF_CURSOR_H

#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace llmc::gguf {

/// A place in the header of a GGUF file, moved forward by reading. Every read is checked against the end of
/// the file.
class Cursor {
public:
  explicit Cursor(absl::Span<const uint8_t> bytes) : bytes(bytes) {}

  /// Offset of the next byte.
  uint64_t position() const { return offset; }
  /// Bytes from here to the end of the file.
  uint64_t remaining() const { return bytes.size() - offset; }

  /// The next `count` bytes. `what` names them in the error message.
  absl::StatusOr<absl::Span<const uint8_t>> take(uint64_t count, absl::string_view what);

  /// The next little-endian number.
  template <typename T> absl::StatusOr<T> number(absl::string_view what) {
    absl::StatusOr<absl::Span<const uint8_t>> taken = take(sizeof(T), what);
    if (!taken.ok())
      return taken.status();
    T value;
    std::memcpy(&value, taken->data(), sizeof(T));
    return value;
  }

  /// The next string: a 64-bit length and that many bytes, not copied.
  absl::StatusOr<absl::string_view> string(absl::string_view what);

private:
  absl::Span<const uint8_t> bytes;
  uint64_t offset = 0;
};

} // namespace llmc::gguf

#endif // LLMC_FRONTEND_GGUF_CURSOR_H
