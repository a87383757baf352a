//===- Unicode.cpp - characters, their classes, their forms --------------===//

#include "runtime/text/Unicode.h"

#include <algorithm>
#include <cstdlib>

#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include "absl/strings/ascii.h"

namespace llmc::text {

namespace {

bool isContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/// Whether the character existed in version `major` of Unicode.
bool existedIn(unsigned major, char32_t character) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(character), age);
  return age[0] != 0 && (age[0] < major || (age[0] == major && age[1] == 0));
}

bool hasCategory(char32_t character, uint32_t categoryMask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(character)) & categoryMask) != 0;
}

bool allAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
}

/// ICU's normalizer for `form`, restricted to the characters of Unicode 11. ICU keeps it alive.
const icu::Normalizer2 *makeNormalizer(UnicodeForm form) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2 *full = nullptr;
  switch (form) {
  case UnicodeForm::Nfc:
    full = icu::Normalizer2::getNFCInstance(error);
    break;
  case UnicodeForm::Nfd:
    full = icu::Normalizer2::getNFDInstance(error);
    break;
  case UnicodeForm::Nfkc:
    full = icu::Normalizer2::getNFKCInstance(error);
    break;
  case UnicodeForm::Nfkd:
    full = icu::Normalizer2::getNFKDInstance(error);
    break;
  }
  static const icu::UnicodeSet *const unicode11 = [] {
    UErrorCode setError = U_ZERO_ERROR;
    auto *set = new icu::UnicodeSet(icu::UnicodeString("[:age=11.0:]"), setError);
    set->freeze();
    return set;
  }();
  return U_FAILURE(error) ? nullptr : new icu::FilteredNormalizer2(*full, *unicode11);
}

const icu::Normalizer2 *normalizerFor(UnicodeForm form) {
  static const icu::Normalizer2 *const normalizers[] = {
      makeNormalizer(UnicodeForm::Nfc), makeNormalizer(UnicodeForm::Nfd), makeNormalizer(UnicodeForm::Nfkc),
      makeNormalizer(UnicodeForm::Nfkd)};
  return normalizers[static_cast<int>(form)];
}

} // namespace

DecodedCharacter decodeFront(absl::string_view text) {
  auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  char32_t lead = byte(0);
  if (lead < 0x80)
    return {lead, 1};
  if (lead < 0xE0)
    return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0)
    return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

DecodedCharacter decodeBack(absl::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && isContinuation(text[start]))
    --start;
  return decodeFront(text.substr(start));
}

void appendUtf8(std::string &text, char32_t c) {
  if (c < 0x80) {
    text.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    text.push_back(static_cast<char>(0xC0 | c >> 6));
    text.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | c >> 12));
    text.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    text.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    text.push_back(static_cast<char>(0xF0 | c >> 18));
    text.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
    text.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    text.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

Utf8Step stepUtf8(absl::string_view bytes) {
  using Kind = Utf8Step::Kind;
  auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  unsigned char lead = byte(0);
  if (lead < 0x80)
    return {Kind::Character, 1};
  if (lead < 0xC2 || lead > 0xF4)
    return {Kind::Invalid, 1};
  unsigned length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte is limited further: no overlong forms, no surrogates, nothing past U+10FFFF (table 3-7).
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (unsigned i = 1; i < length; ++i) {
    if (i == bytes.size())
      return {Kind::Incomplete, i};
    if (byte(i) < low || byte(i) > high)
      return {Kind::Invalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Kind::Character, length};
}

bool isValidUtf8(absl::string_view text) {
  while (!text.empty()) {
    size_t ascii = 0;
    while (ascii < text.size() && static_cast<signed char>(text[ascii]) >= 0)
      ++ascii;
    text.remove_prefix(ascii);
    if (text.empty())
      break;
    Utf8Step step = stepUtf8(text);
    if (step.kind != Utf8Step::Kind::Character)
      return false;
    text.remove_prefix(step.length);
  }
  return true;
}

std::string replaceInvalidUtf8(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    Utf8Step step = stepUtf8(text);
    if (step.kind == Utf8Step::Kind::Character)
      result.append(text.data(), step.length);
    else
      appendUtf8(result, 0xFFFD);
    text.remove_prefix(step.length);
  }
  return result;
}

bool isWhiteSpace(char32_t character) {
  return u_hasBinaryProperty(static_cast<UChar32>(character), UCHAR_WHITE_SPACE);
}

bool isNumeric(char32_t character) { return hasCategory(character, U_GC_N_MASK); }

bool isWordCharacter(char32_t character) {
  return hasCategory(character, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
         u_hasBinaryProperty(static_cast<UChar32>(character), UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(static_cast<UChar32>(character), UCHAR_JOIN_CONTROL);
}

bool isPunctuation(char32_t character) {
  if (character < 0x80)
    return absl::ascii_ispunct(static_cast<unsigned char>(character));
  // Two characters have left the category since Unicode 8.
  if (character == 0x166D || character == 0x111C9)
    return true;
  return hasCategory(character, U_GC_P_MASK) && existedIn(8, character);
}

bool isBertControl(char32_t character) {
  if (character == '\t' || character == '\n' || character == '\r')
    return false;
  if (hasCategory(character, U_GC_CC_MASK | U_GC_CO_MASK))
    return true;
  return hasCategory(character, U_GC_CF_MASK) && existedIn(8, character);
}

bool isBertChinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

bool isNonspacingMark(char32_t character) {
  // U+1734 became a spacing mark in Unicode 14; four others have become nonspacing ones since Unicode 8.
  if (character == 0x1734)
    return true;
  if (character == 0x1885 || character == 0x1886 || character == 0xA9BD || character == 0x111C9)
    return false;
  return hasCategory(character, U_GC_MN_MASK) && existedIn(8, character);
}

bool isCombiningMark(char32_t character) {
  // Two characters became letters in Unicode 12.
  if (character == 0x1CF2 || character == 0x1CF3)
    return true;
  // One became a mark in Unicode 11.
  return character != 0x111C9 && hasCategory(character, U_GC_M_MASK) && existedIn(9, character);
}

void appendLowercase(std::string &text, char32_t character) {
  if (character < 0x80) {
    text.push_back(absl::ascii_tolower(static_cast<unsigned char>(character)));
    return;
  }
  // The one character whose lower case has two characters in every language.
  if (character == 0x130) {
    text.append("i\xCC\x87");
    return;
  }
  appendUtf8(text, static_cast<char32_t>(u_tolower(static_cast<UChar32>(character))));
}

void normalizeTo(UnicodeForm form, absl::string_view text, Rewriting &out) {
  if (allAscii(text))
    return out.copy(text, 0, text.size());
  const icu::Normalizer2 *normalizer = normalizerFor(form);
  UErrorCode error = U_ZERO_ERROR;
  std::string result;
  icu::StringByteSink<std::string> sink(&result, static_cast<int32_t>(text.size()));
  icu::Edits edits;
  normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, &edits,
                            error);
  for (icu::Edits::Iterator edit = edits.getFineIterator(); edit.next(error);) {
    const size_t begin = edit.sourceIndex(), end = begin + edit.oldLength();
    if (!edit.hasChange()) {
      out.copy(text, begin, end);
      continue;
    }
    out.text.append(result, edit.destinationIndex(), edit.newLength());
    out.cameFrom(begin, end);
  }
}

} // namespace llmc::text
