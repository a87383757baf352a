//===- Print.h - values as text -------------------------------------------===//

#ifndef LLMC_TEXT_JINJA_PRINT_H
#define LLMC_TEXT_JINJA_PRINT_H

#include <optional>
#include <string>

#include "runtime/text/jinja/Value.h"

namespace llmc::text::jinja {

/// Python's str() of a value; empty for what is undefined.
std::string toText(const Value &value);

/// The characters & < > ' " as entities of HTML.
std::string escapeHtml(absl::string_view text);

/// Python's repr() of a value.
std::string toRepresentation(const Value &value);

/// How JSON is written, by the names that Python's json.dumps() has for it.
struct JsonFormat {
  /// What each level is indented by; without it all is on one line.
  std::optional<std::string> indent;
  std::string itemSeparator = ", ";
  std::string keySeparator = ": ";
  bool sortKeys = false;
  bool ensureAscii = false;
};

/// Python's json.dumps() of a value; nothing if a part of it has no JSON.
std::optional<std::string> toJson(const Value &value, const JsonFormat &format);

} // namespace llmc::text::jinja

#endif
