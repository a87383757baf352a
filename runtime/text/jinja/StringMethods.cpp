//===- StringMethods.cpp - the methods of strings -------------------------===//

#include <algorithm>
#include <map>

#include <unicode/uchar.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/BoundArguments.h"
#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/PercentFormat.h"
#include "runtime/text/jinja/PythonText.h"

namespace llmc::text::jinja {

namespace {

using Method = Value (*)(Evaluator &, const std::string &self, const Arguments &);

std::optional<absl::string_view> optionalText(const BoundArguments &arguments, size_t i) {
  return arguments.given(i) ? std::optional<absl::string_view>(arguments.textOr(i, "")) : std::nullopt;
}

template <bool left, bool right>
Value strip(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "strip", given, {"characters"});
  std::optional<absl::string_view> characters = optionalText(arguments, 0);
  absl::string_view text = self;
  if constexpr (left)
    text = stripLeft(text, characters);
  if constexpr (right)
    text = stripRight(text, characters);
  return evaluator.makeString(std::string(text));
}

Value textList(Evaluator &evaluator, const std::vector<absl::string_view> &parts, bool tuple = false) {
  std::vector<Value> items;
  if (evaluator.charge(parts.size() * sizeof(Value)))
    items.assign(parts.begin(), parts.end());
  return evaluator.makeList(std::move(items), tuple);
}

template <bool fromRight>
Value splitText(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "split", given, {"sep", "maxsplit"});
  std::optional<absl::string_view> separator = optionalText(arguments, 0);
  if (separator && separator->empty())
    return evaluator.fail("split() got an empty separator");
  int64_t limit = arguments.integerOr(1, -1);
  return textList(evaluator,
                  fromRight ? splitFromRight(self, separator, limit) : split(self, separator, limit));
}

Value splitIntoLines(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "splitlines", given, {});
  return textList(evaluator, splitLines(self));
}

template <bool atEnd> Value hasEnd(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  absl::string_view name = atEnd ? "endswith" : "startswith";
  BoundArguments arguments(evaluator, name, given, {"text"}, 1);
  if (evaluator.failed())
    return Value();
  // A tuple stands for any of its strings.
  std::vector<Value> candidates =
      arguments[0]->list() ? arguments[0]->list()->items : std::vector<Value>{*arguments[0]};
  for (const Value &candidate : candidates) {
    const std::string *text = candidate.string();
    if (!text)
      return evaluator.fail(
          absl::StrCat(name, "(): the argument is ", candidate.typeName(), ", expected a string"));
    if (atEnd ? absl::EndsWith(self, *text) : absl::StartsWith(self, *text))
      return Value(true);
  }
  return Value(false);
}

template <bool atEnd> Value removeEnd(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, atEnd ? "removesuffix" : "removeprefix", given, {"text"}, 1);
  absl::string_view text = self;
  if (atEnd)
    absl::ConsumeSuffix(&text, arguments.textOr(0, ""));
  else
    absl::ConsumePrefix(&text, arguments.textOr(0, ""));
  return evaluator.makeString(std::string(text));
}

Value replace(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "replace", given, {"old", "new", "count"}, 2);
  if (evaluator.failed())
    return Value();
  std::optional<std::string> text = replaceText(self, arguments.textOr(0, ""), arguments.textOr(1, ""),
                                                arguments.integerOr(2, -1), evaluator.limit().stringBytes);
  return text ? evaluator.makeString(*std::move(text)) : evaluator.fail("replace() makes too long a string");
}

template <std::string (*function)(absl::string_view)>
Value convertCase(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "conversion of case", given, {});
  return evaluator.makeString(function(self));
}

enum class Missing { IsMinusOne, Fails };

template <bool fromRight, Missing missing>
Value find(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, fromRight ? "rfind" : "find", given, {"text", "start"}, 1);
  evaluator.charge(self.size());
  absl::string_view text = self;
  size_t start = 0;
  for (int64_t i = std::max<int64_t>(arguments.integerOr(1, 0), 0); i > 0 && start < text.size(); --i)
    start += decodeFront(text.substr(start)).length;
  absl::string_view part = arguments.textOr(0, "");
  size_t found = fromRight ? text.rfind(part) : text.find(part, start);
  if (found != absl::string_view::npos && found >= start)
    return Value(static_cast<int64_t>(characterCount(text.substr(0, found))));
  return missing == Missing::Fails ? evaluator.fail("the substring is not in the string")
                                   : Value(int64_t{-1});
}

Value count(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "count", given, {"text"}, 1);
  evaluator.charge(self.size());
  absl::string_view part = arguments.textOr(0, "");
  if (part.empty())
    return Value(static_cast<int64_t>(characterCount(self) + 1));
  return Value(static_cast<int64_t>(split(self, part, -1).size() - 1));
}

Value join(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "join", given, {"items"}, 1);
  std::string text;
  bool first = true;
  for (const Value &item : evaluator.iterate(arguments.valueOr(0, Value()))) {
    if (!item.isString())
      return evaluator.fail(absl::StrCat("join(): an item is ", item.typeName(), ", expected a string"));
    absl::StrAppend(&text, std::exchange(first, false) ? "" : self, *item.string());
    if (text.size() > evaluator.limit().stringBytes)
      return evaluator.fail("join() makes too long a string");
  }
  return evaluator.makeString(std::move(text));
}

template <bool fromRight>
Value partition(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "partition", given, {"sep"}, 1);
  absl::string_view text = self, separator = arguments.textOr(0, "");
  if (separator.empty())
    return evaluator.fail("partition() got an empty separator");
  size_t found = fromRight ? text.rfind(separator) : text.find(separator);
  if (found == absl::string_view::npos)
    return textList(evaluator,
                    fromRight ? std::vector<absl::string_view>{"", "", text}
                              : std::vector<absl::string_view>{text, "", ""},
                    /*tuple=*/true);
  return textList(evaluator, {text.substr(0, found), separator, text.substr(found + separator.size())}, true);
}

/// Pads to a width: '<', '>' or '^' says where the text stands.
template <char align> Value justify(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "justification", given, {"width", "fill"}, 1);
  absl::string_view fill = arguments.textOr(1, " ");
  auto length = static_cast<int64_t>(characterCount(self));
  int64_t missing = std::max<int64_t>(arguments.integerOr(0, 0) - length, 0);
  if (static_cast<uint64_t>(missing) * 4 > evaluator.limit().stringBytes || characterCount(fill) != 1)
    return evaluator.fail("the width or the fill of a justification does not fit");
  int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & (missing + length) & 1);
  std::string text;
  for (int64_t i = 0; i < left; ++i)
    absl::StrAppend(&text, fill);
  text += self;
  for (int64_t i = left; i < missing; ++i)
    absl::StrAppend(&text, fill);
  return evaluator.makeString(std::move(text));
}

Value zeroFill(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "zfill", given, {"width"}, 1);
  bool sign = !self.empty() && (self[0] == '-' || self[0] == '+');
  Arguments padding;
  padding.positional = {Value(arguments.integerOr(0, 0) - sign), Value("0")};
  Value digits = justify<'>'>(evaluator, self.substr(sign), padding);
  return evaluator.failed() ? Value() : Value(absl::StrCat(self.substr(0, sign), *digits.string()));
}

template <bool (*predicate)(char32_t)>
Value every(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, "test of characters", given, {});
  evaluator.charge(self.size());
  absl::string_view text = self;
  for (; !text.empty(); text.remove_prefix(decodeFront(text).length))
    if (!predicate(decodeFront(text).character))
      return Value(false);
  return Value(!self.empty());
}

bool isDigit(char32_t c) {
  int32_t type = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE);
  return type == U_NT_DECIMAL || type == U_NT_DIGIT;
}
bool isDecimal(char32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE) == U_NT_DECIMAL;
}
bool isAlphabetic(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_L_MASK) != 0; }
bool isNumericType(char32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}
bool isAlphanumeric(char32_t c) { return isAlphabetic(c) || isNumericType(c); }
bool isAsciiCharacter(char32_t c) { return c < 0x80; }

/// Whether there are letters with case, and all of them have this one.
template <bool upper> Value allOfCase(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  BoundArguments arguments(evaluator, upper ? "isupper" : "islower", given, {});
  std::string other = upper ? lowerCase(self) : upperCase(self);
  return Value((upper ? upperCase(self) : lowerCase(self)) == self && other != self);
}

Value format(Evaluator &evaluator, const std::string &self, const Arguments &given) {
  return braceFormat(evaluator, self, given);
}

const std::map<absl::string_view, Method> &methods() {
  static const auto *const table =
      new std::map<absl::string_view, Method>{{"strip", strip<true, true>},
                                              {"lstrip", strip<true, false>},
                                              {"rstrip", strip<false, true>},
                                              {"split", splitText<false>},
                                              {"rsplit", splitText<true>},
                                              {"splitlines", splitIntoLines},
                                              {"startswith", hasEnd<false>},
                                              {"endswith", hasEnd<true>},
                                              {"removeprefix", removeEnd<false>},
                                              {"removesuffix", removeEnd<true>},
                                              {"replace", replace},
                                              {"upper", convertCase<upperCase>},
                                              {"lower", convertCase<lowerCase>},
                                              {"capitalize", convertCase<capitalized>},
                                              {"title", convertCase<titleCase>},
                                              {"find", find<false, Missing::IsMinusOne>},
                                              {"rfind", find<true, Missing::IsMinusOne>},
                                              {"index", find<false, Missing::Fails>},
                                              {"rindex", find<true, Missing::Fails>},
                                              {"count", count},
                                              {"join", join},
                                              {"partition", partition<false>},
                                              {"rpartition", partition<true>},
                                              {"ljust", justify<'<'>},
                                              {"rjust", justify<'>'>},
                                              {"center", justify<'^'>},
                                              {"zfill", zeroFill},
                                              {"isdigit", every<isDigit>},
                                              {"isdecimal", every<isDecimal>},
                                              {"isnumeric", every<isNumericType>},
                                              {"isalpha", every<isAlphabetic>},
                                              {"isalnum", every<isAlphanumeric>},
                                              {"isspace", every<isPythonSpace>},
                                              {"isascii", every<isAsciiCharacter>},
                                              {"isupper", allOfCase<true>},
                                              {"islower", allOfCase<false>},
                                              {"format", format}};
  return *table;
}

} // namespace

Value findStringMethod(Evaluator &, const Value &self, absl::string_view name) {
  auto found = methods().find(name);
  if (found == methods().end())
    return Value();
  return Value(Callable{std::string(name),
                        [self, method = found->second](Evaluator &evaluator, const Arguments &arguments) {
                          Value result = method(evaluator, *self.string(), arguments);
                          return evaluator.failed() ? Value() : result;
                        }});
}

} // namespace llmc::text::jinja
