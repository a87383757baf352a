#include "runtime/core/Perplexity.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace llmc::runtime;
using testing::HasSubstr;

namespace {

/// A model of four tokens that holds the one after the last token p + 2 times as likely as each other, where
/// p is the last token's place in the window.
class Counting : public TokenSequence {
public:
  int64_t contextLength() const override { return 200; }
  int64_t vocabularySize() const override { return 4; }
  absl::Span<const int32_t> history() const override { return tokens; }
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, Rows rows) override {
    logits.clear();
    for (int32_t token : next) {
      const float place = static_cast<float>(tokens.size());
      tokens.push_back(token);
      if (rows == Rows::Last)
        logits.clear();
      for (int32_t other = 0; other < 4; ++other)
        logits.push_back(other == (token + 1) % 4 ? std::log(place + 2) : 0);
    }
    EXPECT_LE(tokens.size(), 200u);
    return logits;
  }
  using TokenSequence::feed;
  void reset() override { tokens.clear(); }
  void truncate(int64_t length) override { tokens.resize(length); }

private:
  std::vector<int32_t> tokens;
  std::vector<float> logits;
};

std::vector<int32_t> countedTokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(i % 4));
  return tokens;
}

/// The negative log likelihood of a token that stands at `place` of its window.
double likelihoodAt(int64_t place) { return -std::log((place + 1.0) / (place + 4.0)); }

absl::StatusOr<Perplexity> measure(int64_t count, const PerplexityOptions &options) {
  Counting model;
  return measurePerplexity(model, countedTokens(count), options, [](int64_t) { return true; });
}

TEST(PerplexityTest, ScoresEachTokenOnceWithWhatItsWindowHasBeforeIt) {
  // Windows [0, 100), [30, 130), [60, 160), [90, 165).
  absl::StatusOr<Perplexity> result = measure(165, {.window = 100, .stride = 30, .prefix = {}});
  ASSERT_TRUE(result.ok()) << result.status();
  double sum = 0;
  for (int64_t token = 1; token < 165; ++token)
    sum += likelihoodAt(token < 100   ? token
                        : token < 130 ? token - 30
                        : token < 160 ? token - 60
                                      : token - 90);
  EXPECT_EQ(result->tokens, 164);
  EXPECT_EQ(result->windows, 4);
  EXPECT_NEAR(result->sum, sum, 1e-4);
  EXPECT_NEAR(result->value(), std::exp(sum / 164), 1e-5);
  EXPECT_GT(result->standardError(), 0);
}

TEST(PerplexityTest, BeginsEachWindowWithThePrefix) {
  // 3 comes before 0, so that the first token is foreseen too. Windows of 49 tokens.
  absl::StatusOr<Perplexity> result = measure(90, {.window = 50, .stride = 49, .prefix = {3}});
  ASSERT_TRUE(result.ok()) << result.status();
  double sum = 0;
  for (int64_t token = 0; token < 90; ++token)
    sum += token == 49 ? -std::log(1 / 5.0) // 0 is foreseen after 3, and 1 comes
                       : likelihoodAt(1 + (token < 49 ? token : token - 49));
  EXPECT_EQ(result->tokens, 90);
  EXPECT_NEAR(result->sum, sum, 1e-4);
}

TEST(PerplexityTest, TakesTheWidestStrideThatLeavesNothingOut) {
  absl::StatusOr<Perplexity> result = measure(80, {.window = 40, .stride = 39, .prefix = {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, 79);
}

TEST(PerplexityTest, RefusesWhatCannotBeScored) {
  EXPECT_THAT(measure(1, {.window = 10, .stride = 5, .prefix = {}}).status().message(),
              HasSubstr("the text has 1 tokens, expected two"));
  for (const auto &[window, stride] : {std::pair<int64_t, int64_t>{201, 5}, {10, 0}, {10, 10}, {1, 1}})
    EXPECT_THAT(measure(20, {.window = window, .stride = stride, .prefix = {}}).status().message(),
                HasSubstr(absl::StrCat("windows have ", window, " tokens and begin every ", stride)));
}

TEST(PerplexityTest, EndsWhereItIsAskedTo) {
  Counting model;
  EXPECT_EQ(measurePerplexity(model, countedTokens(100), {.window = 10, .stride = 5, .prefix = {}},
                              [](int64_t done) { return done < 20; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

} // namespace
