//===- ExpressionParser.h - the inside of tags ----------------------------===//

#ifndef LLMC_TEXT_JINJA_EXPRESSION_PARSER_H
#define LLMC_TEXT_JINJA_EXPRESSION_PARSER_H

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "runtime/text/jinja/Lexer.h"
#include "runtime/text/jinja/Syntax.h"

namespace llmc::text::jinja {

/// Reads expressions from a list of tokens. The first error stays: from then on every function returns
/// something that is not used, and the current token is the end.
class ExpressionParser {
public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens(std::move(tokens)) {}

  const absl::Status &status() const { return failure; }
  bool failed() const { return !failure.ok(); }

  const Token &current() const { return tokens[at]; }
  const Token &ahead() const { return tokens[std::min(at + 1, tokens.size() - 1)]; }
  uint32_t line() const { return current().line; }
  bool isName(absl::string_view name) const {
    return current().kind == Token::Kind::Name && name == current().text;
  }
  bool isOperator(absl::string_view text) const {
    return current().kind == Token::Kind::Operator && text == current().text;
  }
  void advance();
  bool skipName(absl::string_view name);
  bool skipOperator(absl::string_view text);
  void expectOperator(absl::string_view text);
  void expectName(absl::string_view name);
  void expect(Token::Kind kind, absl::string_view what);
  std::string takeName();

  void fail(absl::string_view message);

  /// A condition with its `if`, or a tuple of them without parentheses.
  ExpressionPtr parseTuple();
  /// A condition with its `if`.
  ExpressionPtr parseExpression();
  /// The list of a for statement, to which an `if` does not belong.
  ExpressionPtr parseIterable();
  /// Something that can be assigned to: a name, an attribute of a name, or a tuple of names.
  ExpressionPtr parseTarget(bool allowAttribute);
  /// Filters behind `value`, which may be null for the filters of a block: name(arguments) | name(arguments)
  /// ...
  ExpressionPtr parseFilters(ExpressionPtr value, bool leadingBar);
  ArgumentSyntax parseArguments();

  /// Guards recursion of the parser itself.
  class Nesting {
  public:
    explicit Nesting(ExpressionParser &parser) : parser(parser) {
      if (++parser.nesting > kMaxNesting)
        parser.fail("the template is nested too deeply");
    }
    Nesting(const Nesting &) = delete;
    ~Nesting() { --parser.nesting; }

  private:
    ExpressionParser &parser;
  };

private:
  static constexpr int kMaxNesting = 100;
  static constexpr uint32_t kMaxHeight = 300;

  ExpressionPtr make(Expression::Kind kind, std::vector<ExpressionPtr> children = {});
  ExpressionPtr constant(Value value);
  ExpressionPtr error();
  template <typename... Children> static std::vector<ExpressionPtr> list(Children... children) {
    std::vector<ExpressionPtr> result;
    (result.push_back(std::move(children)), ...);
    return result;
  }
  void addHeight(Expression &expression, const Expression *child);

  ExpressionPtr parseConditional();
  ExpressionPtr parseOr();
  ExpressionPtr parseAnd();
  ExpressionPtr parseNot();
  ExpressionPtr parseComparison();
  ExpressionPtr parseSum();
  ExpressionPtr parseConcatenation();
  ExpressionPtr parseProduct();
  ExpressionPtr parsePower();
  ExpressionPtr parseUnary(bool withFilters);
  ExpressionPtr parsePrimary();
  ExpressionPtr parseName();
  ExpressionPtr parseNumber();
  ExpressionPtr parseParentheses();
  ExpressionPtr parseList();
  ExpressionPtr parseDict();
  ExpressionPtr parsePostfix(ExpressionPtr value);
  ExpressionPtr parseCall(ExpressionPtr value);
  ExpressionPtr parseSubscript(ExpressionPtr value);
  ExpressionPtr parseFiltersAndTests(ExpressionPtr value);
  ExpressionPtr parseTest(ExpressionPtr value);
  ExpressionPtr binary(Operator operation, ExpressionPtr left, ExpressionPtr right);

  std::vector<Token> tokens;
  size_t at = 0;
  absl::Status failure;
  int nesting = 0;
};

} // namespace llmc::text::jinja

#endif
