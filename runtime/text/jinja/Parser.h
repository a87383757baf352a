//===- Parser.h - templates from source to tree ---------------------------===//

#ifndef LLMC_TEXT_JINJA_PARSER_H
#define LLMC_TEXT_JINJA_PARSER_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/jinja/Syntax.h"

namespace llmc::text::jinja {

/// Parses a template (valid UTF-8). An error names the line. Statements that chat templates do not use, such
/// as include and extends, are refused by name.
absl::StatusOr<Body> parse(absl::string_view source);

} // namespace llmc::text::jinja

#endif
