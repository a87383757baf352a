#include "runtime/core/Sampler.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <map>

using namespace llmc::runtime;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The known answers that come with Random123 1.09, the authors' library (tests/kat_vectors).
TEST(PhiloxTest, KnownAnswers) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

/// How often each token comes in `draws` draws.
std::map<int32_t, int> count(const SamplingOptions &options, const std::vector<float> &logits, int draws,
                             const std::vector<int32_t> &history = {}) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i)
    ++counts[*sampler.sample(logits, history)];
  return counts;
}

std::vector<int32_t> possible(const SamplingOptions &options, const std::vector<float> &logits,
                              const std::vector<int32_t> &history = {}) {
  std::vector<int32_t> ids;
  for (auto [id, times] : count(options, logits, 4000, history))
    ids.push_back(id);
  return ids;
}

/// Logits of these probabilities.
std::vector<float> logitsOf(std::vector<float> probabilities) {
  for (float &value : probabilities)
    value = std::log(value);
  return probabilities;
}

using Ids = std::vector<int32_t>;

TEST(SamplerTest, GreedyTakesTheLowestOfEquals) {
  Sampler sampler({});
  EXPECT_EQ(*sampler.sample({1, 5, 5, 2}, {}), 1);
  EXPECT_EQ(*sampler.sample({-kInfinity, -3, -kInfinity}, {}), 1);
}

TEST(SamplerTest, DrawsWithTheProbabilitiesOfTheSoftmax) {
  const std::vector<float> probabilities = {0.5f, 0.3f, 0.15f, 0.05f};
  constexpr int kDraws = 40000;
  std::map<int32_t, int> counts = count({.temperature = 1, .seed = 1}, logitsOf(probabilities), kDraws);
  for (int id = 0; id < 4; ++id) {
    const double expected = probabilities[id] * kDraws;
    EXPECT_NEAR(counts[id], expected, 5 * std::sqrt(expected)) << id;
  }
  // Temperature 0.5 squares the probabilities: 0.25, 0.09, 0.0225, 0.0025 of 0.365.
  counts = count({.temperature = 0.5f, .seed = 2}, logitsOf(probabilities), kDraws);
  EXPECT_NEAR(counts[0], kDraws * 0.25 / 0.365, 5 * std::sqrt(kDraws * 0.25));
  EXPECT_NEAR(counts[3], kDraws * 0.0025 / 0.365, 5 * std::sqrt(kDraws * 0.0025 / 0.365));
}

TEST(SamplerTest, TopK) {
  const std::vector<float> logits = {1, 3, 2, 3, 0};
  EXPECT_EQ(possible({.temperature = 1, .topK = 1}, logits), (Ids{1})) << "the lowest of equals";
  EXPECT_EQ(possible({.temperature = 1, .topK = 3}, logits), (Ids{1, 2, 3}));
  EXPECT_EQ(possible({.temperature = 5, .topK = 50}, logits), (Ids{0, 1, 2, 3, 4}));
}

TEST(SamplerTest, TopPKeepsTheSmallestSetThatReachesIt) {
  const std::vector<float> logits = logitsOf({0.05f, 0.3f, 0.15f, 0.5f});
  EXPECT_EQ(possible({.temperature = 1, .topP = 0.4f}, logits), (Ids{3}));
  EXPECT_EQ(possible({.temperature = 1, .topP = 0.55f}, logits), (Ids{1, 3}));
  EXPECT_EQ(possible({.temperature = 1, .topP = 0.9f}, logits), (Ids{1, 2, 3}));
  EXPECT_EQ(possible({.temperature = 1, .topP = 0.97f}, logits), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(possible({.temperature = 1, .topP = 1e-6f}, logits), (Ids{3})) << "one token always stays";
}

TEST(SamplerTest, MinPIsRelativeToTheMostLikely) {
  const std::vector<float> logits = logitsOf({0.05f, 0.3f, 0.15f, 0.5f});
  EXPECT_EQ(possible({.temperature = 1, .minP = 0.25f}, logits), (Ids{1, 2, 3}));
  EXPECT_EQ(possible({.temperature = 1, .minP = 0.5f}, logits), (Ids{1, 3}));
  EXPECT_EQ(possible({.temperature = 1, .minP = 1}, logits), (Ids{3}));
}

// In this order, as Hugging Face's generate() has it: temperature comes before top-p and min-p.
TEST(SamplerTest, TemperatureActsBeforeTopPAndMinP) {
  const std::vector<float> logits = logitsOf({0.5f, 0.3f, 0.15f, 0.05f});
  // At 0.5 the first token has 0.68, so that two make 0.9; at 1 it takes three.
  EXPECT_EQ(possible({.temperature = 0.5f, .topP = 0.9f}, logits), (Ids{0, 1}));
  EXPECT_EQ(possible({.temperature = 0.5f, .minP = 0.2f}, logits), (Ids{0, 1}));
  // top-k before top-p: of 0.5 and 0.3 the first is 0.625 of what is left.
  EXPECT_EQ(possible({.temperature = 1, .topK = 2, .topP = 0.6f}, logits), (Ids{0}));
}

TEST(SamplerTest, RepetitionPenaltyDividesOrMultiplies) {
  Sampler sampler({.repetitionPenalty = 2});
  EXPECT_EQ(*sampler.sample({4, 3, 1}, {0}), 1) << "4 / 2 < 3";
  EXPECT_EQ(*sampler.sample({4, 1, 1}, {0, 0, 0}), 0) << "once, however often the token occurs";
  EXPECT_EQ(*sampler.sample({-1, -1.5f}, {0}), 1) << "-1 * 2 < -1.5";
  EXPECT_EQ(*sampler.sample({4, 3}, {7, -2}), 0) << "ids beyond the logits";
}

TEST(SamplerTest, TheSeedDecides) {
  std::vector<float> logits(1000, 0.0f);
  const auto draw = [&](uint64_t seed, uint32_t text = 0) {
    Sampler sampler({.temperature = 1, .seed = seed, .text = text});
    Ids ids;
    for (int i = 0; i < 20; ++i)
      ids.push_back(*sampler.sample(logits, {}));
    return ids;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
  EXPECT_NE(draw(7), draw(7 + (uint64_t{1} << 32)));
  EXPECT_EQ(draw(7, 3), draw(7, 3));
  EXPECT_NE(draw(7, 3), draw(7, 4)) << "and the text";
  // With equal logits the token is floor(1000 u), where u is the first draw of the known answer for key 0:
  // 0x6627e8d5 / 2^32 = 0.39904...
  EXPECT_EQ(draw(0)[0], 399);
}

TEST(SamplerTest, ExtremeLogitsAndTemperatures) {
  EXPECT_EQ(possible({.temperature = 1e-30f}, {3e38f, -3e38f, 2e38f}), (Ids{0}));
  EXPECT_EQ(possible({.temperature = 1e30f}, {3, -kInfinity, 2}), (Ids{0, 2})) << "impossible tokens stay so";
}

TEST(SamplerTest, RefusesLogitsThatAreNoNumbers) {
  Sampler sampler({});
  EXPECT_EQ(sampler.sample({0, NAN}, {}).status(),
            absl::DataLossError("the model computes nan for the logit of token 1, expected a finite number"));
  EXPECT_EQ(sampler.sample({kInfinity, 0}, {}).status(),
            absl::DataLossError("the model computes inf for the logit of token 0, expected a finite number"));
  EXPECT_EQ(sampler.sample({-kInfinity, -kInfinity}, {}).status(),
            absl::DataLossError("the model computes -inf for all logits, expected a token that is possible"));
}

TEST(SamplerTest, RefusesOptionsOutOfRange) {
  EXPECT_TRUE(checkSamplingOptions({}).ok());
  EXPECT_EQ(checkSamplingOptions({.temperature = NAN}).message(),
            "temperature is nan, expected a number from 0");
  EXPECT_EQ(checkSamplingOptions({.topK = -1}).message(), "top-k is -1, expected a number from 0");
  EXPECT_EQ(checkSamplingOptions({.topP = 0}).message(), "top-p is 0, expected more than 0 and at most 1");
  EXPECT_EQ(checkSamplingOptions({.minP = 2}).message(), "min-p is 2, expected 0 to 1");
  EXPECT_EQ(checkSamplingOptions({.repetitionPenalty = 0}).message(),
            "repetition penalty is 0, expected a number above 0");
}

} // namespace
