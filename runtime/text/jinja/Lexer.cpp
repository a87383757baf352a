//===- Lexer.cpp - templates as tokens ------------------------------------===//

#include "runtime/text/jinja/Lexer.h"

#include <algorithm>
#include <optional>

#include <unicode/uchar.h>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "runtime/text/Unicode.h"

namespace llmc::text::jinja {

namespace {

/// Lines end in \n; a last line end does not count.
std::string normalizeLines(absl::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text.push_back('\n');
      i += i + 1 < source.size() && source[i + 1] == '\n';
    } else {
      text.push_back(source[i]);
    }
  }
  if (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

/// What Python strips and \s matches.
bool isPythonSpace(char32_t c) { return isWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

size_t spaceAtFront(absl::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    DecodedCharacter front = decodeFront(text.substr(length));
    if (!isPythonSpace(front.character))
      break;
    length += front.length;
  }
  return length;
}

absl::string_view stripBack(absl::string_view text) {
  while (!text.empty() && isPythonSpace(decodeBack(text).character))
    text.remove_suffix(decodeBack(text).length);
  return text;
}

bool isNameStart(char32_t c) {
  return c == '_' || (c < 0x80 ? absl::ascii_isalpha(static_cast<unsigned char>(c))
                               : u_isIDStart(static_cast<UChar32>(c)));
}
bool isNamePart(char32_t c) {
  return c == '_' || (c < 0x80 ? absl::ascii_isalnum(static_cast<unsigned char>(c))
                               : u_isIDPart(static_cast<UChar32>(c)));
}

class Lexer {
public:
  explicit Lexer(absl::string_view source) : source(normalizeLines(source)), rest(this->source) {}

  absl::StatusOr<std::vector<Token>> run() {
    while (!rest.empty())
      if (absl::Status status = lexText(); !status.ok())
        return status;
    add(Token::Kind::End, "");
    return std::move(tokens);
  }

private:
  absl::Status error(absl::string_view message) const {
    return absl::InvalidArgumentError(absl::StrFormat("line %d: %s", line, message));
  }
  void add(Token::Kind kind, absl::string_view text) { tokens.push_back({kind, line, std::string(text)}); }
  void consume(size_t length) {
    line += static_cast<uint32_t>(std::count(rest.begin(), rest.begin() + length, '\n'));
    atLineStart = length == 0 ? atLineStart : rest[length - 1] == '\n';
    rest.remove_prefix(length);
  }

  /// Text up to the next tag, then the tag.
  absl::Status lexText() {
    size_t open = 0;
    while (open < rest.size() && !(rest[open] == '{' && open + 1 < rest.size() &&
                                   (rest[open + 1] == '%' || rest[open + 1] == '{' || rest[open + 1] == '#')))
      ++open;
    absl::string_view text = rest.substr(0, open);
    if (open == rest.size()) {
      addText(text);
      consume(open);
      return absl::OkStatus();
    }
    char kind = rest[open + 1];
    char sign = open + 2 < rest.size() ? rest[open + 2] : '\0';
    if (sign == '-')
      text = stripBack(text);
    else if (sign != '+' && kind != '{')
      text = stripIndentation(text);
    addText(text);
    consume(open);
    size_t signLength = sign == '-' || sign == '+' ? 1 : 0;
    if (kind == '#')
      return lexComment(signLength);
    if (kind == '%')
      if (std::optional<size_t> raw = rawTagLength(signLength)) {
        consume(*raw);
        return lexRaw();
      }
    add(kind == '%' ? Token::Kind::BlockBegin : Token::Kind::OutputBegin, "");
    consume(2 + signLength);
    return lexTag(kind == '%');
  }

  void addText(absl::string_view text) {
    if (!text.empty())
      add(Token::Kind::Text, text);
  }

  /// Removes the white space between the start of a line and a tag (lstrip_blocks).
  absl::string_view stripIndentation(absl::string_view text) const {
    size_t newline = text.rfind('\n');
    if (newline == absl::string_view::npos && !atLineStart)
      return text;
    size_t start = newline == absl::string_view::npos ? 0 : newline + 1;
    return spaceAtFront(text.substr(start)) == text.size() - start ? text.substr(0, start) : text;
  }

  /// Consumes the end of a block or comment: the white space behind a -, or one line end (trim_blocks) unless
  /// a +.
  void consumeTagEnd(char sign, size_t length) {
    consume(length);
    if (sign == '-')
      consume(spaceAtFront(rest));
    else if (sign != '+' && absl::StartsWith(rest, "\n"))
      consume(1);
  }

  absl::Status lexComment(size_t signLength) {
    size_t close = rest.find("#}", 2 + signLength);
    if (close == absl::string_view::npos)
      return error("a comment is not closed");
    char sign = close > 2 + signLength ? rest[close - 1] : '\0';
    consumeTagEnd(sign, close + 2);
    return absl::OkStatus();
  }

  /// The length of "{% raw %}" at the front, with the white space that a - strips behind it.
  std::optional<size_t> rawTagLength(size_t signLength) const {
    return wordTagLength(rest, 2 + signLength, "raw");
  }

  static std::optional<size_t> wordTagLength(absl::string_view text, size_t at, absl::string_view word) {
    at += spaceAtFront(text.substr(at));
    if (!absl::StartsWith(text.substr(at), word))
      return std::nullopt;
    at += word.size();
    at += spaceAtFront(text.substr(at));
    if (absl::StartsWith(text.substr(at), "-%}")) {
      at += 3;
      return at + spaceAtFront(text.substr(at));
    }
    if (absl::StartsWith(text.substr(at), "%}"))
      return at + 2;
    return std::nullopt;
  }

  absl::Status lexRaw() {
    for (size_t open = rest.find("{%"); open != absl::string_view::npos; open = rest.find("{%", open + 1)) {
      char sign = open + 2 < rest.size() ? rest[open + 2] : '\0';
      size_t at = open + 2 + (sign == '-' || sign == '+');
      at += spaceAtFront(rest.substr(at));
      if (!absl::StartsWith(rest.substr(at), "endraw"))
        continue;
      at += 6 + spaceAtFront(rest.substr(at + 6));
      char endSign = at < rest.size() && (rest[at] == '-' || rest[at] == '+') ? rest[at] : '\0';
      at += endSign != '\0';
      if (!absl::StartsWith(rest.substr(at), "%}"))
        continue;
      absl::string_view text = rest.substr(0, open);
      addText(sign == '-' ? stripBack(text) : sign == '+' ? text : stripIndentation(text));
      consumeTagEnd(endSign, at + 2);
      return absl::OkStatus();
    }
    return error("a raw block is not closed");
  }

  /// The tokens inside a tag, and its end.
  absl::Status lexTag(bool block) {
    Token::Kind endKind = block ? Token::Kind::BlockEnd : Token::Kind::OutputEnd;
    absl::string_view end = block ? "%}" : "}}";
    std::string brackets; // those that are open
    while (true) {
      consume(spaceAtFront(rest));
      if (rest.empty())
        return error("a tag is not closed");
      if (brackets.empty()) {
        char sign = rest[0] == '-' || (block && rest[0] == '+') ? rest[0] : '\0';
        if (absl::StartsWith(rest.substr(sign != '\0'), end)) {
          add(endKind, "");
          if (block)
            consumeTagEnd(sign, 3 - (sign == '\0'));
          else {
            consume(3 - (sign == '\0'));
            consume(sign == '-' ? spaceAtFront(rest) : 0);
          }
          return absl::OkStatus();
        }
      }
      if (absl::Status status = lexToken(brackets); !status.ok())
        return status;
    }
  }

  absl::Status lexToken(std::string &brackets) {
    char c = rest[0];
    if (c == '"' || c == '\'')
      return lexString();
    if (absl::ascii_isdigit(static_cast<unsigned char>(c)))
      return lexNumber();
    if (isNameStart(decodeFront(rest).character)) {
      size_t length = 0;
      while (length < rest.size() && isNamePart(decodeFront(rest.substr(length)).character))
        length += decodeFront(rest.substr(length)).length;
      add(Token::Kind::Name, rest.substr(0, length));
      consume(length);
      return absl::OkStatus();
    }
    for (absl::string_view operation : {"//", "**", "==", "!=", ">=", "<="})
      if (absl::StartsWith(rest, operation)) {
        add(Token::Kind::Operator, operation);
        consume(2);
        return absl::OkStatus();
      }
    if (absl::string_view("+-/*%~[](){}><=.:|,").find(c) == absl::string_view::npos)
      return error(absl::StrFormat("unexpected character '%s'", rest.substr(0, decodeFront(rest).length)));
    if (c == '(' || c == '[' || c == '{')
      brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty() || brackets.back() != c)
        return error(absl::StrFormat("unexpected '%c'", c));
      brackets.pop_back();
    }
    add(Token::Kind::Operator, rest.substr(0, 1));
    consume(1);
    return absl::OkStatus();
  }

  absl::Status lexNumber() {
    auto digits = [&](size_t at, auto isDigit) {
      while (at < rest.size() &&
             (isDigit(static_cast<unsigned char>(rest[at])) ||
              (rest[at] == '_' && at + 1 < rest.size() && isDigit(static_cast<unsigned char>(rest[at + 1])))))
        ++at;
      return at;
    };
    auto decimal = [](unsigned char c) { return absl::ascii_isdigit(c); };
    bool radix = rest[0] == '0' && rest.size() > 1 &&
                 absl::string_view("xXoObB").find(rest[1]) != absl::string_view::npos;
    size_t length =
        radix ? digits(2, [](unsigned char c) { return absl::ascii_isxdigit(c); }) : digits(0, decimal);
    bool isFloat = false;
    if (!radix && length + 1 < rest.size() && rest[length] == '.' &&
        decimal(static_cast<unsigned char>(rest[length + 1]))) {
      isFloat = true;
      length = digits(length + 1, decimal);
    }
    if (!radix && length < rest.size() && (rest[length] == 'e' || rest[length] == 'E')) {
      size_t exponent = length + 1;
      exponent += exponent < rest.size() && (rest[exponent] == '+' || rest[exponent] == '-');
      if (exponent < rest.size() && decimal(static_cast<unsigned char>(rest[exponent]))) {
        isFloat = true;
        length = digits(exponent, decimal);
      }
    }
    add(isFloat ? Token::Kind::Float : Token::Kind::Integer, rest.substr(0, length));
    std::string &text = tokens.back().text;
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    consume(length);
    return absl::OkStatus();
  }

  /// A string with the escapes of Python.
  absl::Status lexString() {
    std::string content;
    size_t at = 1;
    while (at < rest.size() && rest[at] != rest[0]) {
      if (rest[at] != '\\') {
        content.push_back(rest[at++]);
        continue;
      }
      if (absl::Status status = lexEscape(at, content); !status.ok())
        return status;
    }
    if (at >= rest.size())
      return error("a string is not closed");
    add(Token::Kind::String, content);
    consume(at + 1);
    return absl::OkStatus();
  }

  absl::Status lexEscape(size_t &at, std::string &content) const {
    if (at + 1 >= rest.size())
      return error("a string is not closed");
    char c = rest[at + 1];
    static constexpr std::pair<char, char> kEscapes[] = {{'n', '\n'},  {'t', '\t'}, {'r', '\r'}, {'a', '\a'},
                                                         {'b', '\b'},  {'f', '\f'}, {'v', '\v'}, {'\\', '\\'},
                                                         {'\'', '\''}, {'"', '"'}};
    for (auto [escape, character] : kEscapes)
      if (c == escape) {
        content.push_back(character);
        at += 2;
        return absl::OkStatus();
      }
    if (c == '\n') {
      at += 2;
      return absl::OkStatus();
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t value = 0;
    if (digits > 0) {
      absl::string_view hex = rest.substr(at + 2, digits);
      bool valid = hex.size() == digits && std::all_of(hex.begin(), hex.end(), [](unsigned char d) {
                     return absl::ascii_isxdigit(d);
                   });
      if (!valid || !absl::SimpleHexAtoi(hex, &value) || value > 0x10FFFF ||
          (value >= 0xD800 && value < 0xE000))
        return error("a string has a malformed escape");
      appendUtf8(content, value);
      at += 2 + digits;
      return absl::OkStatus();
    }
    if (c >= '0' && c <= '7') {
      size_t end = at + 1;
      while (end < rest.size() && end < at + 4 && rest[end] >= '0' && rest[end] <= '7')
        value = value * 8 + static_cast<uint32_t>(rest[end++] - '0');
      appendUtf8(content, value);
      at = end;
      return absl::OkStatus();
    }
    // Any other backslash is a backslash.
    content.push_back('\\');
    ++at;
    return absl::OkStatus();
  }

  std::string source;
  absl::string_view rest;
  uint32_t line = 1;
  bool atLineStart = true;
  std::vector<Token> tokens;
};

} // namespace

absl::StatusOr<std::vector<Token>> tokenize(absl::string_view source) { return Lexer(source).run(); }

} // namespace llmc::text::jinja
