// What generation promises of compiled decoders, whatever their attention: caches that are cut, drafts, and
// log probabilities.

#include "absl/strings/str_cat.h"
#include "runtime/core/Batch.h"
#include "runtime/core/Generator.h"
#include "test/e2e/CompiledModel.h"
#include <algorithm>
#include <cmath>
#include <thread>

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

/// To the bit the same logits of prompts and of what comes behind them, whatever is computed beside them and
/// however steps cut them up; in the precision of the checkpoint, whose kernels of one row and of many differ
/// most.
TEST_P(DecoderGeneration, ComputesSequencesInCommonSteps) {
  codegen::CompileOptions options;
  options.rowsPerStep = 7;
  auto artifact = compileAndLoad(kGolden + GetParam(), options);
  ASSERT_TRUE(artifact);
  auto first = makeSession(artifact, 2), single = makeSession(artifact, 2);
  std::vector<std::unique_ptr<runtime::TokenSequence>> forks;
  std::vector<runtime::TokenSequence *> sequences{first.get()};
  for (int i = 0; i < 4; ++i) {
    auto fork = first->fork();
    ASSERT_TRUE(fork.ok());
    forks.push_back(*std::move(fork));
    sequences.insert(i % 2 ? sequences.begin() : sequences.end(), forks.back().get());
  }
  // Of different lengths, one of them a single token, and none like another.
  std::vector<std::vector<int32_t>> texts;
  for (size_t i = 0; i < sequences.size(); ++i) {
    texts.emplace_back(tokens.begin() + i, tokens.begin() + i + 1 + i * (tokens.size() / 2 - 4) / 4);
    texts.back().front() = static_cast<int32_t>(i + 1);
  }
  for (int turn = 0; turn < 3; ++turn) {
    std::vector<runtime::Feed> feeds;
    for (size_t i = 0; i < sequences.size(); ++i) {
      if (turn > 0)
        texts[i].push_back(static_cast<int32_t>(3 * i + turn));
      feeds.push_back({sequences[i], absl::MakeConstSpan(texts[i]).last(turn == 0 ? texts[i].size() : 1)});
    }
    auto together = first->feedTogether(feeds);
    ASSERT_TRUE(together.ok()) << together.status().message();
    for (size_t i = 0; i < sequences.size(); ++i) {
      EXPECT_EQ(sequences[i]->history(), absl::MakeConstSpan(texts[i]));
      single->reset();
      auto alone = single->feed(texts[i]);
      ASSERT_TRUE(alone.ok());
      EXPECT_EQ((*together)[i], *alone) << "sequence " << i << ", turn " << turn;
    }
  }
}

/// Threads write the same texts as each would alone, when they come and go at any time.
TEST_P(DecoderGeneration, WritesTheSameInABatch) {
  runtime::GenerationOptions options;
  options.sampling.temperature = 1;
  const auto promptOf = [&](int text) {
    return absl::MakeConstSpan(tokens).first(1 + text * 3 % tokens.size());
  };
  const auto optionsOf = [&](int text) {
    runtime::GenerationOptions own = options;
    own.sampling.text = text;
    own.maxTokens = 3 + 5 * (text % 4);
    return own;
  };
  constexpr int kTexts = 10, kThreads = 3;
  auto batch = runtime::Batch::create(*session, kThreads);
  ASSERT_TRUE(batch.ok());
  std::vector<std::vector<int32_t>> made(kTexts);
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<runtime::Batch::Member>> members; // all enter before one begins
  for (int thread = 0; thread < kThreads; ++thread)
    members.push_back(std::make_unique<runtime::Batch::Member>(**batch, thread));
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      const std::unique_ptr<runtime::Batch::Member> own = std::move(members[thread]);
      runtime::Batch::Member &member = *own;
      for (int text = thread; text < kTexts; text += kThreads) {
        auto generation =
            runtime::generate(member, promptOf(text), optionsOf(text), [](int32_t) { return true; });
        if (generation.ok())
          made[text] = generation->tokens;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  for (int text = 0; text < kTexts; ++text) {
    auto alone = runtime::generate(*session, promptOf(text), optionsOf(text), [](int32_t) { return true; });
    ASSERT_TRUE(alone.ok());
    EXPECT_FALSE(alone->tokens.empty());
    EXPECT_EQ(made[text], alone->tokens) << text;
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
