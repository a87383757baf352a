//===- OnigurumaSyntax.h - regular expressions of tokenizer.json ----------===//

#ifndef LLMC_TEXT_ONIGURUMA_SYNTAX_H
#define LLMC_TEXT_ONIGURUMA_SYNTAX_H

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace llmc::text {

/// The PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE) that matches what `pattern` matches in
/// Oniguruma's own syntax, which tokenizer.json uses. The two differ in white space, word characters,
/// scripts, the meaning of the options m and s, and in what + after an interval does. Constructs without an
/// equal in PCRE2 are refused by name.
absl::StatusOr<std::string> pcre2PatternOf(absl::string_view pattern);

} // namespace llmc::text

#endif
