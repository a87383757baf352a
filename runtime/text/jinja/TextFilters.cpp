//===- TextFilters.cpp - filters of single values -------------------------===//

#include <cmath>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/BoundArguments.h"
#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/PercentFormat.h"
#include "runtime/text/jinja/PythonText.h"

namespace llmc::text::jinja {

namespace {

Value trim(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "trim", given, {"chars"});
  std::optional<absl::string_view> characters =
      arguments.given(0) ? std::optional<absl::string_view>(arguments.textOr(0, "")) : std::nullopt;
  std::string text = toText(input);
  std::string trimmed(stripRight(stripLeft(text, characters), characters));
  return input.isMarkup() ? Value::markup(std::move(trimmed)) : evaluator.makeString(std::move(trimmed));
}

template <std::string (*function)(absl::string_view)>
Value convertCase(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "a filter of case", given, {});
  return evaluator.makeString(function(toText(input)));
}

/// Jinja's own: words begin behind white space, - and opening brackets.
std::string titleWords(absl::string_view text) {
  std::string result;
  bool wordStart = true;
  while (!text.empty()) {
    auto [character, length] = decodeFront(text);
    bool separates =
        isPythonSpace(character) || absl::string_view("-({[<").find(text[0]) != absl::string_view::npos;
    absl::string_view one = text.substr(0, length);
    result += wordStart && !separates ? upperCase(one) : lowerCase(one);
    wordStart = separates;
    text.remove_prefix(length);
  }
  return result;
}

Value replace(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "replace", given, {"old", "new", "count"}, 2);
  if (evaluator.failed())
    return Value();
  std::optional<std::string> text = replaceText(toText(input), toText(*arguments[0]), toText(*arguments[1]),
                                                arguments.integerOr(2, -1), evaluator.limit().stringBytes);
  return text ? evaluator.makeString(*std::move(text)) : evaluator.fail("replace() makes too long a string");
}

Value toJsonText(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "tojson", given, {"indent", "separators", "sort_keys", "ensure_ascii"});
  JsonFormat format;
  if (arguments.given(0)) {
    if (arguments[0]->isString())
      format.indent = *arguments[0]->string();
    else
      format.indent =
          std::string(static_cast<size_t>(std::clamp<int64_t>(arguments.integerOr(0, 0), 0, 1000)), ' ');
    format.itemSeparator = ",";
  }
  if (arguments.given(1)) {
    std::vector<Value> separators = evaluator.iterate(*arguments[1]);
    if (separators.size() != 2)
      return evaluator.fail("tojson(): 'separators' needs two strings");
    format.itemSeparator = toText(separators[0]);
    format.keySeparator = toText(separators[1]);
  }
  format.sortKeys = arguments.truthOr(2, false);
  format.ensureAscii = arguments.truthOr(3, false);
  if (evaluator.failed())
    return Value();
  std::optional<std::string> text = toJson(input, format);
  if (!text && input.isUndefined() && !input.undefinedReason().empty())
    return evaluator.fail(input.undefinedReason());
  return text
             ? evaluator.makeString(*std::move(text))
             : evaluator.fail(absl::StrCat("a part of the value of type ", input.typeName(), " has no JSON"));
}

Value defaultTo(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "default", given, {"default_value", "boolean"});
  bool replaced = input.isUndefined() || (arguments.truthOr(1, false) && !input.truthy());
  return replaced ? arguments.valueOr(0, Value("")) : input;
}

Value length(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "length", given, {});
  if (const std::string *text = input.string())
    return Value(static_cast<int64_t>(characterCount(*text)));
  if (const List *list = input.list())
    return Value(static_cast<int64_t>(list->items.size()));
  if (const Dict *dict = input.dict())
    return Value(static_cast<int64_t>(dict->entries().size()));
  if (input.isUndefined())
    return Value(int64_t{0});
  return evaluator.fail(absl::StrCat("a value of type ", input.typeName(), " has no length"));
}

Value string(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "string", given, {});
  return input.isString() ? input : evaluator.makeString(toText(input));
}

Value safe(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "safe", given, {});
  return Value::markup(toText(input));
}

Value escape(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "escape", given, {});
  std::string text = input.isMarkup() ? toText(input) : escapeHtml(toText(input));
  return evaluator.charge(text.size()) ? Value::markup(std::move(text)) : Value();
}

/// Escapes what is marked as safe already.
Value forceEscape(Evaluator &evaluator, const Value &input, const Arguments &given) {
  return escape(evaluator, Value(toText(input)), given);
}

/// A finite float within 64 bits, as an integer.
std::optional<int64_t> truncated(double number) {
  if (!(std::abs(number) < 9.2e18))
    return std::nullopt;
  return static_cast<int64_t>(number);
}

Value toInteger(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "int", given, {"default", "base"});
  Value fallback = arguments.valueOr(0, Value(int64_t{0}));
  std::optional<int64_t> number;
  if (input.isIntegral())
    number = input.integer();
  else if (input.isFloat())
    number = truncated(input.number());
  else if (const std::string *text = input.string()) {
    std::string trimmed(stripRight(stripLeft(*text, std::nullopt), std::nullopt));
    int64_t whole = 0;
    double real = 0;
    int64_t base = arguments.integerOr(1, 10);
    if (base < 2 || base > 36)
      return evaluator.fail("int(): the base is not in [2, 36]");
    if (absl::numbers_internal::safe_strtoi_base(trimmed, &whole, static_cast<int>(base)))
      number = whole;
    else if (absl::SimpleAtod(trimmed, &real))
      number = truncated(real);
  } else if (input.isUndefined() && !input.undefinedReason().empty())
    return evaluator.fail(input.undefinedReason());
  return number ? Value(*number) : fallback;
}

Value toFloat(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "float", given, {"default"});
  Value fallback = arguments.valueOr(0, Value(0.0));
  if (input.isNumber())
    return Value(input.number());
  double number = 0;
  if (const std::string *text = input.string(); text && absl::SimpleAtod(*text, &number))
    return Value(number);
  return fallback;
}

Value absolute(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "abs", given, {});
  if (!input.isNumber())
    return evaluator.fail(absl::StrCat("abs() of a value of type ", input.typeName()));
  if (input.isFloat())
    return Value(std::abs(input.number()));
  return input.integer() < 0 ? evaluator.operate(Operator::Subtract, Value(int64_t{0}), input)
                             : Value(input.integer());
}

/// Rounds as printing with that many decimals does: to the nearest, halves of the exact value to even.
double roundDecimals(double number, int64_t precision) {
  if (!std::isfinite(number) || precision > 300)
    return number;
  if (precision >= 0) {
    double rounded = number;
    return absl::SimpleAtod(absl::StrFormat("%.*f", static_cast<int>(precision), number), &rounded) ? rounded
                                                                                                    : number;
  }
  double scale = std::pow(10.0, static_cast<double>(-precision));
  return std::isfinite(scale) ? std::nearbyint(number / scale) * scale : 0.0;
}

Value round(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "round", given, {"precision", "method"});
  int64_t precision = arguments.integerOr(0, 0);
  absl::string_view method = arguments.textOr(1, "common");
  if (!input.isNumber())
    return evaluator.fail(absl::StrCat("round() of a value of type ", input.typeName()));
  if (method == "common") {
    double rounded = roundDecimals(input.number(), precision);
    return input.isIntegral() && precision >= 0 ? Value(input.integer())
           : input.isIntegral()                 ? Value(truncated(rounded).value_or(0))
                                                : Value(rounded);
  }
  if (method != "ceil" && method != "floor")
    return evaluator.fail(
        absl::StrCat("round(): the method is '", method, "', expected common, ceil or floor"));
  double scale = std::pow(10.0, static_cast<double>(precision));
  double scaled = input.number() * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value indent(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "indent", given, {"width", "first", "blank"});
  std::string margin =
      arguments.given(0) && arguments[0]->isString()
          ? *arguments[0]->string()
          : std::string(static_cast<size_t>(std::clamp<int64_t>(arguments.integerOr(0, 4), 0, 1000)), ' ');
  // Without a line end the last line would not count.
  std::string text = toText(input) + "\n";
  std::vector<absl::string_view> lines = splitLines(text);
  if (lines.size() * margin.size() > evaluator.limit().stringBytes)
    return evaluator.fail("indent() makes too long a string");
  std::string result;
  for (size_t i = 0; i < lines.size(); ++i) {
    bool indented = i == 0 ? arguments.truthOr(1, false) : arguments.truthOr(2, false) || !lines[i].empty();
    absl::StrAppend(&result, i == 0 ? "" : "\n", indented ? margin : "", lines[i]);
  }
  return evaluator.makeString(std::move(result));
}

Value formatted(Evaluator &evaluator, const Value &input, const Arguments &given) {
  Value values = Value::tuple(given.positional);
  if (!given.named.empty()) {
    Dict dict;
    for (const auto &[name, value] : given.named)
      dict.set(Value(name), value);
    values = evaluator.makeDict(std::move(dict));
  }
  return percentFormat(evaluator, toText(input), values);
}

Value center(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "center", given, {"width"});
  Arguments width;
  width.positional.push_back(arguments.valueOr(0, Value(int64_t{80})));
  return evaluator.call(findStringMethod(evaluator, Value(toText(input)), "center"), width);
}

/// Cuts at a word, or anywhere, and puts an end behind, unless the text is hardly too long.
Value truncate(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "truncate", given, {"length", "killwords", "end", "leeway"});
  std::string text = toText(input);
  absl::string_view end = arguments.textOr(2, "...");
  int64_t length = arguments.integerOr(0, 255), leeway = arguments.integerOr(3, 5);
  auto endLength = static_cast<int64_t>(characterCount(end));
  if (length < endLength || leeway < 0 || length > INT32_MAX || leeway > INT32_MAX)
    return evaluator.fail("truncate(): the length or the leeway is out of range");
  if (static_cast<int64_t>(characterCount(text)) <= length + leeway)
    return evaluator.makeString(std::move(text));
  size_t kept = 0;
  for (int64_t i = 0; i < length - endLength; ++i)
    kept += decodeFront(absl::string_view(text).substr(kept)).length;
  text.resize(kept);
  if (size_t space = text.rfind(' '); !arguments.truthOr(1, false) && space != std::string::npos)
    text.resize(space);
  return evaluator.makeString(absl::StrCat(text, end));
}

Value wordCount(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "wordcount", given, {});
  std::string text = toText(input);
  int64_t words = 0;
  bool inWord = false;
  for (absl::string_view rest = text; !rest.empty(); rest.remove_prefix(decodeFront(rest).length)) {
    bool part = isWordCharacter(decodeFront(rest).character);
    words += part && !inWord;
    inWord = part;
  }
  return Value(words);
}

Value attribute(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "attr", given, {"name"}, 1);
  // A key of a dict is no attribute.
  return input.dict() || evaluator.failed() ? Value() : evaluator.attribute(input, arguments.textOr(0, ""));
}

} // namespace

FilterFunction findTextFilter(absl::string_view name) {
  static const auto *const table =
      new std::map<absl::string_view, FilterFunction>{{"trim", trim},
                                                      {"upper", convertCase<upperCase>},
                                                      {"lower", convertCase<lowerCase>},
                                                      {"title", convertCase<titleWords>},
                                                      {"capitalize", convertCase<capitalized>},
                                                      {"replace", replace},
                                                      {"tojson", toJsonText},
                                                      {"default", defaultTo},
                                                      {"d", defaultTo},
                                                      {"length", length},
                                                      {"count", length},
                                                      {"string", string},
                                                      {"safe", safe},
                                                      {"escape", escape},
                                                      {"e", escape},
                                                      {"forceescape", forceEscape},
                                                      {"int", toInteger},
                                                      {"float", toFloat},
                                                      {"abs", absolute},
                                                      {"round", round},
                                                      {"indent", indent},
                                                      {"format", formatted},
                                                      {"wordcount", wordCount},
                                                      {"center", center},
                                                      {"truncate", truncate},
                                                      {"attr", attribute}};
  auto found = table->find(name);
  return found == table->end() ? nullptr : found->second;
}

} // namespace llmc::text::jinja
