#include "frontend/gguf/Cursor.h"

#include "absl/strings/str_cat.h"

namespace llmc::gguf {

absl::StatusOr<absl::Span<const uint8_t>> Cursor::take(uint64_t count, absl::string_view what) {
  if (count > remaining())
    return absl::DataLossError(absl::StrCat(what, " needs ", count, " bytes at byte ", offset,
                                            " but the file has ", bytes.size(), " bytes"));
  absl::Span<const uint8_t> taken = bytes.subspan(offset, count);
  offset += count;
  return taken;
}

absl::StatusOr<absl::string_view> Cursor::string(absl::string_view what) {
  absl::StatusOr<uint64_t> length = number<uint64_t>(what);
  if (!length.ok())
    return length.status();
  absl::StatusOr<absl::Span<const uint8_t>> text = take(*length, what);
  if (!text.ok())
    return text.status();
  return absl::string_view(reinterpret_cast<const char *>(text->data()), text->size());
}

} // namespace llmc::gguf
