// What generation promises of compiled decoders, whatever their attention: caches that are cut, drafts, and
// log probabilities.

#include "absl/strings/str_cat.h"
#include "runtime/core/Generator.h"
#include "test/e2e/CompiledModel.h"
#include <algorithm>
#include <cmath>

using namespace llmc;
using namespace llmc::test;

namespace {

class DecoderGeneration : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    Golden golden(absl::StrCat(GetParam(), "/golden.safetensors"));
    tokens = golden.read<int32_t>("tokens");
    greedy = golden.read<int32_t>("greedy");
    logits = golden.read<float>("logits");
    codegen::CompileOptions options;
    options.computeType = "f32";
    auto artifact = compileAndLoad(kGolden + GetParam(), options);
    ASSERT_TRUE(artifact);
    session = makeSession(artifact, 2);
  }

  runtime::Generation run(const runtime::GenerationOptions &options) {
    auto made = runtime::generate(*session, tokens, options, [](int32_t) { return true; });
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.ok() ? *made : runtime::Generation();
  }

  std::unique_ptr<runtime::Session> session;
  std::vector<int32_t> tokens, greedy;
  std::vector<float> logits; // [tokens.size(), vocabulary]
};

/// To the bit the same logits after a prefix that was computed for another sequence, which was longer.
TEST_P(DecoderGeneration, ReusesWhatSequencesBeginWith) {
  auto whole = session->feedSequence(tokens);
  ASSERT_TRUE(whole.ok());
  const std::vector<float> expected(whole->begin(), whole->end());
  for (size_t common : {size_t(1), tokens.size() / 2, tokens.size() - 1}) {
    std::vector<int32_t> other(tokens.begin(), tokens.begin() + common);
    for (size_t i = 0; other.size() < tokens.size() + 20; ++i)
      other.push_back((tokens[common] + 1 + static_cast<int32_t>(i)) % session->vocabularySize());
    ASSERT_TRUE(session->feedSequence(other).ok());
    EXPECT_EQ(session->reusableTokens(tokens), common);
    auto again = session->feedSequence(tokens);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(std::vector<float>(again->begin(), again->end()), expected) << common;
  }
}

TEST_P(DecoderGeneration, TellsTheLogProbabilitiesOfTransformers) {
  runtime::GenerationOptions options;
  options.maxTokens = 1;
  options.logProbabilities = 5;
  const runtime::Generation made = run(options);
  ASSERT_EQ(made.scores.size(), 1u);
  const size_t vocabulary = logits.size() / tokens.size();
  std::vector<float> last(logits.end() - vocabulary, logits.end());
  double sum = 0;
  for (float logit : last)
    sum += std::exp(double(logit));
  EXPECT_NEAR(made.scores[0].logProbability, last[greedy[0]] - std::log(sum), 1e-3);
  ASSERT_EQ(made.scores[0].best.size(), 5u);
  std::vector<float> sorted = last;
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  for (int i = 0; i < 5; ++i) {
    const auto [token, logProbability] = made.scores[0].best[i];
    EXPECT_NEAR(logProbability, sorted[i] - std::log(sum), 1e-3) << i;
    EXPECT_NEAR(last[token], sorted[i], 1e-3) << i;
  }
}

TEST_P(DecoderGeneration, WritesTheSameWithADraft) {
  codegen::CompileOptions options;
  options.computeType = "f32";
  runtime::GenerationOptions generation;
  generation.maxTokens = 40;
  const runtime::Generation alone = run(generation);
  for (const char *name : {GetParam(), "qwen2-odd"}) {
    auto artifact = compileAndLoad(kGolden + name, options);
    ASSERT_TRUE(artifact);
    auto draft = runtime::Session::create(artifact, session->team());
    ASSERT_TRUE(draft.ok());
    if ((*draft)->vocabularySize() != session->vocabularySize())
      continue;
    generation.draft = {draft->get(), 3};
    const runtime::Generation made = run(generation);
    EXPECT_EQ(made.tokens, alone.tokens) << name;
    EXPECT_EQ(made.reason, alone.reason);
    if (name == std::string(GetParam()))
      EXPECT_EQ(made.stats.acceptedTokens, made.stats.proposedTokens) << "it knows what the model writes";
  }
}

INSTANTIATE_TEST_SUITE_P(, DecoderGeneration,
                         testing::Values("llama-odd", "mistral-window", "qwen3-window", "gemma2-odd",
                                         "gemma3-odd", "gpt2-odd", "qwen2moe-odd"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace
