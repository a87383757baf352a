//===- ExpressionParser.cpp - the inside of tags --------------------------===//

#include "runtime/text/jinja/ExpressionParser.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace llmc::text::jinja {

namespace {

std::string describe(const Token &token) {
  switch (token.kind) {
  case Token::Kind::Text:
    return "text";
  case Token::Kind::BlockBegin:
    return "'{%'";
  case Token::Kind::BlockEnd:
    return "'%}'";
  case Token::Kind::OutputBegin:
    return "'{{'";
  case Token::Kind::OutputEnd:
    return "'}}'";
  case Token::Kind::End:
    return "the end of the template";
  default:
    return absl::StrCat("'", token.text, "'");
  }
}

} // namespace

void ExpressionParser::fail(absl::string_view message) {
  if (failed())
    return;
  failure = absl::InvalidArgumentError(absl::StrFormat("line %d: %s", line(), message));
  at = tokens.size() - 1;
}

void ExpressionParser::advance() {
  if (at + 1 < tokens.size())
    ++at;
}

bool ExpressionParser::skipName(absl::string_view name) {
  if (!isName(name))
    return false;
  advance();
  return true;
}

bool ExpressionParser::skipOperator(absl::string_view text) {
  if (!isOperator(text))
    return false;
  advance();
  return true;
}

void ExpressionParser::expectOperator(absl::string_view text) {
  if (!skipOperator(text))
    fail(absl::StrCat("expected '", text, "', found ", describe(current())));
}

void ExpressionParser::expectName(absl::string_view name) {
  if (!skipName(name))
    fail(absl::StrCat("expected '", name, "', found ", describe(current())));
}

void ExpressionParser::expect(Token::Kind kind, absl::string_view what) {
  if (current().kind != kind)
    fail(absl::StrCat("expected ", what, ", found ", describe(current())));
  advance();
}

std::string ExpressionParser::takeName() {
  if (current().kind != Token::Kind::Name) {
    fail(absl::StrCat("expected a name, found ", describe(current())));
    return "";
  }
  std::string name = current().text;
  advance();
  return name;
}

void ExpressionParser::addHeight(Expression &expression, const Expression *child) {
  if (!child)
    return;
  expression.height = std::max(expression.height, child->height + 1);
  if (expression.height > kMaxHeight)
    fail("an expression is nested too deeply");
}

ExpressionPtr ExpressionParser::make(Expression::Kind kind, std::vector<ExpressionPtr> children) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = line();
  for (const ExpressionPtr &child : children)
    addHeight(*expression, child.get());
  expression->children = std::move(children);
  return expression;
}

ExpressionPtr ExpressionParser::constant(Value value) {
  ExpressionPtr expression = make(Expression::Kind::Constant);
  expression->constant = std::move(value);
  return expression;
}

ExpressionPtr ExpressionParser::error() { return constant(Value()); }

ExpressionPtr ExpressionParser::binary(Operator operation, ExpressionPtr left, ExpressionPtr right) {
  ExpressionPtr expression = make(Expression::Kind::Binary, list(std::move(left), std::move(right)));
  expression->operation = operation;
  return expression;
}

ExpressionPtr ExpressionParser::parseTuple() {
  ExpressionPtr first = parseExpression();
  if (!isOperator(","))
    return first;
  ExpressionPtr tuple = make(Expression::Kind::Tuple, list(std::move(first)));
  while (skipOperator(",")) {
    // A comma may be the last.
    if (current().kind == Token::Kind::BlockEnd || current().kind == Token::Kind::OutputEnd ||
        isOperator(")") || isOperator("="))
      break;
    tuple->children.push_back(parseExpression());
    addHeight(*tuple, tuple->children.back().get());
  }
  return tuple;
}

ExpressionPtr ExpressionParser::parseExpression() {
  Nesting guard(*this);
  return failed() ? error() : parseConditional();
}

ExpressionPtr ExpressionParser::parseIterable() {
  ExpressionPtr first = parseOr();
  if (!isOperator(","))
    return first;
  ExpressionPtr tuple = make(Expression::Kind::Tuple, list(std::move(first)));
  while (skipOperator(",")) {
    tuple->children.push_back(parseOr());
    addHeight(*tuple, tuple->children.back().get());
  }
  return tuple;
}

ExpressionPtr ExpressionParser::parseTarget(bool allowAttribute) {
  auto one = [&]() -> ExpressionPtr {
    ExpressionPtr name = make(Expression::Kind::Name);
    name->name = takeName();
    if (!allowAttribute || !isOperator("."))
      return name;
    advance();
    ExpressionPtr attribute = make(Expression::Kind::Attribute, list(std::move(name)));
    attribute->name = takeName();
    return attribute;
  };
  bool parentheses = skipOperator("(");
  ExpressionPtr first = one();
  if (isOperator(",")) {
    ExpressionPtr tuple = make(Expression::Kind::Tuple, list(std::move(first)));
    while (skipOperator(",") && current().kind == Token::Kind::Name)
      tuple->children.push_back(one());
    first = std::move(tuple);
  }
  if (parentheses)
    expectOperator(")");
  return first;
}

ExpressionPtr ExpressionParser::parseConditional() {
  ExpressionPtr value = parseOr();
  while (skipName("if")) {
    ExpressionPtr condition = parseOr();
    ExpressionPtr orElse = skipName("else") ? parseExpression() : nullptr;
    value =
        make(Expression::Kind::Conditional, list(std::move(value), std::move(condition), std::move(orElse)));
  }
  return value;
}

ExpressionPtr ExpressionParser::parseOr() {
  ExpressionPtr left = parseAnd();
  while (skipName("or"))
    left = binary(Operator::Or, std::move(left), parseAnd());
  return left;
}

ExpressionPtr ExpressionParser::parseAnd() {
  ExpressionPtr left = parseNot();
  while (skipName("and"))
    left = binary(Operator::And, std::move(left), parseNot());
  return left;
}

ExpressionPtr ExpressionParser::parseNot() {
  if (!isName("not"))
    return parseComparison();
  Nesting guard(*this);
  if (failed())
    return error();
  advance();
  ExpressionPtr expression = make(Expression::Kind::Unary, list(parseNot()));
  expression->operation = Operator::Not;
  return expression;
}

ExpressionPtr ExpressionParser::parseComparison() {
  static constexpr std::pair<absl::string_view, Operator> kOperators[] = {
      {"==", Operator::Equal},     {"!=", Operator::NotEqual}, {"<", Operator::Less},
      {"<=", Operator::LessEqual}, {">", Operator::Greater},   {">=", Operator::GreaterEqual}};
  ExpressionPtr left = parseSum();
  ExpressionPtr comparison;
  while (!failed()) {
    std::optional<Operator> operation;
    if (current().kind == Token::Kind::Operator)
      for (auto [text, known] : kOperators)
        if (current().text == text)
          operation = known;
    if (isName("in"))
      operation = Operator::In;
    bool notIn = isName("not") && ahead().kind == Token::Kind::Name && ahead().text == "in";
    if (notIn) {
      advance();
      operation = Operator::NotIn;
    }
    if (!operation)
      break;
    advance();
    if (!comparison)
      comparison = make(Expression::Kind::Compare, list(std::move(left)));
    comparison->comparisons.push_back(*operation);
    comparison->children.push_back(parseSum());
    addHeight(*comparison, comparison->children.back().get());
  }
  return comparison ? std::move(comparison) : std::move(left);
}

ExpressionPtr ExpressionParser::parseSum() {
  ExpressionPtr left = parseConcatenation();
  while (isOperator("+") || isOperator("-")) {
    Operator operation = isOperator("+") ? Operator::Add : Operator::Subtract;
    advance();
    left = binary(operation, std::move(left), parseConcatenation());
  }
  return left;
}

ExpressionPtr ExpressionParser::parseConcatenation() {
  ExpressionPtr first = parseProduct();
  if (!isOperator("~"))
    return first;
  ExpressionPtr expression = make(Expression::Kind::Concatenate, list(std::move(first)));
  while (skipOperator("~")) {
    expression->children.push_back(parseProduct());
    addHeight(*expression, expression->children.back().get());
  }
  return expression;
}

ExpressionPtr ExpressionParser::parseProduct() {
  static constexpr std::pair<absl::string_view, Operator> kOperators[] = {{"*", Operator::Multiply},
                                                                          {"/", Operator::Divide},
                                                                          {"//", Operator::FloorDivide},
                                                                          {"%", Operator::Modulo}};
  ExpressionPtr left = parsePower();
  while (current().kind == Token::Kind::Operator) {
    auto found = std::find_if(std::begin(kOperators), std::end(kOperators),
                              [&](const auto &known) { return current().text == known.first; });
    if (found == std::end(kOperators))
      break;
    advance();
    left = binary(found->second, std::move(left), parsePower());
  }
  return left;
}

ExpressionPtr ExpressionParser::parsePower() {
  ExpressionPtr left = parseUnary(/*withFilters=*/true);
  while (skipOperator("**"))
    left = binary(Operator::Power, std::move(left), parseUnary(/*withFilters=*/true));
  return left;
}

ExpressionPtr ExpressionParser::parseUnary(bool withFilters) {
  Nesting guard(*this);
  if (failed())
    return error();
  ExpressionPtr value;
  if (isOperator("-") || isOperator("+")) {
    Operator operation = isOperator("-") ? Operator::Negate : Operator::Plus;
    advance();
    value = make(Expression::Kind::Unary, list(parseUnary(/*withFilters=*/false)));
    value->operation = operation;
  } else {
    value = parsePrimary();
  }
  value = parsePostfix(std::move(value));
  return withFilters ? parseFiltersAndTests(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::parsePrimary() {
  switch (current().kind) {
  case Token::Kind::Name:
    return parseName();
  case Token::Kind::String: {
    std::string text;
    while (current().kind == Token::Kind::String) {
      text += current().text;
      advance();
    }
    return constant(std::move(text));
  }
  case Token::Kind::Integer:
  case Token::Kind::Float:
    return parseNumber();
  default:
    break;
  }
  if (isOperator("("))
    return parseParentheses();
  if (isOperator("["))
    return parseList();
  if (isOperator("{"))
    return parseDict();
  fail(absl::StrCat("unexpected ", describe(current())));
  return error();
}

ExpressionPtr ExpressionParser::parseName() {
  std::string name = takeName();
  if (name == "true" || name == "True" || name == "false" || name == "False")
    return constant(Value(name == "true" || name == "True"));
  if (name == "none" || name == "None")
    return constant(Value(Value::None()));
  ExpressionPtr expression = make(Expression::Kind::Name);
  expression->name = std::move(name);
  return expression;
}

ExpressionPtr ExpressionParser::parseNumber() {
  const std::string text = current().text;
  ExpressionPtr expression = error();
  if (current().kind == Token::Kind::Float) {
    double number = 0;
    if (!absl::SimpleAtod(text, &number))
      fail(absl::StrCat("'", text, "' is not a number"));
    expression->constant = Value(number);
  } else {
    int radix = text.size() > 1 && text[0] == '0' ? (text[1] == 'x' || text[1] == 'X'   ? 16
                                                     : text[1] == 'o' || text[1] == 'O' ? 8
                                                     : text[1] == 'b' || text[1] == 'B' ? 2
                                                                                        : 10)
                                                  : 10;
    int64_t number = 0;
    if (!absl::numbers_internal::safe_strtoi_base(radix == 10 ? text : text.substr(2), &number, radix))
      fail(absl::StrCat("the integer '", text, "' is malformed or does not fit 64 bits"));
    expression->constant = Value(number);
  }
  advance();
  return expression;
}

ExpressionPtr ExpressionParser::parseParentheses() {
  expectOperator("(");
  if (skipOperator(")"))
    return make(Expression::Kind::Tuple);
  ExpressionPtr value = parseTuple();
  expectOperator(")");
  return value;
}

ExpressionPtr ExpressionParser::parseList() {
  expectOperator("[");
  ExpressionPtr expression = make(Expression::Kind::List);
  while (!failed() && !isOperator("]")) {
    expression->children.push_back(parseExpression());
    addHeight(*expression, expression->children.back().get());
    if (!isOperator("]"))
      expectOperator(",");
  }
  expectOperator("]");
  return expression;
}

ExpressionPtr ExpressionParser::parseDict() {
  expectOperator("{");
  ExpressionPtr expression = make(Expression::Kind::Dict);
  while (!failed() && !isOperator("}")) {
    for (bool key : {true, false}) {
      expression->children.push_back(parseExpression());
      addHeight(*expression, expression->children.back().get());
      if (key)
        expectOperator(":");
    }
    if (!isOperator("}"))
      expectOperator(",");
  }
  expectOperator("}");
  return expression;
}

ExpressionPtr ExpressionParser::parsePostfix(ExpressionPtr value) {
  while (!failed()) {
    if (skipOperator(".")) {
      if (current().kind == Token::Kind::Integer) {
        ExpressionPtr index = parseNumber();
        value = make(Expression::Kind::Subscript, list(std::move(value), std::move(index)));
        continue;
      }
      value = make(Expression::Kind::Attribute, list(std::move(value)));
      value->name = takeName();
    } else if (isOperator("[")) {
      value = parseSubscript(std::move(value));
    } else if (isOperator("(")) {
      value = parseCall(std::move(value));
    } else {
      break;
    }
  }
  return value;
}

ExpressionPtr ExpressionParser::parseSubscript(ExpressionPtr value) {
  expectOperator("[");
  ExpressionPtr bounds[3];
  bool slice = false;
  for (int i = 0; i < 3 && !isOperator("]"); ++i) {
    if (!isOperator(":"))
      bounds[i] = i == 0 ? parseTuple() : parseExpression();
    if (!isOperator(":"))
      break;
    slice = true;
    if (i < 2)
      advance();
  }
  ExpressionPtr expression;
  if (slice)
    expression = make(Expression::Kind::Slice, list(std::move(value), std::move(bounds[0]),
                                                    std::move(bounds[1]), std::move(bounds[2])));
  else if (bounds[0])
    expression = make(Expression::Kind::Subscript, list(std::move(value), std::move(bounds[0])));
  else
    fail("expected an index, found ']'");
  expectOperator("]");
  return expression ? std::move(expression) : error();
}

ExpressionPtr ExpressionParser::parseCall(ExpressionPtr value) {
  ExpressionPtr expression = make(Expression::Kind::Call, list(std::move(value)));
  expression->arguments = parseArguments();
  for (const ExpressionPtr &argument : expression->arguments.positional)
    addHeight(*expression, argument.get());
  for (const auto &[name, argument] : expression->arguments.named)
    addHeight(*expression, argument.get());
  addHeight(*expression, expression->arguments.expandedList.get());
  addHeight(*expression, expression->arguments.expandedDict.get());
  return expression;
}

ArgumentSyntax ExpressionParser::parseArguments() {
  ArgumentSyntax arguments;
  expectOperator("(");
  while (!failed() && !isOperator(")")) {
    if (skipOperator("**"))
      arguments.expandedDict = parseExpression();
    else if (skipOperator("*"))
      arguments.expandedList = parseExpression();
    else if (current().kind == Token::Kind::Name && ahead().kind == Token::Kind::Operator &&
             ahead().text == "=") {
      std::string name = takeName();
      advance();
      arguments.named.emplace_back(std::move(name), parseExpression());
    } else if (arguments.named.empty() && !arguments.expandedDict) {
      arguments.positional.push_back(parseExpression());
    } else {
      fail("an argument without a name follows one with a name");
    }
    if (!isOperator(")"))
      expectOperator(",");
  }
  expectOperator(")");
  return arguments;
}

ExpressionPtr ExpressionParser::parseFiltersAndTests(ExpressionPtr value) {
  while (!failed()) {
    if (isOperator("|"))
      value = parseFilters(std::move(value), /*leadingBar=*/true);
    else if (isName("is"))
      value = parseTest(std::move(value));
    else if (isOperator("("))
      value = parseCall(std::move(value));
    else
      break;
  }
  return value;
}

ExpressionPtr ExpressionParser::parseFilters(ExpressionPtr value, bool leadingBar) {
  while (!failed() && (!leadingBar || skipOperator("|"))) {
    leadingBar = true;
    ExpressionPtr filter = make(Expression::Kind::Filter, list(std::move(value)));
    filter->name = takeName();
    while (skipOperator("."))
      absl::StrAppend(&filter->name, ".", takeName());
    if (isOperator("(")) {
      ExpressionPtr call = parseCall(nullptr);
      filter->arguments = std::move(call->arguments);
      filter->height = std::max(filter->height, call->height);
    }
    value = std::move(filter);
  }
  return value;
}

ExpressionPtr ExpressionParser::parseTest(ExpressionPtr value) {
  expectName("is");
  bool negated = skipName("not");
  ExpressionPtr test = make(Expression::Kind::Test, list(std::move(value)));
  test->name = takeName();
  bool argument = current().kind == Token::Kind::String || current().kind == Token::Kind::Integer ||
                  current().kind == Token::Kind::Float || isOperator("[") || isOperator("{") ||
                  (current().kind == Token::Kind::Name && !isName("else") && !isName("or") && !isName("and"));
  if (isOperator("(")) {
    ExpressionPtr call = parseCall(nullptr);
    test->arguments = std::move(call->arguments);
    test->height = std::max(test->height, call->height);
  } else if (argument) {
    if (isName("is"))
      fail("tests cannot be chained with 'is'");
    test->arguments.positional.push_back(parsePostfix(parsePrimary()));
    addHeight(*test, test->arguments.positional.back().get());
  }
  if (!negated)
    return test;
  ExpressionPtr inverse = make(Expression::Kind::Unary, list(std::move(test)));
  inverse->operation = Operator::Not;
  return inverse;
}

} // namespace llmc::text::jinja
