//===- EvaluateExpression.cpp - the value of an expression ----------------===//

#include "absl/strings/str_cat.h"

#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/EvaluatorScopes.h"
#include "runtime/text/jinja/Print.h"

namespace llmc::text::jinja {

Value Evaluator::evaluate(const Expression &expression) {
  Step step(*this, expression.line);
  if (failed())
    return Value();
  Value value = evaluateKind(expression);
  return failed() ? Value() : value;
}

Value Evaluator::evaluateKind(const Expression &expression) {
  const std::vector<ExpressionPtr> &children = expression.children;
  switch (expression.kind) {
  case Expression::Kind::Constant:
    return expression.constant;
  case Expression::Kind::Name:
    return lookUp(expression.name);
  case Expression::Kind::List:
    return makeList(evaluateAll(children));
  case Expression::Kind::Tuple:
    return makeList(evaluateAll(children), /*tuple=*/true);
  case Expression::Kind::Dict:
    return evaluateDict(expression);
  case Expression::Kind::Unary:
    return evaluateUnary(expression);
  case Expression::Kind::Binary:
    return evaluateBinary(expression);
  case Expression::Kind::Compare:
    return evaluateComparison(expression);
  case Expression::Kind::Concatenate: {
    std::string text;
    for (const ExpressionPtr &child : children)
      text += toText(evaluate(*child));
    return makeString(std::move(text));
  }
  case Expression::Kind::Conditional:
    if (evaluate(*children[1]).truthy())
      return evaluate(*children[0]);
    return children[2] ? evaluate(*children[2])
                       : Value::undefined("the condition is false and the expression has no else");
  case Expression::Kind::Attribute:
    return attribute(evaluate(*children[0]), expression.name);
  case Expression::Kind::Subscript: {
    Value value = evaluate(*children[0]);
    return item(value, evaluate(*children[1]));
  }
  case Expression::Kind::Slice:
    return evaluateSlice(expression);
  case Expression::Kind::Call: {
    Value callee = evaluate(*children[0]);
    return call(callee, evaluateArguments(expression.arguments));
  }
  case Expression::Kind::Filter:
    return filter(expression, nullptr);
  case Expression::Kind::Test: {
    Value value = evaluate(*children[0]);
    return Value(applyTest(expression.name, value, evaluateArguments(expression.arguments)));
  }
  }
  return fail("an expression of unknown kind");
}

std::vector<Value> Evaluator::evaluateAll(const std::vector<ExpressionPtr> &expressions) {
  std::vector<Value> values;
  for (const ExpressionPtr &expression : expressions)
    values.push_back(evaluate(*expression));
  return values;
}

Arguments Evaluator::evaluateArguments(const ArgumentSyntax &syntax) {
  Arguments arguments;
  arguments.positional = evaluateAll(syntax.positional);
  if (syntax.expandedList)
    for (Value &value : iterate(evaluate(*syntax.expandedList)))
      arguments.positional.push_back(std::move(value));
  for (const auto &[name, expression] : syntax.named)
    arguments.named.emplace_back(name, evaluate(*expression));
  if (syntax.expandedDict) {
    Value value = evaluate(*syntax.expandedDict);
    const Dict *dict = value.dict();
    if (!dict && !failed())
      fail(absl::StrCat("the argument behind ** is ", value.typeName(), ", expected a dict"));
    for (size_t i = 0; dict && i < dict->entries().size(); ++i)
      arguments.named.emplace_back(toText(dict->entries()[i].first), dict->entries()[i].second);
  }
  return arguments;
}

Value Evaluator::evaluateDict(const Expression &expression) {
  Dict dict;
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    Value key = evaluate(*expression.children[i]);
    Value value = evaluate(*expression.children[i + 1]);
    if (!Dict::isKey(key))
      return fail(absl::StrCat("a key of a dict is ", key.typeName(), ", expected a string or a number"));
    dict.set(std::move(key), std::move(value));
  }
  return makeDict(std::move(dict));
}

Value Evaluator::evaluateUnary(const Expression &expression) {
  Value value = evaluate(*expression.children[0]);
  if (expression.operation == Operator::Not)
    return Value(!value.truthy());
  if (value.isUndefined())
    return fail(value.undefinedReason());
  if (!value.isNumber())
    return fail(absl::StrCat("bad operand type for unary sign: '", value.typeName(), "'"));
  if (expression.operation == Operator::Plus)
    return value.isBoolean() ? Value(value.integer()) : value;
  return value.isFloat() ? Value(-value.number()) : operate(Operator::Subtract, Value(int64_t{0}), value);
}

Value Evaluator::evaluateBinary(const Expression &expression) {
  Value left = evaluate(*expression.children[0]);
  if (failed())
    return Value();
  if (expression.operation == Operator::And)
    return left.truthy() ? evaluate(*expression.children[1]) : left;
  if (expression.operation == Operator::Or)
    return left.truthy() ? left : evaluate(*expression.children[1]);
  Value right = evaluate(*expression.children[1]);
  return failed() ? Value() : operate(expression.operation, left, right);
}

Value Evaluator::evaluateComparison(const Expression &expression) {
  Value left = evaluate(*expression.children[0]);
  for (size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = evaluate(*expression.children[i + 1]);
    if (failed() || !compareBy(expression.comparisons[i], left, right))
      return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

bool Evaluator::compareBy(Operator operation, const Value &left, const Value &right) {
  switch (operation) {
  case Operator::Equal:
    return left == right;
  case Operator::NotEqual:
    return !(left == right);
  case Operator::In:
    return contains(right, left);
  case Operator::NotIn:
    return !contains(right, left);
  default:
    break;
  }
  for (const Value *side : {&left, &right})
    if (side->isUndefined())
      return fail(side->undefinedReason()), false;
  std::optional<int> order = compare(left, right);
  if (!order)
    return fail(absl::StrCat("'", left.typeName(), "' and '", right.typeName(), "' have no order")), false;
  // With a NaN every comparison is false.
  bool unordered = (left.isFloat() && left.number() != left.number()) ||
                   (right.isFloat() && right.number() != right.number());
  if (unordered)
    return false;
  return operation == Operator::Less        ? *order < 0
         : operation == Operator::LessEqual ? *order <= 0
         : operation == Operator::Greater   ? *order > 0
                                            : *order >= 0;
}

Value Evaluator::evaluateSlice(const Expression &expression) {
  Value value = evaluate(*expression.children[0]);
  Value bounds[3];
  const Value *given[3] = {};
  for (int i = 0; i < 3; ++i)
    if (expression.children[i + 1]) {
      bounds[i] = evaluate(*expression.children[i + 1]);
      given[i] = &bounds[i];
    }
  return failed() ? Value() : slice(value, given[0], given[1], given[2]);
}

/// A chain of filters; the innermost one of a block takes `input`.
Value Evaluator::filter(const Expression &expression, const Value *input) {
  if (failed())
    return Value();
  const ExpressionPtr &inner = expression.children[0];
  Value value = !inner                                             ? *input
                : inner->kind == Expression::Kind::Filter && input ? filter(*inner, input)
                                                                   : evaluate(*inner);
  Arguments arguments = evaluateArguments(expression.arguments);
  return failed() ? Value() : applyFilter(expression.name, value, arguments);
}

Value Evaluator::applyFilter(absl::string_view name, const Value &value, const Arguments &arguments) {
  if (failed())
    return Value();
  FilterFunction function = findTextFilter(name);
  if (!function)
    function = findSequenceFilter(name);
  if (!function)
    return fail(absl::StrCat("there is no filter '", name, "'"));
  Value result = function(*this, value, arguments);
  return failed() ? Value() : result;
}

bool Evaluator::applyTest(absl::string_view name, const Value &value, const Arguments &arguments) {
  if (failed())
    return false;
  TestFunction function = findTest(name);
  if (!function)
    return fail(absl::StrCat("there is no test '", name, "'")), false;
  return function(*this, value, arguments) && !failed();
}

} // namespace llmc::text::jinja
