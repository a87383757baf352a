//===- regex_test.cpp - searching text --------------------------------------===//

#include "runtime/text/Regex.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::text {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::pair<size_t, size_t>> matches(const char *pattern, absl::string_view text) {
  auto regex = Regex::create(pattern);
  EXPECT_TRUE(regex.ok()) << regex.status();
  std::vector<std::pair<size_t, size_t>> found;
  EXPECT_TRUE(regex
                  ->forEachMatch(text,
                                 [&](Regex::Match match) {
                                   found.emplace_back(match.start, match.end);
                                   return absl::OkStatus();
                                 })
                  .ok());
  return found;
}

TEST(Regex, VisitsEveryMatch) {
  EXPECT_THAT(matches("a+", "aa b a"), ElementsAre(Pair(0, 2), Pair(5, 6)));
  EXPECT_THAT(matches("a", ""), IsEmpty());
}

TEST(Regex, AnEmptyMatchMovesOnByOneCharacter) {
  EXPECT_THAT(matches("x*", "\u00E9x"), ElementsAre(Pair(0, 0), Pair(2, 3), Pair(3, 3)));
  EXPECT_THAT(matches("$", "ab"), ElementsAre(Pair(2, 2)));
  EXPECT_THAT(matches("x*", ""), ElementsAre(Pair(0, 0)));
}

TEST(Regex, EndsWithTheFirstError) {
  int calls = 0;
  absl::Status status = Regex::create("a")->forEachMatch(
      "aaa", [&](Regex::Match) { return ++calls == 2 ? absl::CancelledError("enough") : absl::OkStatus(); });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(status.message(), "enough");
}

} // namespace
} // namespace llmc::text
