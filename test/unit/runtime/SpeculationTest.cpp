#include "runtime/core/Speculation.h"

#include "gtest/gtest.h"

#include <array>
#include <cmath>
#include <map>

using namespace llmc::runtime;

namespace {

using Distribution = std::array<float, 3>;

/// A model of three tokens, of which the next depends on the last alone: its probabilities are those of
/// `table`, by the last token.
class Markov : public TokenSequence {
public:
  explicit Markov(std::array<Distribution, 3> table) : table(table) {}

  int64_t contextLength() const override { return 64; }
  int64_t vocabularySize() const override { return 3; }
  absl::Span<const int32_t> history() const override { return tokens; }
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, Rows rows) override {
    tokens.insert(tokens.end(), next.begin(), next.end());
    logits.clear();
    for (int32_t token : rows == Rows::All ? next : next.last(1))
      for (float probability : table[token])
        logits.push_back(std::log(probability));
    return logits;
  }
  using TokenSequence::feed;
  void reset() override { tokens.clear(); }
  void truncate(int64_t length) override { tokens.resize(length); }

private:
  std::array<Distribution, 3> table;
  std::vector<int32_t> tokens;
  std::vector<float> logits;
};

const std::array<Distribution, 3> kTarget = {{{0.6f, 0.3f, 0.1f}, {0.2f, 0.2f, 0.6f}, {0.05f, 0.9f, 0.05f}}};

/// How often each text of four tokens comes after token 0. One more is made, so that two tokens are proposed
/// at once.
std::map<std::vector<int32_t>, int> countTexts(Markov *draft, float temperature, int runs, Generation &last) {
  std::map<std::vector<int32_t>, int> counts;
  for (int run = 0; run < runs; ++run) {
    Markov target(kTarget);
    GenerationOptions options;
    options.sampling.temperature = temperature;
    options.sampling.seed = run;
    options.maxTokens = 5;
    options.draft = {draft, 2};
    const std::vector<int32_t> prompt = {0};
    last = *generate(target, prompt, options, [](int32_t) { return true; });
    ++counts[{last.tokens.begin(), last.tokens.begin() + 4}];
  }
  return counts;
}

/// Whatever the draft holds likely, texts come as often as the target says.
TEST(SpeculationTest, KeepsTheDistributionOfTheTarget) {
  const std::array<std::array<Distribution, 3>, 3> drafts = {
      {kTarget,
       {{{0.1f, 0.1f, 0.8f}, {0.6f, 0.2f, 0.2f}, {0.4f, 0.2f, 0.4f}}},
       {{{1e-6f, 0.5f, 0.5f}, {0.5f, 0.5f, 1e-6f}, {0.5f, 1e-6f, 0.5f}}}}};
  constexpr int kRuns = 30000;
  for (size_t i = 0; i < drafts.size(); ++i) {
    Markov draft(drafts[i]);
    Generation last;
    const auto counts = countTexts(&draft, 1, kRuns, last);
    for (int32_t a = 0; a < 3; ++a)
      for (int32_t b = 0; b < 3; ++b)
        for (int32_t c = 0; c < 3; ++c)
          for (int32_t d = 0; d < 3; ++d) {
            const double expected =
                double(kTarget[0][a]) * kTarget[a][b] * kTarget[b][c] * kTarget[c][d] * kRuns;
            const auto found = counts.find({a, b, c, d});
            EXPECT_NEAR(found == counts.end() ? 0 : found->second, expected, 5 * std::sqrt(expected) + 2)
                << "draft " << i << ": " << a << b << c << d;
          }
    EXPECT_GT(last.stats.proposedTokens, 0);
    if (i == 0)
      EXPECT_EQ(last.stats.acceptedTokens, last.stats.proposedTokens);
  }
}

TEST(SpeculationTest, ObeysTheOtherStepsOfSampling) {
  Markov draft({{{0.1f, 0.1f, 0.8f}, {0.6f, 0.2f, 0.2f}, {0.4f, 0.2f, 0.4f}}}), target(kTarget);
  GenerationOptions options;
  options.sampling.temperature = 1;
  options.sampling.topK = 1;
  options.maxTokens = 5;
  options.draft = {&draft, 3};
  const std::vector<int32_t> prompt = {1};
  const absl::StatusOr<Generation> made = generate(target, prompt, options, [](int32_t) { return true; });
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->tokens, (std::vector<int32_t>{2, 1, 2, 1, 2}));
}

/// Cannot go on behind a 2.
class NothingBehind2 : public TokenConstraint {
public:
  absl::Status apply(absl::Span<float>, absl::Span<const int32_t> made, absl::Span<const int32_t>) override {
    return !made.empty() && made.back() == 2 ? absl::InvalidArgumentError("behind a 2") : absl::OkStatus();
  }
};

TEST(SpeculationTest, FailsOnlyWhereTheTargetGoes) {
  Markov draft({{{0.1f, 0.1f, 0.8f}, {0.1f, 0.1f, 0.8f}, {0.1f, 0.1f, 0.8f}}}), target(kTarget);
  GenerationOptions options;
  options.maxTokens = 5;
  options.rules.constraint = std::make_shared<NothingBehind2>();
  options.draft = {&draft, 3};
  const std::vector<int32_t> fromZero = {0}, fromOne = {1};
  const absl::StatusOr<Generation> made = generate(target, fromZero, options, [](int32_t) { return true; });
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(made->tokens, (std::vector<int32_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(generate(target, fromOne, options, [](int32_t) { return true; }).status().message(),
            "behind a 2");
}

TEST(SpeculationTest, RefusesToBeItsOwnDraft) {
  Markov target(kTarget);
  GenerationOptions options;
  options.draft = {&target, 3};
  const std::vector<int32_t> prompt = {1};
  EXPECT_EQ(generate(target, prompt, options, [](int32_t) { return true; }).status().message(),
            "the draft is the session itself, expected another one");
}

TEST(SpeculationTest, RefusesBeams) {
  Markov draft(kTarget), target(kTarget);
  GenerationOptions options;
  options.beams.count = 2;
  options.draft = {&draft, 3};
  const std::vector<int32_t> prompt = {1};
  EXPECT_EQ(generate(target, prompt, options, [](int32_t) { return true; }).status().message(),
            "there are 2 beams and a draft, expected one beam");
}

} // namespace
