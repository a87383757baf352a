//===- Unicode.h - characters, their classes, their forms ----------------===//
//
// The character classes of the reference tokenizers, on ICU. Some of the reference's tables are older than
// ICU's; the classes here are limited to the same Unicode age, so that ids stay equal.
//
//===----------------------------------------------------------------------===//

#ifndef LLMC_TEXT_UNICODE_H
#define LLMC_TEXT_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

#include "runtime/text/Rewriting.h"

namespace llmc::text {

/// A character and the number of bytes that it takes in UTF-8.
struct DecodedCharacter {
  char32_t character;
  unsigned length;
};

/// The bytes of a character of valid UTF-8 that begins with `lead`.
inline unsigned characterLength(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// The first character of `text`, which is valid UTF-8 and not empty.
DecodedCharacter decodeFront(absl::string_view text);

/// The last character of `text`, which is valid UTF-8 and not empty.
DecodedCharacter decodeBack(absl::string_view text);

/// Appends `character` in UTF-8.
void appendUtf8(std::string &text, char32_t character);

/// What stands at the front of bytes that may be broken UTF-8.
struct Utf8Step {
  enum class Kind { Character, Invalid, Incomplete };
  Kind kind;
  /// Bytes of the character, of the longest broken part (at least 1), or of the incomplete tail.
  unsigned length;
};

/// Looks at the front of `bytes`, which are not empty. Incomplete means that more bytes could still make it
/// valid.
Utf8Step stepUtf8(absl::string_view bytes);

/// Whether `text` is valid UTF-8.
bool isValidUtf8(absl::string_view text);

/// `text` with each longest broken part replaced by U+FFFD (Unicode 15, section 3.9, "substitution of maximal
/// subparts").
std::string replaceInvalidUtf8(absl::string_view text);

/// Unicode's White_Space.
bool isWhiteSpace(char32_t character);

/// General category N.
bool isNumeric(char32_t character);

/// A character of a word: Alphabetic, a mark, a decimal digit, connector punctuation or a joiner (UTS #18,
/// annex C).
bool isWordCharacter(char32_t character);

/// ASCII punctuation or general category P, as of Unicode 8.
bool isPunctuation(char32_t character);

/// What BERT removes as control characters: general categories Cc, Cf and Co as of Unicode 8 except tab, line
/// feed and carriage return.
bool isBertControl(char32_t character);

/// The blocks that BERT takes for Chinese characters.
bool isBertChinese(char32_t character);

/// General category Mn, as of Unicode 8.
bool isNonspacingMark(char32_t character);

/// General category M, as of Unicode 9.
bool isCombiningMark(char32_t character);

/// Appends the lower case of one character, whatever stands beside it.
void appendLowercase(std::string &text, char32_t character);

/// The normalization forms of Unicode (UAX 15).
enum class UnicodeForm { Nfc, Nfd, Nfkc, Nfkd };

/// Appends `text` (valid UTF-8) in a normalization form, as of Unicode 11.
void normalizeTo(UnicodeForm form, absl::string_view text, Rewriting &out);

} // namespace llmc::text

#endif
