//===- Print.cpp - values as text -----------------------------------------===//

#include "runtime/text/jinja/Print.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <unicode/uchar.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

#include "runtime/text/Unicode.h"

namespace llmc::text::jinja {

namespace {

/// The shortest digits that read back as `number`, in Python's layout.
std::string floatText(double number) {
  if (std::isnan(number))
    return "nan";
  if (std::isinf(number))
    return number < 0 ? "-inf" : "inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  absl::string_view scientific(buffer, static_cast<size_t>(end - buffer));
  size_t e = scientific.find('e');
  int exponent = 0;
  const char *digits = scientific.data() + e + 1;
  std::from_chars(*digits == '+' ? digits + 1 : digits, end, exponent);
  if (exponent < -4 || exponent >= 16)
    return absl::StrCat(scientific.substr(0, e), "e", exponent < 0 ? "-" : "+",
                        exponent > -10 && exponent < 10 ? "0" : "", std::abs(exponent));
  end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed).ptr;
  std::string text(buffer, end);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

/// Whether Python prints the character as it is.
bool isPrintable(char32_t c) {
  uint32_t hidden = U_GC_C_MASK | U_GC_Z_MASK;
  return c == ' ' || (U_GET_GC_MASK(static_cast<UChar32>(c)) & hidden) == 0;
}

std::string quotedText(absl::string_view text) {
  bool doubleQuotes = text.find('\'') != absl::string_view::npos && text.find('"') == absl::string_view::npos;
  char quote = doubleQuotes ? '"' : '\'';
  std::string result(1, quote);
  while (!text.empty()) {
    auto [c, length] = decodeFront(text);
    if (c == static_cast<char32_t>(quote) || c == '\\')
      absl::StrAppend(&result, "\\", text.substr(0, 1));
    else if (c == '\n')
      result += "\\n";
    else if (c == '\r')
      result += "\\r";
    else if (c == '\t')
      result += "\\t";
    else if (isPrintable(c))
      absl::StrAppend(&result, text.substr(0, length));
    else if (c < 0x100)
      absl::StrAppendFormat(&result, "\\x%02x", static_cast<uint32_t>(c));
    else if (c < 0x10000)
      absl::StrAppendFormat(&result, "\\u%04x", static_cast<uint32_t>(c));
    else
      absl::StrAppendFormat(&result, "\\U%08x", static_cast<uint32_t>(c));
    text.remove_prefix(length);
  }
  result.push_back(quote);
  return result;
}

void appendJsonString(std::string &out, absl::string_view text, bool ensureAscii) {
  out.push_back('"');
  while (!text.empty()) {
    auto [c, length] = decodeFront(text);
    static constexpr std::pair<char, const char *> kEscapes[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"},
                                                                 {'\r', "\\r"}, {'\t', "\\t"},  {'\b', "\\b"},
                                                                 {'\f', "\\f"}};
    auto escape = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                               [&](const auto &pair) { return static_cast<char32_t>(pair.first) == c; });
    if (escape != std::end(kEscapes))
      out += escape->second;
    else if (c < 0x20 || (ensureAscii && c > 0x7E && c < 0x10000))
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint32_t>(c));
    else if (ensureAscii && c >= 0x10000)
      absl::StrAppendFormat(&out, "\\u%04x\\u%04x", static_cast<uint32_t>(0xD800 + ((c - 0x10000) >> 10)),
                            static_cast<uint32_t>(0xDC00 + ((c - 0x10000) & 0x3FF)));
    else
      absl::StrAppend(&out, text.substr(0, length));
    text.remove_prefix(length);
  }
  out.push_back('"');
}

std::string jsonFloat(double number) {
  return std::isnan(number)   ? "NaN"
         : std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity")
                              : floatText(number);
}

/// Writes JSON; see toJson.
class JsonWriter {
public:
  explicit JsonWriter(const JsonFormat &format) : format(format) {}

  bool write(const Value &value, size_t level) {
    if (value.isNone())
      out += "null";
    else if (value.isBoolean())
      out += value.boolean() ? "true" : "false";
    else if (value.isInteger())
      absl::StrAppend(&out, value.integer());
    else if (value.isFloat())
      out += jsonFloat(value.number());
    else if (const std::string *text = value.string())
      appendJsonString(out, *text, format.ensureAscii);
    else if (const List *list = value.list())
      return writeList(*list, level);
    else if (const Dict *dict = value.dict())
      return writeDict(*dict, level);
    else
      return false;
    return true;
  }

  std::string out;

private:
  void breakLine(size_t level) {
    if (!format.indent)
      return;
    out.push_back('\n');
    for (size_t i = 0; i < level; ++i)
      out += *format.indent;
  }

  bool writeList(const List &list, size_t level) {
    out.push_back('[');
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0)
        out += format.itemSeparator;
      breakLine(level + 1);
      if (!write(list.items[i], level + 1))
        return false;
    }
    if (!list.items.empty())
      breakLine(level);
    out.push_back(']');
    return true;
  }

  bool writeDict(const Dict &dict, size_t level) {
    std::vector<const Dict::Entry *> entries;
    bool allText = true;
    for (const Dict::Entry &entry : dict.entries()) {
      entries.push_back(&entry);
      allText = allText && entry.first.isString();
    }
    if (format.sortKeys && !allText)
      return false;
    if (format.sortKeys)
      std::sort(entries.begin(), entries.end(),
                [](auto *a, auto *b) { return *a->first.string() < *b->first.string(); });
    out.push_back('{');
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0)
        out += format.itemSeparator;
      breakLine(level + 1);
      const Value &key = entries[i]->first;
      if (key.isString()) {
        appendJsonString(out, *key.string(), format.ensureAscii);
      } else {
        out.push_back('"');
        write(key, 0);
        out.push_back('"');
      }
      out += format.keySeparator;
      if (!write(entries[i]->second, level + 1))
        return false;
    }
    if (!entries.empty())
      breakLine(level);
    out.push_back('}');
    return true;
  }

  const JsonFormat &format;
};

} // namespace

std::string toText(const Value &value) {
  if (const std::string *text = value.string())
    return *text;
  return value.isUndefined() ? std::string() : toRepresentation(value);
}

std::string escapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {"\"", "&#34;"}});
}

std::string toRepresentation(const Value &value) {
  if (value.isUndefined())
    return "Undefined";
  if (value.isNone())
    return "None";
  if (value.isBoolean())
    return value.boolean() ? "True" : "False";
  if (value.isInteger())
    return absl::StrCat(value.integer());
  if (value.isFloat())
    return floatText(value.number());
  if (const std::string *text = value.string())
    return quotedText(*text);
  if (const List *list = value.list()) {
    std::string text(list->tuple ? "(" : "[");
    for (size_t i = 0; i < list->items.size(); ++i)
      absl::StrAppend(&text, i > 0 ? ", " : "", toRepresentation(list->items[i]));
    return absl::StrCat(text, list->tuple && list->items.size() == 1 ? "," : "", list->tuple ? ")" : "]");
  }
  if (const Dict *dict = value.dict()) {
    std::string text = "{";
    for (const auto &[key, entry] : dict->entries())
      absl::StrAppend(&text, text.size() > 1 ? ", " : "", toRepresentation(key), ": ",
                      toRepresentation(entry));
    return text + "}";
  }
  // Objects without a text of their own.
  return absl::StrCat("<", value.typeName(), ">");
}

std::optional<std::string> toJson(const Value &value, const JsonFormat &format) {
  JsonWriter writer(format);
  if (!writer.write(value, 0))
    return std::nullopt;
  return std::move(writer.out);
}

} // namespace llmc::text::jinja
