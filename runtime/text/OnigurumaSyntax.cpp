//===- OnigurumaSyntax.cpp - regular expressions of tokenizer.json --------===//

#include "runtime/text/OnigurumaSyntax.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace llmc::text {

namespace {

// Members of character classes, to be written between brackets.
// White_Space. PCRE2's own \s also holds U+180E.
constexpr absl::string_view kSpace =
    R"(\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f})"
    R"(\x{205f}\x{3000})";
constexpr absl::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1f\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// Oniguruma counts the numbers of Latin-1 as word characters, and no other of category No.
constexpr absl::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
constexpr absl::string_view kHex = "0-9A-Fa-f";

/// Translates one pattern; see pcre2PatternOf.
class Translator {
public:
  explicit Translator(absl::string_view pattern) : pattern(pattern) {}

  absl::StatusOr<std::string> run() {
    while (at < pattern.size())
      if (absl::Status status = translateNext(); !status.ok())
        return status;
    return std::move(out);
  }

private:
  absl::Status refuse(absl::string_view what) const {
    return absl::UnimplementedError(
        absl::StrFormat("regular expression '%s': %s at byte %d is not supported", pattern, what, at));
  }
  absl::Status malformed(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrFormat("regular expression '%s': %s at byte %d", pattern, what, at));
  }
  bool looking(absl::string_view text) const { return absl::StartsWith(pattern.substr(at), text); }
  /// Emits `length` bytes of the pattern as they are.
  void copy(size_t length) {
    out.append(pattern.data() + at, length);
    at += length;
  }
  void emit(absl::string_view text, size_t consumed) {
    out.append(text.data(), text.size());
    at += consumed;
  }

  absl::Status translateNext() {
    switch (pattern[at]) {
    case '\\':
      atomStart = out.size();
      return translateEscape(/*inClass=*/false);
    case '[':
      atomStart = out.size();
      return translateClass();
    case '(':
      groupStarts.push_back(out.size());
      return translateGroupOpening();
    case ')':
      if (groupStarts.empty())
        return malformed("unmatched ')'");
      atomStart = groupStarts.back();
      groupStarts.pop_back();
      copy(1);
      return absl::OkStatus();
    case '{':
      return translateBrace();
    case '*':
    case '+':
    case '?':
      copy(1);
      return absl::OkStatus();
    default:
      atomStart = out.size();
      copyCharacter();
      return absl::OkStatus();
    }
  }

  /// Emits one character of the pattern, whole.
  void copyCharacter() {
    size_t length = 1;
    while (at + length < pattern.size() && (static_cast<unsigned char>(pattern[at + length]) & 0xC0) == 0x80)
      ++length;
    copy(length);
  }

  /// An interval {n}, {n,}, {n,m} or {,m}; any other brace is a character. A + behind an interval repeats it,
  /// while PCRE2 would make it possessive.
  absl::Status translateBrace() {
    size_t end = at + 1;
    while (end < pattern.size() && (absl::ascii_isdigit(pattern[end]) || pattern[end] == ','))
      ++end;
    absl::string_view body = pattern.substr(at + 1, end - at - 1);
    bool interval = end < pattern.size() && pattern[end] == '}' && !body.empty() && body != ",";
    if (!interval) {
      atomStart = out.size();
      emit("\\{", 1);
      return absl::OkStatus();
    }
    std::string text = absl::StrCat("{", body.front() == ',' ? "0" : "", body, "}");
    emit(text, end + 1 - at);
    if (looking("?") && body.find(',') == absl::string_view::npos)
      return refuse("'?' behind a fixed interval");
    if (looking("+")) {
      out.insert(atomStart, "(?:");
      emit(")+", 1);
    }
    return absl::OkStatus();
  }

  absl::Status translateGroupOpening() {
    if (!looking("(?")) {
      if (looking("(*"))
        return refuse("a verb or callout (*...)");
      copy(1);
      return absl::OkStatus();
    }
    for (absl::string_view plain : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"})
      if (looking(plain)) {
        copy(plain.size());
        return absl::OkStatus();
      }
    if (looking("(?#")) {
      size_t close = pattern.find(')', at);
      if (close == absl::string_view::npos)
        return malformed("unclosed comment");
      groupStarts.pop_back();
      at = close + 1;
      return absl::OkStatus();
    }
    size_t end = at + 2;
    std::string options;
    while (end < pattern.size() &&
           (pattern[end] == 'i' || pattern[end] == 'm' || pattern[end] == 'x' || pattern[end] == '-'))
      options.push_back(pattern[end] == 'm' ? 's' : pattern[end]), ++end;
    if (options.empty() || end == pattern.size() || (pattern[end] != ':' && pattern[end] != ')'))
      return refuse("this kind of group");
    if (pattern[end] == ')')
      groupStarts.pop_back();
    emit(absl::StrCat("(?", options, pattern.substr(end, 1)), end + 1 - at);
    return absl::OkStatus();
  }

  absl::Status translateClass() {
    bool negated = looking("[^");
    copy(negated ? 2 : 1);
    bool first = true;
    while (true) {
      if (at >= pattern.size())
        return malformed("unclosed '['");
      char c = pattern[at];
      if (c == ']' && !first) {
        copy(1);
        return absl::OkStatus();
      }
      first = false;
      if (c == '[')
        return refuse("a class inside a class");
      if (looking("&&"))
        return refuse("an intersection of classes");
      if (c == '\\') {
        if (absl::Status status = translateEscape(/*inClass=*/true); !status.ok())
          return status;
      } else {
        copyCharacter();
      }
    }
  }

  /// A set written with a class escape; `negatedMembers` are empty if the complement cannot be listed.
  absl::Status emitSet(bool inClass, bool negated, absl::string_view members,
                       absl::string_view negatedMembers) {
    if (!inClass)
      emit(absl::StrCat(negated ? "[^" : "[", members, "]"), 2);
    else if (!negated)
      emit(members, 2);
    else if (!negatedMembers.empty())
      emit(negatedMembers, 2);
    else
      return refuse("a negated class escape inside a class");
    return absl::OkStatus();
  }

  absl::Status translateEscape(bool inClass) {
    if (at + 1 >= pattern.size())
      return malformed("a trailing backslash");
    char c = pattern[at + 1];
    switch (c) {
    case 's':
    case 'S':
      return emitSet(inClass, c == 'S', kSpace, kNotSpace);
    case 'w':
    case 'W':
      return emitSet(inClass, c == 'W', kWord, "");
    case 'd':
      emit("\\p{Nd}", 2);
      return absl::OkStatus();
    case 'D':
      emit("\\P{Nd}", 2);
      return absl::OkStatus();
    case 'h':
    case 'H':
      return emitSet(inClass, c == 'H', kHex, "");
    case 'p':
    case 'P':
      return translateProperty(inClass);
    case 'u':
      return translateCodePoint();
    case 'x':
      return translateHex();
    case 'b':
      if (inClass) {
        emit("\\x08", 2);
        return absl::OkStatus();
      }
      return emitWordBoundary(/*inside=*/false);
    case 'B':
      return emitWordBoundary(/*inside=*/true);
    case 't':
    case 'n':
    case 'r':
    case 'f':
    case 'a':
    case 'e':
    case 'A':
    case 'z':
    case 'Z':
      copy(2);
      return absl::OkStatus();
    case 'v':
      emit("\\x0b", 2);
      return absl::OkStatus();
    default:
      if (absl::ascii_isalnum(static_cast<unsigned char>(c)))
        return refuse(absl::StrCat("the escape \\", absl::string_view(&c, 1)));
      copy(1);
      copyCharacter();
      return absl::OkStatus();
    }
  }

  /// \b, or \B if `inside`: PCRE2's own would use its own word characters.
  absl::Status emitWordBoundary(bool inside) {
    std::string after = absl::StrCat("(?=[", kWord, "])"), notAfter = absl::StrCat("(?![", kWord, "])");
    std::string before = absl::StrCat("(?<=[", kWord, "])"), notBefore = absl::StrCat("(?<![", kWord, "])");
    emit(inside ? absl::StrCat("(?:", before, after, "|", notBefore, notAfter, ")")
                : absl::StrCat("(?:", before, notAfter, "|", notBefore, after, ")"),
         2);
    return absl::OkStatus();
  }

  /// \uHHHH
  absl::Status translateCodePoint() {
    absl::string_view digits = pattern.substr(at + 2, 4);
    if (digits.size() != 4)
      return malformed("\\u without four hexadecimal digits");
    for (char digit : digits)
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(digit)))
        return malformed("\\u without four hexadecimal digits");
    emit(absl::StrCat("\\x{", digits, "}"), 6);
    return absl::OkStatus();
  }

  /// \xHH or \x{H...}; two digits past 7F would be a byte of UTF-8 in Oniguruma.
  absl::Status translateHex() {
    if (at + 2 < pattern.size() && pattern[at + 2] == '{') {
      size_t close = pattern.find('}', at);
      if (close == absl::string_view::npos)
        return malformed("unclosed \\x{");
      copy(close + 1 - at);
      return absl::OkStatus();
    }
    absl::string_view digits = pattern.substr(at + 2, 2);
    if (digits.size() != 2 || digits[0] > '7' ||
        !absl::ascii_isdigit(static_cast<unsigned char>(digits[0])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(digits[1])))
      return refuse("\\x without two hexadecimal digits up to 7f");
    copy(4);
    return absl::OkStatus();
  }

  /// \p{Name}, \p{^Name}, \P{Name}: a general category, a property or a script.
  absl::Status translateProperty(bool inClass) {
    size_t close = pattern.find('}', at);
    if (at + 2 >= pattern.size() || pattern[at + 2] != '{' || close == absl::string_view::npos)
      return malformed("a property without braces");
    absl::string_view name = pattern.substr(at + 3, close - at - 3);
    bool negated = absl::ConsumePrefix(&name, "^") != (pattern[at + 1] == 'P');
    size_t length = close + 1 - at;
    std::string key;
    for (char c : name)
      if (c != '_' && c != ' ' && c != '-')
        key.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    struct Name {
      absl::string_view oniguruma, pcre2;
    };
    static constexpr Name kNames[] = {{"letter", "L"},
                                      {"uppercaseletter", "Lu"},
                                      {"lowercaseletter", "Ll"},
                                      {"titlecaseletter", "Lt"},
                                      {"modifierletter", "Lm"},
                                      {"otherletter", "Lo"},
                                      {"mark", "M"},
                                      {"nonspacingmark", "Mn"},
                                      {"spacingmark", "Mc"},
                                      {"number", "N"},
                                      {"decimalnumber", "Nd"},
                                      {"digit", "Nd"},
                                      {"punctuation", "P"},
                                      {"symbol", "S"},
                                      {"separator", "Z"},
                                      {"other", "C"},
                                      {"alpha", "Alphabetic"},
                                      {"alphabetic", "Alphabetic"},
                                      {"upper", "Uppercase"},
                                      {"uppercase", "Uppercase"},
                                      {"lower", "Lowercase"},
                                      {"lowercase", "Lowercase"},
                                      {"emoji", "Emoji"},
                                      {"any", "Any"},
                                      {"ideographic", "Ideographic"}};
    if (key == "space" || key == "whitespace" || key == "word") {
      // As the escapes; emitSet consumes two bytes, the rest here.
      at += length - 2;
      return key == "word" ? emitSet(inClass, negated, kWord, "")
                           : emitSet(inClass, negated, kSpace, kNotSpace);
    }
    for (absl::string_view posix : {"alnum", "ascii", "blank", "cntrl", "graph", "print", "punct", "xdigit"})
      if (key == posix)
        return refuse(absl::StrCat("the property ", name));
    std::string property;
    for (const Name &known : kNames)
      if (key == known.oniguruma)
        property = std::string(known.pcre2);
    if (property.empty())
      property = name.size() <= 2 ? std::string(name) : absl::StrCat("sc:", name);
    emit(absl::StrCat(negated ? "\\P{" : "\\p{", property, "}"), length);
    return absl::OkStatus();
  }

  absl::string_view pattern;
  size_t at = 0;
  std::string out;
  size_t atomStart = 0; // in `out`: what a following interval repeats
  std::vector<size_t> groupStarts;
};

} // namespace

absl::StatusOr<std::string> pcre2PatternOf(absl::string_view pattern) { return Translator(pattern).run(); }

} // namespace llmc::text
