#include "runtime/core/Generator.h"
#include "runtime/core/Session.h"

#include "TinyArtifact.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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
