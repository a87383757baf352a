#include "runtime/generate/StopStrings.h"

#include <gtest/gtest.h>

namespace llmc::generate {
namespace {

TEST(StopStrings, PassesEverythingOnWithoutStopStrings) {
  StopStrings stops({""});
  EXPECT_EQ(stops.push("any"), "any");
  EXPECT_EQ(stops.push(""), "");
  EXPECT_FALSE(stops.found());
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, EndsBeforeAStopStringInsideOnePart) {
  StopStrings stops({"\n\n"});
  EXPECT_EQ(stops.push("one\n\ntwo"), "one");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.push("three"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, HoldsBackWhatMayBecomeAStopString) {
  StopStrings stops({"User:"});
  EXPECT_EQ(stops.push("Hello U"), "Hello ");
  EXPECT_EQ(stops.push("se"), "");
  EXPECT_EQ(stops.push("ful"), "Useful");
  EXPECT_EQ(stops.push(" User"), " ");
  EXPECT_EQ(stops.push(":"), "");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, ReturnsWhatWasHeldBackAtTheEnd) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("the EN"), "the ");
  EXPECT_EQ(stops.finish(), "EN");
  EXPECT_FALSE(stops.found());
}

TEST(StopStrings, KeepsTheLongestCandidateOfSeveral) {
  StopStrings stops({"abab", "bx"});
  EXPECT_EQ(stops.push("aab"), "a");
  EXPECT_EQ(stops.push("x"), "a") << "'bx' begins behind the a";
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, FindsTheEarliestOfSeveral) {
  StopStrings stops({"world", "lo"});
  EXPECT_EQ(stops.push("hello world"), "hel");
}

/// Whatever the parts, the text that comes out is the text before the first stop string.
TEST(StopStrings, DoesNotDependOnHowTheTextIsCut) {
  const std::string text = "aabaabaaab-rest";
  const std::string expected = text.substr(0, text.find("aaab"));
  for (size_t first = 0; first <= text.size(); ++first)
    for (size_t second = first; second <= text.size(); ++second) {
      StopStrings stops({"aaab"});
      std::string passed = stops.push(text.substr(0, first));
      passed += stops.push(text.substr(first, second - first));
      passed += stops.push(text.substr(second));
      passed += stops.finish();
      EXPECT_EQ(passed, expected) << first << ' ' << second;
      EXPECT_TRUE(stops.found());
    }
}

} // namespace
} // namespace llmc::generate
