//===- Operations.cpp - arithmetic of values ------------------------------===//

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/PercentFormat.h"
#include "runtime/text/jinja/Print.h"

namespace llmc::text::jinja {

namespace {

absl::string_view signOf(Operator operation) {
  switch (operation) {
  case Operator::Add:
    return "+";
  case Operator::Subtract:
    return "-";
  case Operator::Multiply:
    return "*";
  case Operator::Divide:
    return "/";
  case Operator::FloorDivide:
    return "//";
  case Operator::Modulo:
    return "%";
  default:
    return "**";
  }
}

Value tooLarge(Evaluator &evaluator) { return evaluator.fail("an integer does not fit 64 bits"); }

Value integerPower(Evaluator &evaluator, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0)
      return evaluator.fail("0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  if (base == 0 || base == 1)
    return Value(exponent == 0 ? int64_t{1} : base);
  if (base == -1)
    return Value(exponent % 2 == 0 ? int64_t{1} : int64_t{-1});
  int64_t result = 1;
  // Any other base overflows after 64 rounds.
  for (int64_t i = 0; i < exponent; ++i)
    if (__builtin_mul_overflow(result, base, &result))
      return tooLarge(evaluator);
  return Value(result);
}

Value operateIntegers(Evaluator &evaluator, Operator operation, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (operation) {
  case Operator::Add:
    overflow = __builtin_add_overflow(a, b, &result);
    break;
  case Operator::Subtract:
    overflow = __builtin_sub_overflow(a, b, &result);
    break;
  case Operator::Multiply:
    overflow = __builtin_mul_overflow(a, b, &result);
    break;
  case Operator::Power:
    return integerPower(evaluator, a, b);
  default:
    if (b == 0)
      return evaluator.fail("division by zero");
    if (operation == Operator::Divide)
      return Value(static_cast<double>(a) / static_cast<double>(b));
    if (b == -1) {
      overflow = operation == Operator::FloorDivide && __builtin_sub_overflow(int64_t{0}, a, &result);
      break;
    }
    // The remainder has the sign of the divisor.
    int64_t quotient = a / b, remainder = a % b;
    bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
    result = operation == Operator::FloorDivide ? quotient - adjust : remainder + (adjust ? b : 0);
  }
  return overflow ? tooLarge(evaluator) : Value(result);
}

Value operateFloats(Evaluator &evaluator, Operator operation, double a, double b) {
  switch (operation) {
  case Operator::Add:
    return Value(a + b);
  case Operator::Subtract:
    return Value(a - b);
  case Operator::Multiply:
    return Value(a * b);
  case Operator::Power:
    return Value(std::pow(a, b));
  default:
    break;
  }
  if (b == 0)
    return evaluator.fail("division by zero");
  if (operation == Operator::Divide)
    return Value(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0))
    remainder += b;
  return Value(operation == Operator::Modulo ? remainder : std::floor((a - remainder) / b + 0.5));
}

/// A string or a list, several times.
Value repeat(Evaluator &evaluator, const Value &sequence, int64_t times) {
  times = std::max<int64_t>(times, 0);
  const std::string *text = sequence.string();
  size_t size = text ? text->size() : sequence.list()->items.size();
  size_t limit = text ? evaluator.limit().stringBytes : evaluator.limit().listItems;
  if (size > 0 && static_cast<uint64_t>(times) > limit / size)
    return evaluator.fail(absl::StrCat("a repetition is longer than ", limit));
  if (text) {
    std::string result;
    for (int64_t i = 0; i < times && size > 0; ++i)
      result += *text;
    return evaluator.makeString(std::move(result));
  }
  std::vector<Value> items;
  for (int64_t i = 0; i < times && size > 0; ++i)
    items.insert(items.end(), sequence.list()->items.begin(), sequence.list()->items.end());
  return evaluator.makeList(std::move(items), sequence.list()->tuple);
}

/// Two strings. What is added to safe HTML is escaped.
Value join(Evaluator &evaluator, const Value &left, const Value &right) {
  if (!left.isMarkup() && !right.isMarkup())
    return evaluator.makeString(absl::StrCat(*left.string(), *right.string()));
  auto html = [](const Value &value) {
    return value.isMarkup() ? *value.string() : escapeHtml(*value.string());
  };
  Value joined = evaluator.makeString(absl::StrCat(html(left), html(right)));
  return evaluator.failed() ? Value() : Value::markup(*joined.string());
}

} // namespace

Value Evaluator::operate(Operator operation, const Value &left, const Value &right) {
  for (const Value *side : {&left, &right})
    if (side->isUndefined())
      return fail(side->undefinedReason());
  if (left.isIntegral() && right.isIntegral())
    return operateIntegers(*this, operation, left.integer(), right.integer());
  if (left.isNumber() && right.isNumber())
    return operateFloats(*this, operation, left.number(), right.number());
  if (operation == Operator::Modulo && left.isString())
    return percentFormat(*this, *left.string(), right);
  if (operation == Operator::Add) {
    if (left.isString() && right.isString())
      return join(*this, left, right);
    const List *a = left.list(), *b = right.list();
    if (a && b && a->tuple == b->tuple) {
      std::vector<Value> items = a->items;
      items.insert(items.end(), b->items.begin(), b->items.end());
      return makeList(std::move(items), a->tuple);
    }
    if (left.isString() || right.isString())
      return fail(absl::StrCat("can only concatenate a string to a string, not '", left.typeName(), "' and '",
                               right.typeName(), "' (use ~)"));
  }
  if (operation == Operator::Multiply) {
    if ((left.isString() || left.list()) && right.isIntegral())
      return repeat(*this, left, right.integer());
    if ((right.isString() || right.list()) && left.isIntegral())
      return repeat(*this, right, left.integer());
  }
  return fail(absl::StrCat("unsupported operand types for ", signOf(operation), ": '", left.typeName(),
                           "' and '", right.typeName(), "'"));
}

bool Evaluator::contains(const Value &container, const Value &value) {
  if (const std::string *text = container.string()) {
    if (const std::string *part = value.string()) {
      charge(text->size());
      return absl::StrContains(*text, *part);
    }
    return fail(absl::StrCat("'in <string>' requires a string on its left, not ", value.typeName())), false;
  }
  if (const Dict *dict = container.dict())
    return dict->find(value) != nullptr;
  if (const List *list = container.list()) {
    charge(list->items.size() * sizeof(Value));
    for (const Value &candidate : list->items)
      if (candidate == value)
        return true;
    return false;
  }
  if (!container.isUndefined())
    fail(absl::StrCat("argument of type '", container.typeName(), "' is not iterable"));
  return false;
}

} // namespace llmc::text::jinja
