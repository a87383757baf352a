#include "runtime/io/Message.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace llmc::io {

/// Bytes at the start of `text` that are one valid UTF-8 character; 0 if there is none.
static size_t characterBytes(absl::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80)
    return 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length)
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80)
      return 0;
  // Overlong forms, surrogates, and what lies past the last code point.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
    return 0;
  return length;
}

std::string quote(absl::string_view text) {
  constexpr size_t longest = 100;
  std::string result = "'";
  size_t total = text.size();
  while (!text.empty()) {
    if (result.size() > longest)
      return absl::StrCat(result, "...' (", total, " bytes)");
    size_t length = characterBytes(text);
    if (length > 1 || text[0] == '"')
      absl::StrAppend(&result, text.substr(0, length));
    else
      // Escapes also a single quote and a backslash, so that the message can be read without doubt.
      absl::StrAppend(&result, absl::CHexEscape(text.substr(0, 1)));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result + "'";
}

absl::Status withContext(absl::string_view context, const absl::Status &status) {
  if (status.ok())
    return status;
  return absl::Status(status.code(), absl::StrCat(context, ": ", status.message()));
}

} // namespace llmc::io
