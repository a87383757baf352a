//===- Syntax.h - templates as trees --------------------------------------===//

#ifndef LLMC_TEXT_JINJA_SYNTAX_H
#define LLMC_TEXT_JINJA_SYNTAX_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/jinja/Value.h"

namespace llmc::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

/// The arguments of a call as written. `*` and `**` expand lists and dicts.
struct ArgumentSyntax {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr expandedList;
  ExpressionPtr expandedDict;
};

/// The operators of expressions, unary and binary.
enum class Operator {
  Add,
  Subtract,
  Multiply,
  Divide,
  FloorDivide,
  Modulo,
  Power,
  And,
  Or,
  Not,
  Negate,
  Plus,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  In,
  NotIn,
};

/// An expression of the template; which fields its kind uses is said beside the kind.
struct Expression {
  enum class Kind {
    Constant,    // constant
    Name,        // name
    List,        // children
    Tuple,       // children
    Dict,        // children: key, value, key, value, ...
    Unary,       // operation children[0]
    Binary,      // children[0] operation children[1]
    Compare,     // children[0] comparisons[0] children[1] comparisons[1] ...
    Concatenate, // children as text
    Conditional, // children[0] if children[1] else children[2] (may be null)
    Attribute,   // children[0].name
    Subscript,   // children[0][children[1]]
    Slice,       // children[0][children[1]:children[2]:children[3]] (each may be null)
    Call,        // children[0](arguments)
    Filter,      // children[0] | name(arguments); children[0] is null in a filter block
    Test,        // children[0] is name(arguments)
  };
  Kind kind;
  uint32_t line;
  /// Height of the tree, which bounds the recursion of the evaluator.
  uint32_t height = 1;
  std::string name;
  Value constant;
  Operator operation{};
  std::vector<Operator> comparisons;
  std::vector<ExpressionPtr> children;
  ArgumentSyntax arguments;
};

struct Statement;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

/// A parameter of a macro or of a call block.
struct Parameter {
  std::string name;
  ExpressionPtr defaultValue; // or null
};

/// A statement of the template; which fields its kind uses is said beside the kind.
struct Statement {
  enum class Kind {
    Text,      // text
    Output,    // value
    If,        // branches; orElse
    For,       // target, value, condition (or null), body, orElse
    Set,       // target, value
    SetBlock,  // target, value (a filter chain or null), body
    Macro,     // name, parameters, body
    CallBlock, // value (a call), parameters, body
    Filter,    // value (a filter chain), body
    With,      // assignments, body
    Break,
    Continue,
  };
  Kind kind;
  uint32_t line;
  std::string text;
  std::string name;
  ExpressionPtr target; // Name, Tuple of targets, or Attribute of a Name
  ExpressionPtr value;
  ExpressionPtr condition;
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments;
  std::vector<Parameter> parameters;
  Body body;
  Body orElse;
};

} // namespace llmc::text::jinja

#endif
