#include "train/Batches.h"
#include "train/Schedule.h"

#include "gtest/gtest.h"
#include <cstdio>

namespace llmc::train {

namespace {

/// A file with these documents.
TokenFile makeFile(const std::vector<std::vector<int32_t>> &documents, int64_t vocabulary = 100) {
  const std::string path = testing::TempDir() + "/batches.tokens";
  absl::StatusOr<TokenFileWriter> writer = TokenFileWriter::create(path, vocabulary);
  EXPECT_TRUE(writer.ok());
  for (const std::vector<int32_t> &document : documents)
    EXPECT_TRUE(writer->append(document).ok());
  EXPECT_TRUE(writer->commit().ok());
  absl::StatusOr<TokenFile> file = TokenFile::open(path);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

using Ids = std::vector<int32_t>;

TEST(TokenFile, KeepsTokensOfEitherSize) {
  for (int64_t vocabulary : {100, 100000}) {
    TokenFile file = makeFile({{1, 2, 3}, {99}, {}}, vocabulary);
    EXPECT_EQ(file.documents(), 2);
    EXPECT_EQ(file.tokens(), 4);
    EXPECT_EQ(file.vocabulary(), 100);
    EXPECT_EQ(file.token(2), 3);
    EXPECT_EQ(file.documentBegin(1), 3);
    EXPECT_EQ(file.documentEnd(1), 4);
  }
}

TEST(TokenFile, RefusesWhatIsNone) {
  const std::string path = testing::TempDir() + "/none.tokens";
  std::FILE *file = std::fopen(path.c_str(), "w");
  std::fputs("text", file);
  std::fclose(file);
  EXPECT_EQ(TokenFile::open(path).status().message(),
            path + ": is no token file, expected one that llmc data pack wrote");
}

TEST(Batches, PackDocumentsAndKeepThemApart) {
  TokenFile file = makeFile({{10, 11, 12}, {20, 21}, {30, 31, 32, 33, 34}});
  TokenStream stream(file, Order::AsStored, 0);
  Batch batch;
  stream.next(2, 4, batch);
  EXPECT_EQ(batch.tokens, (Ids{10, 11, 12, 20, 21, 30, 31, 32}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 2, 0, 0, 0, 1, 2}));
  EXPECT_EQ(batch.segments, (Ids{0, 0, 0, 3, 4, 5, 5, 5}));
  EXPECT_EQ(batch.targets, (Ids{11, 12, -1, 21, -1, 31, 32, 33}));
  EXPECT_EQ(batch.targetCount, 6);
  // What is left of the last document, then the next epoch.
  stream.next(1, 4, batch);
  EXPECT_EQ(batch.tokens, (Ids{33, 34, 10, 11}));
  EXPECT_EQ(stream.position().epoch, 1u);
}

TEST(Batches, GoOnFromAPosition) {
  TokenFile file = makeFile({{1, 2, 3}, {4, 5}, {6, 7, 8, 9}, {10}, {11, 12}});
  TokenStream first(file, Order::Shuffled, 7), second(file, Order::Shuffled, 7);
  Batch expected, found;
  for (int step = 0; step < 9; ++step) {
    second.setPosition(first.position());
    first.next(1, 5, expected);
    second.next(1, 5, found);
    EXPECT_EQ(found.tokens, expected.tokens);
  }
  EXPECT_GT(first.position().epoch, 2u);
}

TEST(Batches, KnowTheirPositions) {
  TokenFile file = makeFile({{1, 2, 3}, {4, 5}});
  TokenStream stream(file, Order::AsStored, 0);
  EXPECT_TRUE(stream.canBeAt({9, 1, 1}));
  EXPECT_FALSE(stream.canBeAt({0, 1, 2}));
  EXPECT_FALSE(stream.canBeAt({0, 2, 0}));
}

TEST(LearningRate, FollowsItsSchedule) {
  train::Run run;
  run.set_steps(101);
  run.set_learning_rate(2);
  run.mutable_schedule()->set_warmup_steps(4);
  run.mutable_schedule()->set_final_fraction(0.5);
  for (Schedule::Kind kind :
       {Schedule::CONSTANT, Schedule::LINEAR, Schedule::COSINE, Schedule::WARMUP_STABLE_DECAY}) {
    run.mutable_schedule()->set_kind(kind);
    run.mutable_schedule()->set_decay_steps(10);
    EXPECT_DOUBLE_EQ(learningRate(run, 0), 0.5);
    EXPECT_DOUBLE_EQ(learningRate(run, 4), 2);
    EXPECT_DOUBLE_EQ(learningRate(run, 100), kind == Schedule::CONSTANT ? 2 : 1);
  }
  run.mutable_schedule()->set_kind(Schedule::INVERSE_SQUARE_ROOT);
  EXPECT_DOUBLE_EQ(learningRate(run, 15), 1);
}

} // namespace

} // namespace llmc::train
