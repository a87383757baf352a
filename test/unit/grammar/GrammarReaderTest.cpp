#include "Accepts.h"

using namespace llmc::grammar;
using namespace llmc::grammar::test;

namespace {

std::string errorOf(absl::string_view text) {
  absl::StatusOr<Grammar> grammar = readGrammar("g.gbnf", text);
  if (!grammar.ok())
    return std::string(grammar.status().message());
  return std::string(makeNetwork(*grammar).status().message());
}

TEST(GrammarReaderTest, ReadsLinesCommentsAndGroups) {
  const char *grammar = "# a comment\n"
                        "\n"
                        "root ::= greeting # of course\n"
                        "  \n"
                        "greeting ::=\n"
                        "  \"hi\" |\n"
                        "  (\"good\"  # here too\n"
                        "    \" \" day-time | \"hey\") \"!\"\r\n"
                        "day-time ::= \"day\" | \"night\"";
  for (const char *text : {"hi", "good day!", "good night!", "hey!"})
    EXPECT_TRUE(accepts(grammar, text)) << text;
  EXPECT_FALSE(accepts(grammar, "hi!"));
}

TEST(GrammarReaderTest, NamesTheCharacterThatIsWrong) {
  EXPECT_EQ(errorOf("root = \"a\""), "g.gbnf:1:6: found '=', expected ::= behind the name of a rule");
  EXPECT_EQ(errorOf("root ::= \"a\"\n\n  * ::= b"), "g.gbnf:3:3: found '*', expected the name of a rule");
  EXPECT_EQ(errorOf("root ::= \"\xC3\xA9\" ) x"), "g.gbnf:1:14: found ')', expected the end of the rule");
  EXPECT_EQ(errorOf("root ::= \"a"),
            "g.gbnf:1:12: found the end, expected the \" of the string that begins in column 10");
  EXPECT_EQ(errorOf("root ::= [a\n]"),
            "g.gbnf:1:12: found '\\n', expected the ] of the class that begins in column 10");
  EXPECT_EQ(errorOf("root ::= [z-a]"), "g.gbnf:1:11: found 'z', expected a range that rises");
  EXPECT_EQ(errorOf("root ::= []"), "g.gbnf:1:10: found '[', expected a class that has characters");
  EXPECT_EQ(errorOf("root ::= [^\\x00-\\U0010FFFF]"),
            "g.gbnf:1:10: found '[', expected a class that has characters");
  EXPECT_EQ(errorOf("root ::= (\"a\""), "g.gbnf:1:14: found the end, expected the ) of a group");
  EXPECT_EQ(errorOf("root ::= \"\\q\""), "g.gbnf:1:11: found '\\\\', expected one of the escapes \\n \\r \\t "
                                         "\\\\ \\\" \\[ \\] \\- \\^ \\xNN \\uNNNN \\UNNNNNNNN");
  EXPECT_EQ(errorOf("root ::= \"\\uD800\""),
            "g.gbnf:1:11: found '\\\\', expected 4 hexadecimal digits of a character");
  EXPECT_EQ(errorOf("root ::= \"a\"{3,2}"), "g.gbnf:1:16: found '2', expected a number from 3");
  EXPECT_EQ(errorOf("root ::= \"a\"{x}"), "g.gbnf:1:14: found 'x', expected a number from 0 to 100000");
  EXPECT_EQ(errorOf("root ::= \"a\"{2"), "g.gbnf:1:15: found the end, expected the } of a repetition");
  EXPECT_EQ(errorOf("root ::= <think>"),
            "g.gbnf:1:10: found '<', expected a string: references to tokens are not supported");
  EXPECT_EQ(errorOf("root ::= \"\xFF\""), "g.gbnf: is not valid UTF-8");
}

TEST(GrammarReaderTest, RefusesRulesThatSayNothing) {
  EXPECT_EQ(errorOf("root ::= a b\na ::= \"x\""), "g.gbnf:1:12: there is no rule 'b'");
  EXPECT_EQ(errorOf("a ::= \"x\""), "g.gbnf: there is no rule 'root', expected what texts are");
  EXPECT_EQ(errorOf("root ::= \"x\"\nroot ::= \"y\""), "g.gbnf:2:1: there is a rule 'root' already");
  EXPECT_EQ(errorOf(""), "g.gbnf: there is no rule 'root', expected what texts are");
}

TEST(GrammarReaderTest, RefusesLeftRecursion) {
  const std::string told =
      " begins with itself (left recursion), expected one that begins with something else";
  EXPECT_EQ(errorOf("root ::= root \"x\" | \"y\""), "g.gbnf:1:1: the rule 'root'" + told);
  EXPECT_EQ(errorOf("root ::= a\na ::= \"\"? b\nb ::= \"x\"{0,2} a | \"y\""),
            "g.gbnf:2:1: the rule 'a'" + told);
  EXPECT_EQ(errorOf("root ::= \"y\"\nunused ::= (unused)"), "g.gbnf:2:1: the rule 'unused'" + told);
}

TEST(GrammarReaderTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(errorOf("root ::= ((\"a\"{1000}){1000}){1000}"),
            "g.gbnf:1:1: the rule 'root' repeats too much, expected fewer or shorter repetitions");
  EXPECT_EQ(errorOf("root ::= " + std::string(300, '(')),
            "g.gbnf:1:266: found '(', expected at most 256 groups in each other");
  EXPECT_EQ(errorOf("root ::= \"a\"*+?*+?*+?"),
            "g.gbnf:1:21: found '?', expected at most 8 repetitions of each other");
  EXPECT_EQ(errorOf("root ::= ((((\"\"){100000}){100000}){100000}){100000}"), "") << "nothing, however often";
}

} // namespace
