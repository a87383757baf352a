#include "runtime/grammar/GrammarReader.h"

#include "runtime/io/Message.h"
#include "runtime/text/Unicode.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace llmc::grammar {

namespace {

constexpr uint32_t kLastCodePoint = 0x10FFFF;
constexpr int kDeepestGroup = 256, kMostSuffixes = 8;
constexpr int64_t kMostRepetitions = 100'000;

bool isNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
}

/// The characters that are not in `ranges`.
std::vector<CodePointRange> complement(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> result;
  ranges.push_back({0xD800, 0xDFFF}); // surrogates are no characters
  std::sort(ranges.begin(), ranges.end(),
            [](const CodePointRange &a, const CodePointRange &b) { return a.first < b.first; });
  uint32_t next = 0; // the first code point that no range before has
  for (const CodePointRange &range : ranges) {
    if (range.first > next)
      result.push_back({next, range.first - 1});
    next = std::max(next, range.last + 1);
  }
  if (next <= kLastCodePoint)
    result.push_back({next, kLastCodePoint});
  return result;
}

Expression characters(std::vector<CodePointRange> ranges) {
  Expression result;
  result.kind = Expression::Kind::Characters;
  result.characters = std::move(ranges);
  return result;
}

/// The only one of `parts`, or all of them as `kind`.
Expression join(Expression::Kind kind, std::vector<Expression> parts) {
  if (parts.size() == 1)
    return std::move(parts.front());
  Expression result;
  result.kind = kind;
  result.parts = std::move(parts);
  return result;
}

class Reader {
public:
  Reader(absl::string_view name, absl::string_view text) : name(name), text(text) {}

  absl::StatusOr<Grammar> read() {
    skipSpace(/*overLines=*/true);
    while (at < text.size())
      if (absl::Status status = readRule(); !status.ok())
        return status;
    for (size_t rule = 0; rule < grammar.rules.size(); ++rule)
      if (!isDefined[rule])
        return absl::InvalidArgumentError(absl::StrCat(grammar.rules[rule].place, ": there is no rule ",
                                                       io::quote(grammar.rules[rule].name)));
    const auto root = numbers.find("root");
    if (root == numbers.end())
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": there is no rule 'root', expected what texts are"));
    grammar.root = root->second;
    return std::move(grammar);
  }

private:
  /// In characters, from 1.
  int64_t columnOf(size_t offset) const {
    const size_t start = text.substr(0, offset).rfind('\n') + 1; // 0 if there is none
    return 1 + std::count_if(text.begin() + start, text.begin() + offset,
                             [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  }

  std::string placeOf(size_t offset) const {
    const auto lines = std::count(text.begin(), text.begin() + offset, '\n');
    return absl::StrCat(name, ":", lines + 1, ":", columnOf(offset));
  }

  absl::Status refuse(size_t offset, absl::string_view expected) const {
    std::string found = "the end";
    if (offset < text.size())
      found = io::quote(text.substr(offset, std::max(1u, text::stepUtf8(text.substr(offset)).length)));
    return absl::InvalidArgumentError(
        absl::StrCat(placeOf(offset), ": found ", found, ", expected ", expected));
  }

  char peek() const { return at < text.size() ? text[at] : '\0'; }

  /// White space and comments; the end of a line too if `overLines`.
  void skipSpace(bool overLines) {
    while (at < text.size()) {
      const char c = text[at];
      if (c == '#')
        at = std::min(text.find('\n', at), text.size());
      else if (c == ' ' || c == '\t' || (overLines && (c == '\n' || c == '\r')))
        ++at;
      else
        break;
    }
  }

  absl::string_view readName() {
    const size_t start = at;
    while (at < text.size() && isNameCharacter(text[at]))
      ++at;
    return text.substr(start, at - start);
  }

  size_t numberOf(absl::string_view rule, size_t offset) {
    const auto [place, isNew] = numbers.try_emplace(std::string(rule), grammar.rules.size());
    if (isNew) {
      grammar.rules.push_back({std::string(rule), {}, placeOf(offset)});
      isDefined.push_back(false);
    }
    return place->second;
  }

  absl::Status readRule() {
    const size_t start = at;
    const absl::string_view rule = readName();
    if (rule.empty())
      return refuse(start, "the name of a rule");
    skipSpace(/*overLines=*/false);
    if (text.substr(at, 3) != "::=")
      return refuse(at, "::= behind the name of a rule");
    at += 3;
    const size_t number = numberOf(rule, start);
    if (isDefined[number])
      return absl::InvalidArgumentError(
          absl::StrCat(placeOf(start), ": there is a rule ", io::quote(rule), " already"));
    isDefined[number] = true;
    grammar.rules[number].place = placeOf(start);
    skipSpace(/*overLines=*/true);
    absl::StatusOr<Expression> body = readChoice(/*depth=*/0);
    if (!body.ok())
      return body.status();
    grammar.rules[number].body = *std::move(body);
    if (at < text.size() && peek() != '\n' && peek() != '\r')
      return refuse(at, "the end of the rule");
    skipSpace(/*overLines=*/true);
    return absl::OkStatus();
  }

  /// Alternatives; in a group, which goes over lines, up to its end.
  absl::StatusOr<Expression> readChoice(int depth) {
    std::vector<Expression> choices;
    while (true) {
      absl::StatusOr<Expression> sequence = readSequence(depth);
      if (!sequence.ok())
        return sequence;
      choices.push_back(*std::move(sequence));
      if (peek() != '|')
        return join(Expression::Kind::Choice, std::move(choices));
      ++at;
      skipSpace(/*overLines=*/true);
    }
  }

  absl::StatusOr<Expression> readSequence(int depth) {
    std::vector<Expression> parts;
    while (at < text.size()) {
      const size_t start = at;
      absl::StatusOr<std::optional<Expression>> item = readItem(depth);
      if (!item.ok())
        return item.status();
      if (!*item)
        break;
      skipSpace(depth > 0);
      absl::StatusOr<Expression> repeated = readRepetitions(**std::move(item), depth);
      if (!repeated.ok())
        return repeated;
      if (at == start)
        break;
      parts.push_back(*std::move(repeated));
    }
    return join(Expression::Kind::Sequence, std::move(parts));
  }

  /// A string, a class, a name or a group; nothing if none is here.
  absl::StatusOr<std::optional<Expression>> readItem(int depth) {
    const char c = peek();
    if (c == '"')
      return readString();
    if (c == '[')
      return readClass();
    if (c == '.') {
      ++at;
      return characters({{0, kLastCodePoint}});
    }
    if (c == '(')
      return readGroup(depth);
    if (c == '<' || c == '!')
      return refuse(at, "a string: references to tokens are not supported");
    if (!isNameCharacter(c))
      return std::nullopt;
    const size_t start = at;
    Expression result;
    result.kind = Expression::Kind::Rule;
    const absl::string_view rule = readName();
    result.rule = numberOf(rule, start);
    return result;
  }

  absl::StatusOr<std::optional<Expression>> readGroup(int depth) {
    if (depth == kDeepestGroup)
      return refuse(at, absl::StrCat("at most ", kDeepestGroup, " groups in each other"));
    ++at;
    skipSpace(/*overLines=*/true);
    absl::StatusOr<Expression> group = readChoice(depth + 1);
    if (!group.ok())
      return group.status();
    if (peek() != ')')
      return refuse(at, "the ) of a group");
    ++at;
    return *std::move(group);
  }

  absl::StatusOr<std::optional<Expression>> readString() {
    const size_t start = at++;
    std::vector<Expression> parts;
    while (peek() != '"') {
      if (at >= text.size() || peek() == '\n')
        return refuse(at, absl::StrCat("the \" of the string that begins in column ", columnOf(start)));
      absl::StatusOr<uint32_t> point = readCharacter();
      if (!point.ok())
        return point.status();
      parts.push_back(characters({{*point, *point}}));
    }
    ++at;
    return join(Expression::Kind::Sequence, std::move(parts));
  }

  absl::StatusOr<std::optional<Expression>> readClass() {
    const size_t start = at++;
    const bool isNegated = peek() == '^';
    at += isNegated;
    std::vector<CodePointRange> ranges;
    while (peek() != ']') {
      if (at >= text.size() || peek() == '\n')
        return refuse(at, absl::StrCat("the ] of the class that begins in column ", columnOf(start)));
      const size_t first = at;
      absl::StatusOr<uint32_t> from = readCharacter();
      if (!from.ok())
        return from.status();
      absl::StatusOr<uint32_t> to = from;
      if (peek() == '-' && text.substr(at, 2) != "-]") {
        ++at;
        to = readCharacter();
        if (!to.ok())
          return to.status();
      }
      if (*to < *from)
        return refuse(first, "a range that rises");
      ranges.push_back({*from, *to});
    }
    ++at;
    if (isNegated)
      ranges = complement(std::move(ranges));
    if (ranges.empty())
      return refuse(start, "a class that has characters");
    return characters(std::move(ranges));
  }

  /// One character of a string or a class, perhaps escaped.
  absl::StatusOr<uint32_t> readCharacter() {
    if (at >= text.size())
      return refuse(at, "a character");
    if (peek() != '\\') {
      const text::DecodedCharacter decoded = text::decodeFront(text.substr(at));
      at += decoded.length;
      return static_cast<uint32_t>(decoded.character);
    }
    const size_t start = at++;
    const char c = peek();
    ++at;
    switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
    case '^':
      return static_cast<unsigned char>(c);
    case 'x':
      return readHexadecimal(start, 2);
    case 'u':
      return readHexadecimal(start, 4);
    case 'U':
      return readHexadecimal(start, 8);
    default:
      return refuse(start,
                    "one of the escapes \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xNN \\uNNNN \\UNNNNNNNN");
    }
  }

  absl::StatusOr<uint32_t> readHexadecimal(size_t start, size_t digits) {
    const absl::string_view number = text.substr(std::min(at, text.size()), digits);
    uint32_t point = 0;
    if (number.size() != digits ||
        !std::all_of(number.begin(), number.end(), [](unsigned char c) { return absl::ascii_isxdigit(c); }) ||
        !absl::SimpleHexAtoi(number, &point) || point > kLastCodePoint || (point >= 0xD800 && point < 0xE000))
      return refuse(start, absl::StrCat(digits, " hexadecimal digits of a character"));
    at += digits;
    return point;
  }

  /// What follows an item: any number of * + ? {n} {n,} {n,m}.
  absl::StatusOr<Expression> readRepetitions(Expression item, int depth) {
    for (int count = 0;; ++count) {
      const size_t start = at;
      int64_t least = 0, most = Expression::kUnbounded;
      const char c = peek();
      if (c == '{') {
        if (absl::Status status = readBounds(least, most); !status.ok())
          return status;
      } else if (c == '*' || c == '+' || c == '?') {
        ++at;
        least = c == '+';
        most = c == '?' ? 1 : most;
      } else {
        return item;
      }
      if (count == kMostSuffixes)
        return refuse(start, absl::StrCat("at most ", kMostSuffixes, " repetitions of each other"));
      Expression repeat;
      repeat.kind = Expression::Kind::Repeat;
      repeat.parts.push_back(std::move(item));
      repeat.least = least;
      repeat.most = most;
      item = std::move(repeat);
      skipSpace(depth > 0);
    }
  }

  absl::Status readBounds(int64_t &least, int64_t &most) {
    ++at;
    skipSpace(/*overLines=*/false);
    if (absl::Status status = readCount(least); !status.ok())
      return status;
    most = least;
    skipSpace(/*overLines=*/false);
    if (peek() == ',') {
      ++at;
      skipSpace(/*overLines=*/false);
      most = Expression::kUnbounded;
      const size_t start = at;
      if (peek() != '}')
        if (absl::Status status = readCount(most); !status.ok())
          return status;
      if (most != Expression::kUnbounded && most < least)
        return refuse(start, absl::StrCat("a number from ", least));
      skipSpace(/*overLines=*/false);
    }
    if (peek() != '}')
      return refuse(at, "the } of a repetition");
    ++at;
    return absl::OkStatus();
  }

  absl::Status readCount(int64_t &count) {
    const size_t start = at;
    while (absl::ascii_isdigit(static_cast<unsigned char>(peek())))
      ++at;
    if (!absl::SimpleAtoi(text.substr(start, at - start), &count) || count > kMostRepetitions)
      return refuse(start, absl::StrCat("a number from 0 to ", kMostRepetitions));
    return absl::OkStatus();
  }

  absl::string_view name, text;
  size_t at = 0;
  Grammar grammar;
  std::vector<bool> isDefined; ///< by rule; others are only named yet
  absl::flat_hash_map<std::string, size_t> numbers;
};

} // namespace

absl::StatusOr<Grammar> readGrammar(absl::string_view name, absl::string_view text) {
  if (!text::isValidUtf8(text))
    return absl::InvalidArgumentError(absl::StrCat(name, ": is not valid UTF-8"));
  return Reader(name, text).read();
}

} // namespace llmc::grammar
