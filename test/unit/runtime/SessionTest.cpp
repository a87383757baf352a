#include "runtime/core/Session.h"

#include "TinyArtifact.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace llmc::runtime;
using namespace llmc::runtime::test;
using testing::ElementsAre;
using testing::FloatNear;

namespace {

std::shared_ptr<const Artifact> load(Manifest manifest) {
  const std::string path = freshPath("session.llmc");
  EXPECT_EQ(writeTiny(path, std::move(manifest)), absl::OkStatus());
  absl::StatusOr<std::shared_ptr<const Artifact>> artifact = Artifact::load(path);
  EXPECT_EQ(artifact.status(), absl::OkStatus());
  unlink(path.c_str());
  return artifact.ok() ? *artifact : nullptr;
}

std::unique_ptr<Session> makeSession(Manifest manifest) {
  return *Session::create(load(std::move(manifest)), {.threads = 2});
}

/// Which token has the logit 1.
int next(absl::Span<const float> logits) {
  return static_cast<int>(std::find(logits.begin(), logits.begin() + 11, 1.0f) - logits.begin());
}

TEST(SessionTest, FeedsInPiecesOfTheLargestStep) {
  std::unique_ptr<Session> session = makeSession(generatorManifest());
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  absl::StatusOr<absl::Span<const float>> logits = session->feed(tokens);
  ASSERT_TRUE(logits.ok());
  ASSERT_EQ(logits->size(), 12u);
  EXPECT_EQ(next(*logits), (45 + 3) % 11);
  EXPECT_EQ((*logits)[11], 101) << "9 tokens are two steps of 4 rows and one of 1";
  EXPECT_EQ(session->position(), 9);
  EXPECT_EQ(session->history(), absl::MakeConstSpan(tokens));

  logits = session->feed({2, 2, 2});
  ASSERT_TRUE(logits.ok());
  EXPECT_EQ(next(*logits), (51 + 3) % 11);
  EXPECT_EQ((*logits)[11], 103);
}

TEST(SessionTest, ReturnsAllRowsWhenAsked) {
  std::unique_ptr<Session> session = makeSession(generatorManifest());
  absl::StatusOr<absl::Span<const float>> logits = session->feed({1, 2, 3, 4, 5, 6}, Rows::All);
  ASSERT_TRUE(logits.ok());
  ASSERT_EQ(logits->size(), 6 * 12u);
  for (int row = 0, sum = 3; row < 6; ++row) {
    sum += row + 1;
    EXPECT_EQ(next(logits->subspan(row * 12)), sum % 11) << row;
  }
}

TEST(SessionTest, ResetForgetsTokensAndClearsTheCache) {
  std::unique_ptr<Session> session = makeSession(generatorManifest());
  ASSERT_TRUE(session->feed({1, 2, 3, 4}).ok());
  session->reset();
  EXPECT_EQ(session->position(), 0);
  absl::StatusOr<absl::Span<const float>> logits = session->feed({7});
  ASSERT_TRUE(logits.ok());
  EXPECT_EQ(next(*logits), 10) << "the tiny model gives no token when it finds old entries in the cache";
}

TEST(SessionTest, FeedSequenceComputesOnlyWhatIsNew) {
  std::unique_ptr<Session> session = makeSession(generatorManifest());
  ASSERT_TRUE(session->feedSequence({1, 2, 3, 4}).ok());
  EXPECT_EQ(session->reusableTokens({1, 2, 3, 4, 5}), 4);
  absl::StatusOr<absl::Span<const float>> logits = session->feedSequence({1, 2, 3, 4, 5});
  ASSERT_TRUE(logits.ok());
  EXPECT_EQ(next(*logits), (15 + 3) % 11);
  EXPECT_EQ((*logits)[11], 101) << "one row";
  // What sequences begin with alike is not computed again, but one token is.
  for (std::vector<int32_t> tokens : {std::vector<int32_t>{1, 2, 3, 4, 5}, {1, 2, 4}, {7, 2}}) {
    const int64_t reused = session->reusableTokens(tokens);
    EXPECT_EQ(reused, tokens.size() == 5 ? 4 : tokens.size() == 3 ? 2 : 0);
    logits = session->feedSequence(tokens);
    ASSERT_TRUE(logits.ok());
    int sum = 3;
    for (int token : tokens)
      sum += token;
    EXPECT_EQ(next(*logits), sum % 11);
    EXPECT_EQ((*logits)[11], 100 + tokens.size() - reused);
    EXPECT_EQ(session->history(), absl::MakeConstSpan(tokens));
  }
}

TEST(SessionTest, TruncateForgetsTheLastTokens) {
  std::unique_ptr<Session> session = makeSession(generatorManifest());
  ASSERT_TRUE(session->feed({1, 2, 3, 4}).ok());
  session->truncate(2);
  EXPECT_EQ(session->position(), 2);
  absl::StatusOr<absl::Span<const float>> logits = session->feed({9});
  ASSERT_TRUE(logits.ok());
  EXPECT_EQ(next(*logits), (1 + 2 + 9 + 3) % 11);
}

TEST(SessionTest, RefusesWhatItCannotHold) {
  std::unique_ptr<Session> session = makeSession(generatorManifest());
  EXPECT_EQ(
      session->feed(std::vector<int32_t>(17, 1)).status(),
      absl::OutOfRangeError("the input has 17 tokens, but the artifact was compiled for a context of 16"));
  ASSERT_TRUE(session->feed(std::vector<int32_t>(10, 1)).ok());
  EXPECT_EQ(
      session->feed(std::vector<int32_t>(7, 1)).status(),
      absl::OutOfRangeError("the input has 7 tokens after the 10 before them, but the artifact was compiled "
                            "for a context of 16"));
  EXPECT_EQ(session->feed({1, 11}).status(), absl::InvalidArgumentError("token 1 is 11, expected 0 to 10"));
  EXPECT_EQ(session->feed({-1}).status(), absl::InvalidArgumentError("token 0 is -1, expected 0 to 10"));
  EXPECT_EQ(session->feed({}).status().message(), "no tokens were given, expected at least one");
  EXPECT_EQ(session->position(), 10) << "nothing was fed";
  EXPECT_TRUE(session->feed(std::vector<int32_t>(6, 1)).ok())
      << "the context can be filled to the last token";
  EXPECT_EQ(session->embed({1}).status().message(), "the artifact makes logits, not embeddings");
}

TEST(SessionTest, ManySessionsShareAnArtifactAndATeam) {
  std::shared_ptr<const Artifact> artifact = load(generatorManifest());
  std::shared_ptr<Team> team = *Team::create({.threads = 2});
  std::unique_ptr<Session> one = *Session::create(artifact, team), two = *Session::create(artifact, team);
  artifact.reset();
  for (int i = 1; i < 10; ++i) {
    EXPECT_EQ(next(*one->feed({1})), (i + 3) % 11);
    EXPECT_EQ(next(*two->feed({2})), (2 * i + 3) % 11);
  }
  one.reset();
  EXPECT_EQ(next(*two->feed({2})), (20 + 3) % 11);
}

TEST(SessionTest, SaysHowMuchMemoryItCannotGet) {
  Manifest manifest = generatorManifest();
  manifest.set_cache_bytes(uint64_t{1} << 46);
  absl::StatusOr<std::unique_ptr<Session>> session = Session::create(load(manifest), {.threads = 1});
  EXPECT_EQ(session.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(session.status().message()),
              testing::StartsWith("cannot get 70368744177664 bytes for the cache: "));
}

// The hidden states of the tokens 4, 5, 1 are w * {4, 15, 21} with w = {3, -1, 0.5}.
TEST(SessionTest, PoolsEmbeddings) {
  const std::vector<int32_t> text = {4, 5, 1};
  EXPECT_THAT(*makeSession(encoderManifest(Pooling::MEAN, false))->embed(text),
              ElementsAre(FloatNear(40, 1e-5f), FloatNear(-40 / 3.0f, 1e-5f), FloatNear(20 / 3.0f, 1e-5f)));
  EXPECT_THAT(*makeSession(encoderManifest(Pooling::CLS, false))->embed(text), ElementsAre(12, -4, 2));
  EXPECT_THAT(*makeSession(encoderManifest(Pooling::MAX, false))->embed(text), ElementsAre(63, -4, 10.5));
  EXPECT_THAT(*makeSession(encoderManifest(Pooling::LAST, false))->embed(text), ElementsAre(63, -21, 10.5));
  // (4 + 2 * 15 + 3 * 21) / 6 = 97 / 6
  EXPECT_THAT(
      *makeSession(encoderManifest(Pooling::WEIGHTED_MEAN, false))->embed(text),
      ElementsAre(FloatNear(48.5f, 1e-5f), FloatNear(-97 / 6.0f, 1e-5f), FloatNear(97 / 12.0f, 1e-5f)));
  const float norm = std::sqrt(12.0f * 12 + 4 * 4 + 2 * 2);
  EXPECT_THAT(
      *makeSession(encoderManifest(Pooling::CLS, true))->embed(text),
      ElementsAre(FloatNear(12 / norm, 1e-6f), FloatNear(-4 / norm, 1e-6f), FloatNear(2 / norm, 1e-6f)));
  // A zero vector has no direction.
  EXPECT_THAT(*makeSession(encoderManifest(Pooling::CLS, true))->embed({0}), ElementsAre(0, 0, 0));
}

TEST(SessionTest, EmbedsOneTextAtATime) {
  std::unique_ptr<Session> session = makeSession(encoderManifest(Pooling::CLS, false));
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(*session->embed({4, 5, 1}), ElementsAre(12, -4, 2));
  EXPECT_EQ(session->embed(std::vector<int32_t>(9, 1)).status().message(),
            "the input has 9 tokens, but the artifact was compiled for texts of at most 8");
  EXPECT_EQ(session->embed(std::vector<int32_t>(17, 1)).status().message(),
            "the input has 17 tokens, but the artifact was compiled for a context of 16");
  EXPECT_EQ(session->feed({1}).status().message(), "the artifact makes embeddings, not logits");
}

TEST(SessionTest, PredictsForTheTokensThatAreAskedFor) {
  std::unique_ptr<Session> session = makeSession(predictorManifest());
  EXPECT_THAT(*session->predict({4, 5, 1}, {0, 1, 1}, {2}), ElementsAre(64, -20, 11.5));
  EXPECT_THAT(*session->predict({4, 5, 1}, {}, {2, 0}), ElementsAre(63, -21, 10.5, 12, -4, 2));
  EXPECT_EQ(session->predict({4, 5}, {0, 2}, {0}).status().message(),
            "token 1 is of type 2, expected 0 to 1");
  EXPECT_EQ(session->predict({4, 5}, {0}, {0}).status().message(),
            "there are 1 token types, expected one for each of 2 tokens");
  EXPECT_EQ(session->predict({4, 5}, {}, {2}).status().message(),
            "output 0 is wanted of token 2, expected each of 0 to 1 at most once");
  EXPECT_EQ(session->predict(std::vector<int32_t>(9, 1), std::vector<int32_t>(9, 0), {0}).status().message(),
            "the input has 9 tokens, but the artifact was compiled for texts of at most 8");
  EXPECT_EQ(session->embed({1}).status().message(), "the artifact makes predictions, not embeddings");
  EXPECT_EQ(session->feed({1}).status().message(), "the artifact makes predictions, not logits");
  EXPECT_EQ(makeSession(generatorManifest())->predict({1}, {}, {0}).status().message(),
            "the artifact makes logits, not predictions");
}

} // namespace
