#ifndef LLMC_FRONTEND_JSON_PARSE_H
#define LLMC_FRONTEND_JSON_PARSE_H

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace llmc::json {

/// Arrays and objects may lie this deep in each other; deeper text is refused, so that code may recurse over
/// values.
inline constexpr int maxDepth = 64;

/// Parses `text` (RFC 8259, UTF-8). Refuses also keys that an object repeats and nesting beyond maxDepth.
/// Errors begin with "line L, column C: "; the caller adds the file.
absl::StatusOr<nlohmann::json> parse(absl::string_view text);

/// Maps and parses the file at `path`. Errors begin with the path.
absl::StatusOr<nlohmann::json> parseFile(absl::string_view path);

/// `string 'nine'`, `number 9`, `null`, `array of 3 values`: for messages; one line of bounded length.
std::string describe(const nlohmann::json &value);

} // namespace llmc::json

#endif // LLMC_FRONTEND_JSON_PARSE_H
