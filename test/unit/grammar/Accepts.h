// Whether texts are of a grammar.
#ifndef LLMC_TEST_UNIT_GRAMMAR_ACCEPTS_H
#define LLMC_TEST_UNIT_GRAMMAR_ACCEPTS_H

#include "runtime/grammar/Automaton.h"
#include "runtime/grammar/GrammarReader.h"

#include "gtest/gtest.h"

#include <string>

namespace llmc::grammar::test {

inline Automaton automatonOf(absl::string_view text) {
  absl::StatusOr<Grammar> grammar = readGrammar("g", text);
  EXPECT_TRUE(grammar.ok()) << grammar.status().message();
  absl::StatusOr<ByteNetwork> network =
      grammar.ok() ? makeNetwork(*grammar) : absl::StatusOr<ByteNetwork>(grammar.status());
  EXPECT_TRUE(network.ok()) << network.status().message();
  return Automaton(network.ok() ? *network : makeNetwork(*readGrammar("", "root ::= ")).value());
}

inline bool accepts(Automaton &automaton, absl::string_view text) {
  Automaton::State state = automaton.start();
  for (char byte : text)
    state = automaton.next(state, static_cast<uint8_t>(byte));
  EXPECT_TRUE(automaton.status().ok()) << automaton.status().message();
  return automaton.isAccepting(state);
}

inline bool accepts(absl::string_view grammar, absl::string_view text) {
  Automaton automaton = automatonOf(grammar);
  return accepts(automaton, text);
}

} // namespace llmc::grammar::test

#endif // LLMC_TEST_UNIT_GRAMMAR_ACCEPTS_H
