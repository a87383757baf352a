#include "runtime/core/Generator.h"
#include "runtime/core/Session.h"

#include "TinyArtifact.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <numeric>

using namespace llmc::runtime;
using namespace llmc::runtime::test;
using testing::ElementsAre;

namespace {

class GeneratorTest : public testing::Test {
protected:
  void SetUp() override {
    const std::string path = freshPath("generator.llmc");
    ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
    session = *Session::create(*Artifact::load(path), {.threads = 2});
    unlink(path.c_str());
  }

  absl::StatusOr<Generation> run(std::vector<int32_t> prompt, const GenerationOptions &options) {
    seen.clear();
    return generate(*session, prompt, options, [&](int32_t token) {
      seen.push_back(token);
      return seen.size() != cancelAfter;
    });
  }

  std::unique_ptr<Session> session;
  std::vector<int32_t> seen;
  size_t cancelAfter = 0;
};

// From 1, 2 the sums are 6, 12, 13, 15, 19, 27, 43, ... and the tokens those mod 11.
TEST_F(GeneratorTest, StopsAtTheWantedNumberOfTokens) {
  absl::StatusOr<Generation> result = run({1, 2}, {.maxTokens = 5});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->tokens, ElementsAre(6, 1, 2, 4, 8));
  EXPECT_EQ(result->tokens, seen);
  EXPECT_EQ(result->reason, FinishReason::MaxTokens);
  EXPECT_EQ(session->position(), 6) << "the last token is not fed";
  EXPECT_EQ(result->stats.promptTokens, 2);
  EXPECT_EQ(result->stats.decodedTokens, 4);
  EXPECT_GT(result->stats.promptSeconds, 0);
  EXPECT_GE(result->stats.firstTokenSeconds, result->stats.promptSeconds);
  EXPECT_GT(result->stats.decodeSeconds, 0);
  EXPECT_GT(result->stats.peakResidentBytes, 1u << 20);
}

TEST_F(GeneratorTest, StopsAtAStopToken) {
  absl::StatusOr<Generation> result = run({1, 2}, {.maxTokens = 5, .stopTokens = {9, 4}});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->tokens, ElementsAre(6, 1, 2));
  EXPECT_EQ(result->reason, FinishReason::StopToken);
  EXPECT_EQ(seen, result->tokens) << "the stop token is not reported";
}

TEST_F(GeneratorTest, StopsWhenTheContextIsFull) {
  absl::StatusOr<Generation> result = run({1, 2}, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reason, FinishReason::Context);
  EXPECT_EQ(result->tokens.size(), 15u) << "14 more that fill the context, and what comes after them";
  EXPECT_EQ(session->position(), 16);
}

TEST_F(GeneratorTest, StopsWhenTheCallerSaysSo) {
  cancelAfter = 2;
  absl::StatusOr<Generation> result = run({1, 2}, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reason, FinishReason::Caller);
  EXPECT_THAT(result->tokens, ElementsAre(6, 1));
}

TEST_F(GeneratorTest, ContinuesAConversation) {
  ASSERT_TRUE(run({1, 2}, {.maxTokens = 3}).ok());
  absl::StatusOr<Generation> result = run({1, 2, 6, 1, 2, 3}, {.maxTokens = 1});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->tokens, ElementsAre((1 + 2 + 6 + 1 + 2 + 3 + 3) % 11));
  EXPECT_EQ(result->stats.promptTokens, 2) << "the last token made and the new one";
  EXPECT_EQ(result->stats.reusedTokens, 4);
}

TEST_F(GeneratorTest, TellsLogProbabilities) {
  absl::StatusOr<Generation> result = run({1, 2}, {.maxTokens = 2, .logProbabilities = 3});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->scores.size(), 2u);
  const double sum = std::exp(1.0) + 10; // the logits of 11 tokens are 0, but one
  for (const TokenScore &score : result->scores)
    EXPECT_NEAR(score.logProbability, 1 - std::log(sum), 1e-12);
  const std::vector<TokenLogProbability> &best = result->scores[0].best;
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].token, 6);
  EXPECT_EQ(best[1].token, 0) << "the lowest of equals";
  EXPECT_EQ(best[2].token, 1);
  EXPECT_NEAR(best[1].logProbability, -std::log(sum), 1e-12);
}

TEST_F(GeneratorTest, GoesOnInAShiftedContext) {
  absl::StatusOr<Generation> result = run({1, 2}, {.maxTokens = 40, .keepOnShift = 2});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reason, FinishReason::MaxTokens);
  ASSERT_EQ(result->tokens.size(), 40u);
  // Of 17 tokens, the one that has no room among them, the first 2 and the last 7 stay; then there is room
  // for 7 more before the next shift.
  std::vector<int32_t> text = {1, 2};
  int64_t shifts = 0;
  for (int32_t token : result->tokens) {
    EXPECT_EQ(token, std::accumulate(text.begin(), text.end(), 3) % 11);
    text.push_back(token);
    if (text.size() > 16) {
      text.erase(text.begin() + 2, text.end() - 7);
      ++shifts;
    }
  }
  EXPECT_EQ(result->stats.shifts, shifts);
  EXPECT_GE(shifts, 3);
}

TEST_F(GeneratorTest, CutsPromptsThatAreTooLongForAShiftedContext) {
  std::vector<int32_t> prompt(30);
  std::iota(prompt.begin(), prompt.end(), 0);
  for (int32_t &token : prompt)
    token %= 11;
  absl::StatusOr<Generation> result = run(prompt, {.maxTokens = 1, .keepOnShift = 4});
  ASSERT_TRUE(result.ok()) << result.status().message();
  // The first 4 and the last 6 of the prompt.
  EXPECT_THAT(result->tokens, ElementsAre((0 + 1 + 2 + 3 + 2 + 3 + 4 + 5 + 6 + 7 + 3) % 11));
  EXPECT_EQ(result->stats.shifts, 1);
  EXPECT_EQ(run({1}, {.keepOnShift = 15}).status().message(),
            "15 tokens are to be kept when the context is full, expected 0 to 14");
}

/// A draft with the same code proposes what comes, another one never does; the text is the same.
TEST_F(GeneratorTest, WritesTheSameWithADraft) {
  for (int64_t maxTokens : {0, 1, 5, 8})
    for (const std::vector<int32_t> &stopTokens : {std::vector<int32_t>(), std::vector<int32_t>{9}}) {
      session->reset();
      const absl::StatusOr<Generation> expected =
          run({1, 2}, {.maxTokens = maxTokens, .stopTokens = stopTokens, .logProbabilities = 0});
      ASSERT_TRUE(expected.ok());
      const std::vector<int32_t> fed(session->history().begin(), session->history().end());
      for (const char *module : {LLMC_TINY_MODULE, LLMC_OTHER_TINY_MODULE})
        for (int32_t count : {1, 3, 20}) {
          const std::string path = freshPath("draft.llmc");
          ASSERT_EQ(writeTiny(path, generatorManifest(), {3, -1, 0.5f}, module), absl::OkStatus());
          const std::unique_ptr<Session> draft = *Session::create(*Artifact::load(path), session->team());
          unlink(path.c_str());
          session->reset();
          const absl::StatusOr<Generation> found = run({1, 2}, {.maxTokens = maxTokens,
                                                                .stopTokens = stopTokens,
                                                                .logProbabilities = 0,
                                                                .draft = {draft.get(), count}});
          ASSERT_TRUE(found.ok()) << found.status().message();
          EXPECT_EQ(found->tokens, expected->tokens);
          EXPECT_EQ(found->tokens, seen);
          EXPECT_EQ(found->reason, expected->reason);
          EXPECT_EQ(found->stats.decodedTokens, expected->stats.decodedTokens);
          EXPECT_EQ(found->scores.size(), found->tokens.size());
          EXPECT_EQ(session->history(), absl::MakeConstSpan(fed));
          if (maxTokens != 1)
            EXPECT_GT(found->stats.proposedTokens, 0);
          EXPECT_EQ(found->stats.acceptedTokens,
                    module == std::string(LLMC_TINY_MODULE) ? found->stats.proposedTokens : 0);
        }
    }
}

TEST_F(GeneratorTest, NeverDrawsPadding) {
  // Column 11 of the output has the largest value and is no token.
  absl::StatusOr<Generation> result =
      run({1}, {.sampling = {.temperature = 100, .seed = 5}, .maxTokens = 15});
  ASSERT_TRUE(result.ok());
  for (int32_t token : result->tokens)
    EXPECT_LT(token, 11);
}

TEST_F(GeneratorTest, RefusesBadOptionsAndLongPrompts) {
  EXPECT_EQ(run({1}, {.sampling = {.temperature = -1}}).status().message(),
            "temperature is -1, expected a number from 0");
  EXPECT_EQ(run(std::vector<int32_t>(20, 1), {}).status().message(),
            "the input has 20 tokens, but the artifact was compiled for a context of 16");
  EXPECT_TRUE(seen.empty());
}

} // namespace
