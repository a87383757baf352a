//===- Parser.cpp - templates from source to tree -------------------------===//

#include "runtime/text/jinja/Parser.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "runtime/text/jinja/ExpressionParser.h"
#include "runtime/text/jinja/Lexer.h"

namespace llmc::text::jinja {

namespace {

/// Reads statements; expressions are read by `in`.
class Parser {
public:
  explicit Parser(std::vector<Token> tokens) : in(std::move(tokens)) {}

  absl::StatusOr<Body> run() {
    Body body = parseBody({});
    if (in.failed())
      return in.status();
    return body;
  }

private:
  using Names = std::initializer_list<absl::string_view>;

  StatementPtr make(Statement::Kind kind) {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = in.line();
    return statement;
  }

  void endTag() { in.expect(Token::Kind::BlockEnd, "'%}'"); }

  /// Statements up to a block whose name is one of `ends`; the name becomes the current token. Without
  /// `ends`, all.
  Body parseBody(Names ends) {
    ExpressionParser::Nesting guard(in);
    Body body;
    uint32_t opened = in.line();
    while (!in.failed()) {
      switch (in.current().kind) {
      case Token::Kind::Text:
        body.push_back(make(Statement::Kind::Text));
        body.back()->text = in.current().text;
        in.advance();
        break;
      case Token::Kind::OutputBegin:
        in.advance();
        body.push_back(make(Statement::Kind::Output));
        body.back()->value = in.parseTuple();
        in.expect(Token::Kind::OutputEnd, "'}}'");
        break;
      case Token::Kind::BlockBegin:
        in.advance();
        for (absl::string_view end : ends)
          if (in.isName(end))
            return body;
        parseStatement(body);
        break;
      default:
        if (ends.size() > 0)
          in.fail(absl::StrCat("the template ends, but the block of line ", opened, " needs ",
                               absl::StrJoin(ends, " or ")));
        return body;
      }
    }
    return body;
  }

  void parseStatement(Body &body) {
    std::string name = in.takeName();
    if (name == "if")
      body.push_back(parseIf());
    else if (name == "for")
      body.push_back(parseFor());
    else if (name == "set")
      body.push_back(parseSet());
    else if (name == "macro")
      body.push_back(parseMacro());
    else if (name == "call")
      body.push_back(parseCallBlock());
    else if (name == "filter")
      body.push_back(parseFilterBlock());
    else if (name == "with")
      body.push_back(parseWith());
    else if (name == "break" || name == "continue")
      body.push_back(parseJump(name == "break" ? Statement::Kind::Break : Statement::Kind::Continue));
    else if (name == "generation")
      parseGeneration(body);
    else
      in.fail(absl::StrCat(
          "the statement '", name,
          "' is not supported; supported are break, call, continue, filter, for, generation, if, "
          "macro, raw, set, with"));
  }

  StatementPtr parseIf() {
    StatementPtr statement = make(Statement::Kind::If);
    while (!in.failed()) {
      ExpressionPtr condition = in.parseTuple();
      endTag();
      Body body = parseBody({"elif", "else", "endif"});
      statement->branches.emplace_back(std::move(condition), std::move(body));
      if (in.skipName("elif"))
        continue;
      if (in.skipName("else")) {
        endTag();
        statement->orElse = parseBody({"endif"});
      }
      in.expectName("endif");
      endTag();
      break;
    }
    return statement;
  }

  StatementPtr parseFor() {
    StatementPtr statement = make(Statement::Kind::For);
    statement->target = in.parseTarget(/*allowAttribute=*/false);
    in.expectName("in");
    statement->value = in.parseIterable();
    if (in.skipName("if"))
      statement->condition = in.parseExpression();
    if (in.isName("recursive"))
      in.fail("a recursive loop is not supported");
    endTag();
    ++loops;
    statement->body = parseBody({"else", "endfor"});
    --loops;
    if (in.skipName("else")) {
      endTag();
      statement->orElse = parseBody({"endfor"});
    }
    in.expectName("endfor");
    endTag();
    return statement;
  }

  StatementPtr parseSet() {
    StatementPtr statement = make(Statement::Kind::Set);
    statement->target = in.parseTarget(/*allowAttribute=*/true);
    if (in.skipOperator("=")) {
      statement->value = in.parseTuple();
      endTag();
      return statement;
    }
    statement->kind = Statement::Kind::SetBlock;
    if (in.isOperator("|"))
      statement->value = in.parseFilters(nullptr, /*leadingBar=*/true);
    endTag();
    statement->body = parseBody({"endset"});
    in.expectName("endset");
    endTag();
    return statement;
  }

  void parseParameters(std::vector<Parameter> &parameters) {
    in.expectOperator("(");
    while (!in.failed() && !in.isOperator(")")) {
      Parameter &parameter = parameters.emplace_back();
      parameter.name = in.takeName();
      if (in.skipOperator("="))
        parameter.defaultValue = in.parseExpression();
      else if (parameters.size() > 1 && parameters[parameters.size() - 2].defaultValue)
        in.fail("a parameter without a default follows one with a default");
      if (!in.isOperator(")"))
        in.expectOperator(",");
    }
    in.expectOperator(")");
  }

  /// The body of a macro is outside the loops around it.
  Body parseMacroBody(absl::string_view end) {
    endTag();
    int outer = std::exchange(loops, 0);
    Body body = parseBody({end});
    loops = outer;
    in.expectName(end);
    endTag();
    return body;
  }

  StatementPtr parseMacro() {
    StatementPtr statement = make(Statement::Kind::Macro);
    statement->name = in.takeName();
    parseParameters(statement->parameters);
    statement->body = parseMacroBody("endmacro");
    return statement;
  }

  StatementPtr parseCallBlock() {
    StatementPtr statement = make(Statement::Kind::CallBlock);
    if (in.isOperator("("))
      parseParameters(statement->parameters);
    statement->value = in.parseExpression();
    if (!in.failed() && statement->value->kind != Expression::Kind::Call)
      in.fail("a call block needs a call");
    statement->body = parseMacroBody("endcall");
    return statement;
  }

  StatementPtr parseFilterBlock() {
    StatementPtr statement = make(Statement::Kind::Filter);
    statement->value = in.parseFilters(nullptr, /*leadingBar=*/false);
    endTag();
    statement->body = parseBody({"endfilter"});
    in.expectName("endfilter");
    endTag();
    return statement;
  }

  StatementPtr parseWith() {
    StatementPtr statement = make(Statement::Kind::With);
    while (!in.failed() && in.current().kind != Token::Kind::BlockEnd) {
      ExpressionPtr target = in.parseTarget(/*allowAttribute=*/false);
      in.expectOperator("=");
      statement->assignments.emplace_back(std::move(target), in.parseExpression());
      if (in.current().kind != Token::Kind::BlockEnd)
        in.expectOperator(",");
    }
    endTag();
    statement->body = parseBody({"endwith"});
    in.expectName("endwith");
    endTag();
    return statement;
  }

  StatementPtr parseJump(Statement::Kind kind) {
    if (loops == 0)
      in.fail("break or continue outside a loop");
    StatementPtr statement = make(kind);
    endTag();
    return statement;
  }

  /// Marks what the assistant says, for training; its content is rendered as if the marks were not there.
  void parseGeneration(Body &body) {
    endTag();
    Body inner = parseBody({"endgeneration"});
    in.expectName("endgeneration");
    endTag();
    std::move(inner.begin(), inner.end(), std::back_inserter(body));
  }

  ExpressionParser in;
  int loops = 0;
};

} // namespace

absl::StatusOr<Body> parse(absl::string_view source) {
  absl::StatusOr<std::vector<Token>> tokens = tokenize(source);
  if (!tokens.ok())
    return tokens.status();
  return Parser(*std::move(tokens)).run();
}

} // namespace llmc::text::jinja
