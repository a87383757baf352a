//===- PythonText.cpp - what Python does to strings -----------------------===//

#include "runtime/text/jinja/PythonText.h"

#include <algorithm>

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "absl/strings/str_cat.h"

#include "runtime/text/Unicode.h"

namespace llmc::text::jinja {

namespace {

bool isAmong(char32_t character, std::optional<absl::string_view> characters) {
  if (!characters)
    return isPythonSpace(character);
  std::string text;
  appendUtf8(text, character);
  return characters->find(text) != absl::string_view::npos;
}

icu::UnicodeString toIcu(absl::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

/// The title case of one character, which may be several characters.
void appendTitleCase(std::string &text, absl::string_view character) {
  std::string title;
  toIcu(character).toTitle(nullptr, icu::Locale::getRoot()).toUTF8String(title);
  text += title;
}

bool isCased(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED); }

} // namespace

bool isPythonSpace(char32_t c) { return isWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

absl::string_view stripLeft(absl::string_view text, std::optional<absl::string_view> characters) {
  while (!text.empty() && isAmong(decodeFront(text).character, characters))
    text.remove_prefix(decodeFront(text).length);
  return text;
}

absl::string_view stripRight(absl::string_view text, std::optional<absl::string_view> characters) {
  while (!text.empty() && isAmong(decodeBack(text).character, characters))
    text.remove_suffix(decodeBack(text).length);
  return text;
}

std::string upperCase(absl::string_view text) {
  std::string result;
  toIcu(text).toUpper(icu::Locale::getRoot()).toUTF8String(result);
  return result;
}

std::string lowerCase(absl::string_view text) {
  std::string result;
  toIcu(text).toLower(icu::Locale::getRoot()).toUTF8String(result);
  return result;
}

std::string capitalized(absl::string_view text) {
  if (text.empty())
    return "";
  size_t length = decodeFront(text).length;
  std::string result;
  appendTitleCase(result, text.substr(0, length));
  return result + lowerCase(text.substr(length));
}

std::string titleCase(absl::string_view text) {
  std::string result;
  bool afterCased = false;
  while (!text.empty()) {
    auto [character, length] = decodeFront(text);
    if (afterCased)
      result += lowerCase(text.substr(0, length));
    else
      appendTitleCase(result, text.substr(0, length));
    afterCased = isCased(character);
    text.remove_prefix(length);
  }
  return result;
}

std::vector<absl::string_view> split(absl::string_view text, std::optional<absl::string_view> separator,
                                     int64_t limit) {
  std::vector<absl::string_view> parts;
  if (!separator) {
    text = stripLeft(text, std::nullopt);
    while (!text.empty()) {
      size_t end = 0;
      while (end < text.size() && !isPythonSpace(decodeFront(text.substr(end)).character))
        end += decodeFront(text.substr(end)).length;
      if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit)
        end = text.size();
      parts.push_back(text.substr(0, end));
      text = stripLeft(text.substr(end), std::nullopt);
    }
    return parts;
  }
  for (size_t found; (limit < 0 || static_cast<int64_t>(parts.size()) < limit) &&
                     (found = text.find(*separator)) != absl::string_view::npos;) {
    parts.push_back(text.substr(0, found));
    text.remove_prefix(found + separator->size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<absl::string_view> splitFromRight(absl::string_view text,
                                              std::optional<absl::string_view> separator, int64_t limit) {
  std::vector<absl::string_view> parts;
  auto more = [&] { return limit < 0 || static_cast<int64_t>(parts.size()) < limit; };
  if (!separator) {
    text = stripRight(text, std::nullopt);
    while (!text.empty()) {
      size_t start = text.size();
      while (start > 0 && !isPythonSpace(decodeBack(text.substr(0, start)).character))
        start -= decodeBack(text.substr(0, start)).length;
      if (!more())
        start = 0;
      parts.push_back(text.substr(start));
      text = stripRight(text.substr(0, start), std::nullopt);
    }
  } else {
    for (size_t found; more() && (found = text.rfind(*separator)) != absl::string_view::npos;) {
      parts.push_back(text.substr(found + separator->size()));
      text = text.substr(0, found);
    }
    parts.push_back(text);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<absl::string_view> splitLines(absl::string_view text) {
  auto endsLine = [](char32_t c) {
    return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<absl::string_view> lines;
  for (size_t at = 0; at < text.size();) {
    auto [character, length] = decodeFront(text.substr(at));
    if (!endsLine(character)) {
      at += length;
      continue;
    }
    lines.push_back(text.substr(0, at));
    at += length;
    if (character == '\r' && at < text.size() && text[at] == '\n')
      ++at;
    text.remove_prefix(at);
    at = 0;
  }
  if (!text.empty())
    lines.push_back(text);
  return lines;
}

std::optional<std::string> replaceText(absl::string_view text, absl::string_view from, absl::string_view to,
                                       int64_t limit, size_t maxBytes) {
  std::string result;
  for (int64_t count = 0; limit < 0 || count < limit; ++count) {
    if (result.size() > maxBytes)
      return std::nullopt;
    if (from.empty()) {
      // Between all characters, and at both ends.
      absl::StrAppend(&result, to);
      if (text.empty())
        return result;
      size_t length = decodeFront(text).length;
      absl::StrAppend(&result, text.substr(0, length));
      text.remove_prefix(length);
      continue;
    }
    size_t found = text.find(from);
    if (found == absl::string_view::npos)
      break;
    absl::StrAppend(&result, text.substr(0, found), to);
    text.remove_prefix(found + from.size());
  }
  absl::StrAppend(&result, text);
  return result;
}

size_t characterCount(absl::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

} // namespace llmc::text::jinja
