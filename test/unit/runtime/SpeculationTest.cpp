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

/// How often each text of three tokens comes after token 0.
std::map<std::vector<int32_t>, int> countTexts(Markov *draft, float temperature, int runs, Generation &last) {
  std::map<std::vector<int32_t>, int> counts;
  for (int run = 0; run < runs; ++run) {
    Markov target(kTarget);
    GenerationOptions options;
    options.sampling.temperature = temperature;
    options.sampling.seed = run;
    options.maxTokens = 3;
    options.draft = {draft, 2};
    const std::vector<int32_t> prompt = {0};
    last = *generate(target, prompt, options, [](int32_t) { return true; });
    ++counts[last.tokens];
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
        for (int32_t c = 0; c < 3; ++c) {
          const double expected = double(kTarget[0][a]) * kTarget[a][b] * kTarget[b][c] * kRuns;
          const auto found = counts.find({a, b, c});
          EXPECT_NEAR(found == counts.end() ? 0 : found->second, expected, 5 * std::sqrt(expected) + 1)
              << "draft " << i << ": " << a << b << c;
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
