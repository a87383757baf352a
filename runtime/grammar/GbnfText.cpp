#include "runtime/grammar/GbnfText.h"

#include "runtime/text/Unicode.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include <vector>

namespace llmc::grammar {

std::string literal(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

/// Whether JSON has the character without an escape.
static bool isPlain(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7F;
}

void OtherStrings::exclude(absl::string_view text) {
  if (!absl::c_all_of(text, isPlain))
    return; // none of the strings without escapes
  OtherStrings *at = this;
  while (!text.empty()) {
    const text::DecodedCharacter front = text::decodeFront(text);
    at = &at->next[static_cast<uint32_t>(front.character)];
    text.remove_prefix(front.length);
  }
  at->isExcluded = true;
}

std::string OtherStrings::expression() const {
  constexpr absl::string_view kNotPlain = "\"\\\\\\x00-\\x1F\\x7F"; // as a class, see isPlain
  std::vector<std::string> choices;
  std::string others;
  for (const auto &[character, rest] : next) {
    const std::string escaped = absl::StrFormat("\\U%08X", character);
    others += escaped;
    choices.push_back(absl::StrCat("[", escaped, "] ", rest.expression()));
  }
  choices.push_back(absl::StrCat("[^", kNotPlain, others, "] [^", kNotPlain, "]* ", literal("\"")));
  if (!isExcluded)
    choices.push_back(literal("\""));
  return absl::StrCat("(", absl::StrJoin(choices, " | "), ")");
}

} // namespace llmc::grammar
