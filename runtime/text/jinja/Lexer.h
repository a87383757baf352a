//===- Lexer.h - templates as tokens --------------------------------------===//

#ifndef LLMC_TEXT_JINJA_LEXER_H
#define LLMC_TEXT_JINJA_LEXER_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace llmc::text::jinja {

/// A token of a template, from line `line` of it (the first is 1).
struct Token {
  enum class Kind {
    Text,        // of the template outside tags
    BlockBegin,  // {%
    BlockEnd,    // %}
    OutputBegin, // {{
    OutputEnd,   // }}
    Name,
    String, // text is the content
    Integer,
    Float,
    Operator,
    End,
  };
  Kind kind;
  uint32_t line;
  std::string text;
};

/// Cuts a template (valid UTF-8) into tokens, with white space around tags handled as the options trim_blocks
/// and lstrip_blocks and the signs + and - in tags say. Comments vanish; raw blocks become text.
absl::StatusOr<std::vector<Token>> tokenize(absl::string_view source);

} // namespace llmc::text::jinja

#endif
