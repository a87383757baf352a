//===- Tests.cpp - what stands behind `is` --------------------------------===//

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "runtime/text/jinja/BoundArguments.h"
#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/PythonText.h"

namespace llmc::text::jinja {

namespace {

/// A test that looks at the value alone.
template <bool (*predicate)(const Value &)>
bool plain(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "a test", given, {});
  return predicate(input);
}

bool isDefined(const Value &value) { return !value.isUndefined(); }
bool isUndefined(const Value &value) { return value.isUndefined(); }
bool isNone(const Value &value) { return value.isNone(); }
bool isBoolean(const Value &value) { return value.isBoolean(); }
bool isTrue(const Value &value) { return value.isBoolean() && value.boolean(); }
bool isFalse(const Value &value) { return value.isBoolean() && !value.boolean(); }
bool isInteger(const Value &value) { return value.isInteger(); }
bool isFloat(const Value &value) { return value.isFloat(); }
bool isNumber(const Value &value) { return value.isNumber(); }
bool isString(const Value &value) { return value.isString(); }
bool isMapping(const Value &value) { return value.dict() != nullptr; }
bool isSequence(const Value &value) {
  return value.isString() || value.list() || value.dict() || value.isUndefined();
}
bool isCallable(const Value &value) { return value.callable() || value.isUndefined(); }
bool isLower(const Value &value) {
  std::string text = toText(value);
  return lowerCase(text) == text && upperCase(text) != text;
}
bool isUpper(const Value &value) {
  std::string text = toText(value);
  return upperCase(text) == text && lowerCase(text) != text;
}

/// The remainder of a number, for the tests of divisibility.
bool hasRemainder(Evaluator &evaluator, const Value &input, Value divisor, int64_t remainder) {
  Value rest = evaluator.operate(Operator::Modulo, input, divisor);
  return !evaluator.failed() && rest == Value(remainder);
}

bool isEven(Evaluator &evaluator, const Value &input, const Arguments &) {
  return hasRemainder(evaluator, input, Value(int64_t{2}), 0);
}
bool isOdd(Evaluator &evaluator, const Value &input, const Arguments &) {
  return hasRemainder(evaluator, input, Value(int64_t{2}), 1);
}
bool isDivisible(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "divisibleby", given, {"num"}, 1);
  return !evaluator.failed() && hasRemainder(evaluator, input, *arguments[0], 0);
}

template <bool wanted> bool isEqual(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "equalto", given, {"other"}, 1);
  return !evaluator.failed() && (input == *arguments[0]) == wanted;
}

template <int sign, bool orEqual>
bool isOrdered(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "a test of order", given, {"other"}, 1);
  if (evaluator.failed())
    return false;
  std::optional<int> order = compare(input, *arguments[0]);
  if (!order)
    evaluator.fail(
        absl::StrCat("'", input.typeName(), "' and '", arguments[0]->typeName(), "' have no order"));
  return order && (*order == 0 ? orEqual : (*order > 0) == (sign > 0));
}

bool isIn(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "in", given, {"seq"}, 1);
  return !evaluator.failed() && evaluator.contains(*arguments[0], input);
}

bool isSame(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "sameas", given, {"other"}, 1);
  return !evaluator.failed() && input.typeName() == arguments[0]->typeName() && input == *arguments[0];
}

bool startsWith(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "startingwith", given, {"text"}, 1);
  return absl::StartsWith(toText(input), arguments.textOr(0, ""));
}

template <bool (*exists)(absl::string_view)>
bool isKnown(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "a test of names", given, {});
  return input.isString() && exists(*input.string());
}
bool filterExists(absl::string_view name) { return findTextFilter(name) || findSequenceFilter(name); }
bool testExists(absl::string_view name) { return findTest(name) != nullptr; }

} // namespace

TestFunction findTest(absl::string_view name) {
  static const auto *const table =
      new std::map<absl::string_view, TestFunction>{{"defined", plain<isDefined>},
                                                    {"undefined", plain<isUndefined>},
                                                    {"none", plain<isNone>},
                                                    {"boolean", plain<isBoolean>},
                                                    {"true", plain<isTrue>},
                                                    {"false", plain<isFalse>},
                                                    {"integer", plain<isInteger>},
                                                    {"float", plain<isFloat>},
                                                    {"number", plain<isNumber>},
                                                    {"string", plain<isString>},
                                                    {"mapping", plain<isMapping>},
                                                    {"sequence", plain<isSequence>},
                                                    {"iterable", plain<isSequence>},
                                                    {"callable", plain<isCallable>},
                                                    {"lower", plain<isLower>},
                                                    {"upper", plain<isUpper>},
                                                    {"even", isEven},
                                                    {"odd", isOdd},
                                                    {"divisibleby", isDivisible},
                                                    {"eq", isEqual<true>},
                                                    {"equalto", isEqual<true>},
                                                    {"ne", isEqual<false>},
                                                    {"lt", isOrdered<-1, false>},
                                                    {"lessthan", isOrdered<-1, false>},
                                                    {"le", isOrdered<-1, true>},
                                                    {"gt", isOrdered<1, false>},
                                                    {"greaterthan", isOrdered<1, false>},
                                                    {"ge", isOrdered<1, true>},
                                                    {"in", isIn},
                                                    {"sameas", isSame},
                                                    {"startingwith", startsWith},
                                                    {"filter", isKnown<filterExists>},
                                                    {"test", isKnown<testExists>},
                                                    {"==", isEqual<true>},
                                                    {"!=", isEqual<false>},
                                                    {"<", isOrdered<-1, false>},
                                                    {"<=", isOrdered<-1, true>},
                                                    {">", isOrdered<1, false>},
                                                    {">=", isOrdered<1, true>}};
  auto found = table->find(name);
  return found == table->end() ? nullptr : found->second;
}

} // namespace llmc::text::jinja
