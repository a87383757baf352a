//===- Grammar.h - a context-free grammar over characters ---------------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_GRAMMAR_H
#define LLMC_RUNTIME_GRAMMAR_GRAMMAR_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace llmc::grammar {

/// Code points from `first` to `last`, both included.
struct CodePointRange {
  uint32_t first, last;
};

/// What a part of a text has to be.
struct Expression {
  enum class Kind {
    Characters, ///< one of `characters`
    Rule,       ///< what the rule number `rule` says
    Sequence,   ///< all of `parts`; without any: nothing
    Choice,     ///< one of `parts`
    Repeat,     ///< the only one of `parts`, `least` to `most` times
  };
  Kind kind = Kind::Sequence;
  std::vector<CodePointRange> characters;
  size_t rule = 0;
  std::vector<Expression> parts;
  int64_t least = 0, most = 0; ///< kUnbounded: any number

  static constexpr int64_t kUnbounded = -1;
};

/// A rule, and where its name is first written, for messages.
struct Rule {
  std::string name;
  Expression body;
  std::string place; ///< "grammar.gbnf:3:1"
};

/// A grammar. Texts are what the rule `root` says.
struct Grammar {
  std::vector<Rule> rules;
  size_t root = 0;
};

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_GRAMMAR_H
