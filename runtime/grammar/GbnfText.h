//===- GbnfText.h - strings as parts of grammars ------------------------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_GBNFTEXT_H
#define LLMC_RUNTIME_GRAMMAR_GBNFTEXT_H

#include "absl/strings/string_view.h"

#include <cstdint>
#include <map>
#include <string>

namespace llmc::grammar {

/// `text`, which has no control characters, as a string of GBNF.
std::string literal(absl::string_view text);

/// The strings of JSON that are none of some.
class OtherStrings {
public:
  /// `text` is valid UTF-8. Each of its characters is a group of expression(), in that of the one before.
  void exclude(absl::string_view text);

  /// What comes behind the quote that begins a string, with the one that ends it, in GBNF. Without escapes,
  /// which would be other ways to write those excluded.
  std::string expression() const;

private:
  bool isExcluded = false;               ///< one of them ends here
  std::map<uint32_t, OtherStrings> next; ///< by their characters
};

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_GBNFTEXT_H
