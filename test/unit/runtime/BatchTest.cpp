#include "runtime/core/Batch.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <atomic>
#include <numeric>
#include <thread>

using namespace llmc::runtime;
using testing::ElementsAre;

namespace {

constexpr int32_t kRefused = 99;

/// The tokens of each sequence that each common step took.
using Steps = std::vector<std::vector<size_t>>;

/// A model whose logits are the sum of a sequence's tokens.
class Sum : public TokenSequence {
public:
  explicit Sum(Steps &steps) : steps(steps) {}

  int64_t contextLength() const override { return 1000; }
  int64_t vocabularySize() const override { return 1; }
  absl::Span<const int32_t> history() const override { return tokens; }
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, Rows rows) override {
    if (std::find(next.begin(), next.end(), kRefused) != next.end())
      return absl::InvalidArgumentError("a token is refused");
    tokens.insert(tokens.end(), next.begin(), next.end());
    logits.assign(1, std::accumulate(tokens.begin(), tokens.end(), 0.0f));
    return logits;
  }
  using TokenSequence::feed;
  absl::StatusOr<std::vector<absl::Span<const float>>> feedTogether(absl::Span<const Feed> feeds) override {
    steps.emplace_back();
    for (const Feed &feed : feeds) {
      steps.back().push_back(feed.tokens.size());
      if (std::find(feed.tokens.begin(), feed.tokens.end(), kRefused) != feed.tokens.end())
        return absl::InvalidArgumentError("a token is refused");
    }
    return TokenSequence::feedTogether(feeds);
  }
  void reset() override { tokens.clear(); }
  void truncate(int64_t length) override { tokens.resize(length); }
  absl::StatusOr<std::unique_ptr<TokenSequence>> fork() override { return std::make_unique<Sum>(steps); }

private:
  Steps &steps;
  std::vector<int32_t> tokens;
  std::vector<float> logits;
};

class BatchTest : public testing::Test {
protected:
  void open(int64_t count) {
    batch = *Batch::create(first, count, [this] { return isCancelled.load(); });
    for (int64_t i = 0; i < count; ++i)
      members.push_back(std::make_unique<Batch::Member>(*batch, i));
  }

  /// A thread that feeds member `i` these texts, one after the other, then leaves; `found` are the logits
  /// after each, or -1 where it was refused.
  void start(int64_t i, std::vector<std::vector<int32_t>> texts, std::vector<float> &found) {
    threads.emplace_back([member = std::move(members[i]), texts = std::move(texts), &found] {
      for (const std::vector<int32_t> &text : texts) {
        auto logits = member->feed(text);
        found.push_back(logits.ok() ? (*logits)[0] : -1);
      }
    });
  }

  void join() {
    for (std::thread &thread : threads)
      thread.join();
    threads.clear();
  }

  Steps steps;
  Sum first{steps};
  std::atomic<bool> isCancelled = false;
  std::unique_ptr<Batch> batch;
  std::vector<std::unique_ptr<Batch::Member>> members;
  std::vector<std::thread> threads;
};

TEST_F(BatchTest, TakesATokenOfEachInAStep) {
  open(3);
  std::vector<float> found[3];
  start(0, {{1}, {2}, {3}}, found[0]);
  start(1, {{10}, {20}, {30}}, found[1]);
  start(2, {{100}}, found[2]); // and leaves the others alone
  join();
  EXPECT_THAT(found[0], ElementsAre(1, 3, 6));
  EXPECT_THAT(found[1], ElementsAre(10, 30, 60));
  EXPECT_THAT(found[2], ElementsAre(100));
  EXPECT_THAT(steps, ElementsAre(ElementsAre(1, 1, 1), ElementsAre(1, 1), ElementsAre(1, 1)));
}

TEST_F(BatchTest, LetsOthersWriteWhileAPromptIsRead) {
  open(2);
  std::vector<float> found[2];
  start(0, {std::vector<int32_t>(300, 1)}, found[0]);
  start(1, {{1}, {1}, {1}}, found[1]);
  join();
  EXPECT_THAT(found[0], ElementsAre(300));
  EXPECT_THAT(found[1], ElementsAre(1, 2, 3));
  for (std::vector<size_t> &step : steps)
    std::sort(step.begin(), step.end());
  EXPECT_THAT(steps, ElementsAre(ElementsAre(1, 128), ElementsAre(1, 128), ElementsAre(1, 44)));
}

/// Whoever came first is done first, however short what came later is.
TEST_F(BatchTest, ReadsPromptsInTheirOrder) {
  open(3);
  std::vector<float> found[3];
  start(0, {std::vector<int32_t>(200, 1)}, found[0]);
  start(1, {std::vector<int32_t>(200, 1)}, found[1]);
  start(2, {{1}, std::vector<int32_t>(60, 1)}, found[2]);
  join();
  EXPECT_THAT(found[2], ElementsAre(1, 61));
  // 128 of the first prompt; its other 72 and 56 of the second; 128 of that; its last 16 and the third.
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_THAT(steps[1], ElementsAre(72, 56));
  EXPECT_THAT(steps[2], ElementsAre(128));
  EXPECT_THAT(steps[3], ElementsAre(16, 60));
}

TEST_F(BatchTest, RefusesOneAndGoesOnWithTheOthers) {
  open(2);
  std::vector<int32_t> prompt(200, 1);
  prompt[150] = kRefused; // in its second piece
  std::vector<float> found[2];
  start(0, {{1}, prompt, {5}}, found[0]);
  start(1, {{1}, {1}, {1}, {1}}, found[1]);
  join();
  EXPECT_THAT(found[0], ElementsAre(1, -1, 6)) << "what was refused is not part of the sequence";
  EXPECT_THAT(found[1], ElementsAre(1, 2, 3, 4));
}

TEST_F(BatchTest, EndsBeforeTheNextStep) {
  open(2);
  isCancelled = true;
  std::vector<float> found[2];
  start(0, {std::vector<int32_t>(200, 1)}, found[0]);
  start(1, {{1}}, found[1]);
  join();
  EXPECT_THAT(found[0], ElementsAre(-1));
  EXPECT_THAT(found[1], ElementsAre(-1));
  EXPECT_THAT(steps, ElementsAre());
}

} // namespace
