#include "Accepts.h"

#include <vector>

using namespace llmc::grammar;
using namespace llmc::grammar::test;

namespace {

struct Case {
  const char *grammar;
  std::vector<const char *> accepted, refused;
};

TEST(AutomatonTest, KnowsTextsOfGrammars) {
  const Case cases[] = {
      {"root ::= \"ab\" [c-e] \"\\x41\"", {"abcA", "abeA"}, {"", "ab", "abfA", "abcAA"}},
      {"root ::= \"a\"* \"b\"+ \"c\"?", {"b", "aabbc", "bc"}, {"", "a", "ac", "bcc"}},
      {"root ::= \"a\"{2} \"b\"{1,3} \"c\"{2,}", {"aabcc", "aabbbcccc"}, {"abcc", "aabbbbcc", "aabc"}},
      {"root ::= \"x\"{0} \"y\"", {"y"}, {"xy"}},
      {"root ::= | \"a\" | \"b\" \"c\"", {"", "a", "bc"}, {"b", "abc"}},
      {"root ::= (\"a\" | \"b\")* \"!\"", {"!", "abba!"}, {"abc!", "a"}},
      {"root ::= [^a\\]\\n] [a\\-z]", {"b-", "ba"}, {"aa", "]a", "\na", "bb"}},
      {"root ::= .",
       {"a", "\n", "\xC3\xA9", "\xF0\x9F\x99\x82"},
       {"", "ab", "\xC3", "\xED\xA0\x80", "\xC0\x80"}},
      {"root ::= [\\u00E0-\\u00FF]", {"\xC3\xA9"}, {"e", "\xC3", "\xC4\x80"}},
      {"root ::= \"\xC3\xA9\" [\xD0\xB0-\xD1\x8F]", {"\xC3\xA9\xD0\xB6"}, {"\xC3\xA9", "e\xD0\xB6"}},
      // Not of any finite automaton.
      {"root ::= \"(\" root \")\" | \"x\"", {"x", "(((x)))"}, {"((x)", "(x))", "()"}},
      {"root ::= (\"a\" root \"b\")?", {"", "ab", "aaabbb"}, {"aab", "abb", "ba"}},
      // Both ways have to be followed.
      {"root ::= \"a\"* \"ab\"", {"ab", "aaab"}, {"a", "b", "abab"}},
      {"root ::= x | y\nx ::= \"a\" x \"b\" | \"ab\"\ny ::= \"a\" y \"bb\" | \"abb\"",
       {"ab", "abb", "aabb", "aabbbb"},
       {"aabbb", "a"}},
      // Repetitions of what may be nothing.
      {"root ::= (\"a\"*)* nothing* \"b\"\nnothing ::= \"\"", {"b", "aab"}, {"", "a"}},
      // Rules that end with themselves.
      {"root ::= \"a\" root | \"b\"", {"b", "aaab"}, {"a", "ba"}},
  };
  for (const Case &each : cases) {
    Automaton automaton = automatonOf(each.grammar);
    for (const char *text : each.accepted)
      EXPECT_TRUE(accepts(automaton, text)) << each.grammar << ": " << text;
    for (const char *text : each.refused)
      EXPECT_FALSE(accepts(automaton, text)) << each.grammar << ": " << text;
  }
}

TEST(AutomatonTest, StatesRecur) {
  Automaton automaton = automatonOf("root ::= \"a\" root | [b-z] root | \"\"");
  EXPECT_TRUE(accepts(automaton, "abab"));
  const size_t states = automaton.size();
  EXPECT_TRUE(accepts(automaton, std::string(1000, 'q')));
  EXPECT_EQ(automaton.size(), states) << "a rule that ends with itself is not returned to";
}

TEST(AutomatonTest, BeginsAnewWhenItIsCleared) {
  Automaton automaton = automatonOf("root ::= \"(\" root \")\" | \"x\"");
  EXPECT_TRUE(accepts(automaton, "((x))"));
  automaton.clear();
  EXPECT_EQ(automaton.size(), 1u);
  EXPECT_TRUE(accepts(automaton, "((x))"));
  EXPECT_FALSE(accepts(automaton, "((x)"));
}

TEST(AutomatonTest, GivesUpOnTooManyWays) {
  // Each x may have a b or a c to come, in all orders.
  Automaton automaton = automatonOf("root ::= \"x\" root \"b\" | \"x\" root \"c\" | \"y\"");
  Automaton::State state = automaton.start();
  for (int i = 0; i < 40; ++i)
    state = automaton.next(state, 'x');
  EXPECT_EQ(state, Automaton::kDead);
  EXPECT_EQ(automaton.status().message(),
            "the grammar is ambiguous: a text can be read in more than 16384 ways");
  automaton.clear();
  EXPECT_TRUE(accepts(automaton, "xyc"));
}

TEST(AutomatonTest, TakesLongChoices) {
  std::string grammar = "root ::= \"0\"";
  for (int i = 1; i < 12'000; ++i)
    grammar += " | \"" + std::to_string(i) + "\"";
  Automaton automaton = automatonOf(grammar);
  EXPECT_TRUE(accepts(automaton, "11999"));
  EXPECT_FALSE(accepts(automaton, "12000"));
}

} // namespace
