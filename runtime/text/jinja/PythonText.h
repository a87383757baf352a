//===- PythonText.h - what Python does to strings -------------------------===//

#ifndef LLMC_TEXT_JINJA_PYTHON_TEXT_H
#define LLMC_TEXT_JINJA_PYTHON_TEXT_H

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace llmc::text::jinja {

/// Whether str.isspace() holds for the character.
bool isPythonSpace(char32_t character);

/// Removes characters of `characters`, or white space without them, from the left or right.
absl::string_view stripLeft(absl::string_view text, std::optional<absl::string_view> characters);
absl::string_view stripRight(absl::string_view text, std::optional<absl::string_view> characters);

/// str.upper(), lower(), capitalize(), title().
std::string upperCase(absl::string_view text);
std::string lowerCase(absl::string_view text);
std::string capitalized(absl::string_view text);
std::string titleCase(absl::string_view text);

/// str.split() and rsplit(): at white space without a separator. `limit` < 0: as often as there is one.
std::vector<absl::string_view> split(absl::string_view text, std::optional<absl::string_view> separator,
                                     int64_t limit);
std::vector<absl::string_view> splitFromRight(absl::string_view text,
                                              std::optional<absl::string_view> separator, int64_t limit);

/// str.splitlines().
std::vector<absl::string_view> splitLines(absl::string_view text);

/// str.replace(). `limit` < 0: all. Nothing if the result were longer than `maxBytes`.
std::optional<std::string> replaceText(absl::string_view text, absl::string_view from, absl::string_view to,
                                       int64_t limit, size_t maxBytes);

/// The number of characters.
size_t characterCount(absl::string_view text);

} // namespace llmc::text::jinja

#endif
