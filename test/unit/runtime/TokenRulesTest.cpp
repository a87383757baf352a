#include "runtime/core/TokenRules.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <limits>

using namespace llmc::runtime;
using testing::ElementsAre;

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// The scores of five tokens, 1 to 5, after a text that has `made` tokens of at most eight, and ends with 4.
std::vector<float> after(const TokenRules &rules, const std::vector<int32_t> &history, int64_t made) {
  std::vector<float> scores = {1, 2, 3, 4, 5};
  const int32_t stop = 4;
  const std::vector<int32_t> text(made, 0);
  EXPECT_TRUE(rules.apply(absl::MakeSpan(scores), history, text, /*maxTokens=*/8, {&stop, 1}).ok());
  return scores;
}

TEST(TokenRulesTest, EmptyOnesChangeNothing) {
  EXPECT_TRUE(TokenRules().isEmpty());
  EXPECT_THAT(after({}, {0, 1}, 1), ElementsAre(1, 2, 3, 4, 5));
}

TEST(TokenRulesTest, SuppressedTokensNeverCome) {
  EXPECT_THAT(after({.suppressed = {3, 0, 77, -1}}, {}, 0), ElementsAre(kNever, 2, 3, kNever, 5));
  EXPECT_THAT(after({.suppressed = {4}}, {}, 0), ElementsAre(1, 2, 3, 4, 5)) << "it ends texts";
}

TEST(TokenRulesTest, SeveralTokensInARowComeOnce) {
  // 1 was followed by 2 and by 3.
  EXPECT_THAT(after({.noRepeat = 2}, {1, 2, 1, 3, 0, 1}, 5), ElementsAre(1, 2, kNever, kNever, 5));
  EXPECT_THAT(after({.noRepeat = 3}, {1, 2, 0, 1, 2}, 4), ElementsAre(kNever, 2, 3, 4, 5));
  EXPECT_THAT(after({.noRepeat = 1}, {2}, 1), ElementsAre(1, 2, kNever, 4, 5));
  EXPECT_THAT(after({.noRepeat = 4}, {1, 2}, 1), ElementsAre(1, 2, 3, 4, 5));
}

TEST(TokenRulesTest, TextsDoNotEndTooSoon) {
  EXPECT_THAT(after({.minTokens = 2}, {0}, 1), ElementsAre(1, 2, 3, 4, kNever));
  EXPECT_THAT(after({.minTokens = 2}, {0, 0}, 2), ElementsAre(1, 2, 3, 4, 5));
}

TEST(TokenRulesTest, FirstAndLastTokensAreForced) {
  const TokenRules rules = {.first = 2, .last = 1};
  EXPECT_THAT(after(rules, {0}, 0), ElementsAre(kNever, kNever, 0, kNever, kNever));
  EXPECT_THAT(after(rules, {0}, 1), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(after(rules, {0}, 7), ElementsAre(kNever, 0, kNever, kNever, kNever));
}

/// Allows what the last token of the text allows: itself.
class SameAgain : public TokenConstraint {
public:
  absl::Status apply(absl::Span<float> scores, absl::Span<const int32_t> made,
                     absl::Span<const int32_t> stopTokens) override {
    if (stopTokens.empty())
      return absl::InvalidArgumentError("never ends");
    for (int32_t token = 0; token < static_cast<int32_t>(scores.size()); ++token)
      if (!made.empty() && token != made.back())
        scores[token] = kNever;
    return absl::OkStatus();
  }
};

TEST(TokenRulesTest, ConstraintsSeeTheTextAndMayFail) {
  const TokenRules rules = {.first = 2, .constraint = std::make_shared<SameAgain>()};
  EXPECT_FALSE(rules.isEmpty());
  EXPECT_THAT(after(rules, {0, 0}, 2), ElementsAre(1, kNever, kNever, kNever, kNever));
  EXPECT_THAT(after(rules, {0, 0}, 0), ElementsAre(kNever, kNever, 0, kNever, kNever)) << "what is forced is";
  std::vector<float> scores = {1, 2, 3, 4, 5};
  EXPECT_EQ(rules.apply(absl::MakeSpan(scores), {}, {}, 8, {}).message(), "never ends");
}

} // namespace
