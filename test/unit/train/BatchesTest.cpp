#include "train/Batches.h"
#include "train/ObjectiveData.h"
#include "train/Schedule.h"

#include "gtest/gtest.h"
#include <cmath>
#include <cstdio>

namespace llmc::train {

namespace {

/// A file with these documents.
TokenFile makeFile(const std::vector<std::vector<int32_t>> &documents, int64_t vocabulary = 100,
                   int64_t groupSize = 1) {
  const std::string path = testing::TempDir() + "/batches.tokens";
  absl::StatusOr<TokenFileWriter> writer = TokenFileWriter::create(path, vocabulary, groupSize);
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
  TokenStream stream(file, {});
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

// A pair begins in the next sequences if its source or its target does not fit, and what is too long is cut.
TEST(Batches, PutSourcesBesideTargets) {
  TokenFile file = makeFile(
      {{10, 11, 1}, {20, 1}, {12, 1}, {21, 22, 1}, {13, 14, 15, 16, 17, 18, 1}, {23, 24, 25, 26, 27, 28, 1}},
      100, 2);
  TokenStream stream(file, {.predicted = Predicted::Target,
                            .packing = Packing::Pairs,
                            .once = true,
                            .sourceLength = 6,
                            .startToken = 9});
  Batch batch;
  stream.next(3, 5, batch);
  EXPECT_EQ(batch.sourceTokens, (Ids{10, 11, 1, 12, 1, 0, 13, 14, 15, 16, 17, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.sourcePositions, (Ids{0, 1, 2, 0, 1, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.sourceSegments, (Ids{0, 0, 0, 2, 2, -1, 5, 5, 5, 5, 5, 5, -3, -3, -3, -3, -3, -3}));
  EXPECT_EQ(batch.tokens, (Ids{9, 20, 9, 21, 22, 9, 23, 24, 25, 26, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 0, 1, 2, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.segments, (Ids{0, 0, 2, 2, 2, 5, 5, 5, 5, 5, -3, -3, -3, -3, -3}));
  EXPECT_EQ(batch.targets, (Ids{20, 1, 21, 22, 1, 23, 24, 25, 26, 1, -1, -1, -1, -1, -1}));
  EXPECT_EQ(batch.targetCount, 10);
  EXPECT_EQ(batch.tokenCount, 10 + 3 + 2 + 6);
  EXPECT_EQ(stream.position().epoch, 1u);
  EXPECT_FALSE(stream.canBeAt({0, 3, 0}));
}

TEST(Batches, GoOnFromAPosition) {
  TokenFile file = makeFile({{1, 2, 3}, {4, 5}, {6, 7, 8, 9}, {10}, {11, 12}});
  const StreamOptions shuffled = {.order = Order::Shuffled, .seed = 7};
  TokenStream first(file, shuffled), second(file, shuffled);
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
  TokenStream stream(file, {});
  EXPECT_TRUE(stream.canBeAt({9, 1, 1}));
  EXPECT_FALSE(stream.canBeAt({0, 1, 2}));
  EXPECT_FALSE(stream.canBeAt({0, 2, 0}));
}

/// A file with labels: of documents, tokens, or numbers.
TokenFile makeLabelledFile(LabelKind kind) {
  const std::string path = testing::TempDir() + "/labelled.tokens";
  absl::StatusOr<TokenFileWriter> writer = TokenFileWriter::create(path, 100);
  EXPECT_TRUE(writer.ok());
  const std::vector<Ids> documents = {{10, 11, 12}, {20, 21, 22, 23, 24, 25}, {30}};
  for (size_t i = 0; i < documents.size(); ++i) {
    Ids labels = {static_cast<int32_t>(i % 2)};
    if (kind == LabelKind::Tokens) {
      labels.assign(documents[i].size(), static_cast<int32_t>(i % 2));
      labels.front() = labels.back() = -1;
    }
    EXPECT_TRUE((kind == LabelKind::Numbers ? writer->append(documents[i], 0.5F * static_cast<float>(i))
                                            : writer->append(documents[i], labels))
                    .ok());
  }
  const std::vector<std::string> names = {"no", "yes"};
  const Ids order = {1, 0};
  EXPECT_TRUE(writer
                  ->commit(kind, kind == LabelKind::Numbers ? std::vector<std::string>() : names,
                           kind == LabelKind::Numbers ? Ids() : order)
                  .ok());
  absl::StatusOr<TokenFile> file = TokenFile::open(path);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

TEST(TokenFile, KeepsLabels) {
  TokenFile documents = makeLabelledFile(LabelKind::Documents);
  EXPECT_EQ(documents.labelKind(), LabelKind::Documents);
  EXPECT_EQ(documents.labelNames(), (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(documents.label(0), 1) << "label 0 was given another number";
  EXPECT_EQ(documents.label(1), 0);
  TokenFile tokens = makeLabelledFile(LabelKind::Tokens);
  EXPECT_EQ(tokens.label(0), -1);
  EXPECT_EQ(tokens.label(1), 1);
  EXPECT_EQ(tokens.label(4), 0);
  EXPECT_EQ(makeLabelledFile(LabelKind::Numbers).number(2), 1.0F);
}

TEST(TokenFile, RefusesLabelsThatHaveNoName) {
  (void)makeLabelledFile(LabelKind::Documents);
  const std::string path = testing::TempDir() + "/labelled.tokens";
  std::FILE *file = std::fopen(path.c_str(), "r+");
  std::fseek(file, -6 - 3 * 4, SEEK_END); // the first label
  std::fputc(7, file);
  std::fclose(file);
  EXPECT_EQ(TokenFile::open(path).status().message(), path + ": is damaged: label 0 is 7 of 2 labels");
}

TEST(Batches, KeepDocumentsWithLabelsWhole) {
  TokenFile file = makeLabelledFile(LabelKind::Documents);
  StreamOptions options;
  options.predicted = Predicted::DocumentLabel;
  options.packing = Packing::Whole;
  options.labelNumbers = {1, 0}; // the model's order is another one
  options.once = true;
  TokenStream stream(file, options);
  Batch batch;
  stream.next(3, 5, batch);
  // The second document is cut, and keeps its last token; behind the last one there is padding.
  EXPECT_EQ(batch.tokens, (Ids{10, 11, 12, 0, 0, 20, 21, 22, 23, 25, 30, 0, 0, 0, 0}));
  EXPECT_EQ(batch.segments, (Ids{0, 0, 0, 3, 3, 5, 5, 5, 5, 5, 10, 11, 11, 11, 11}));
  EXPECT_EQ(batch.targets, (Ids{0, -1, -1, -1, -1, 1, -1, -1, -1, -1, 0, -1, -1, -1, -1}));
  EXPECT_EQ(batch.targetCount, 3);
  EXPECT_EQ(batch.tokenCount, 9);
  EXPECT_EQ(stream.position().epoch, 1u);
}

TEST(Batches, KnowLabelsOfTokensAndNumbers) {
  StreamOptions options;
  options.packing = Packing::Whole;
  options.labelNumbers = {0, 1};
  options.predicted = Predicted::TokenLabels;
  Batch batch;
  TokenFile tokens = makeLabelledFile(LabelKind::Tokens);
  TokenStream(tokens, options).next(2, 5, batch);
  EXPECT_EQ(batch.targets, (Ids{-1, 1, -1, -1, -1, -1, 0, 0, 0, -1}));
  EXPECT_EQ(batch.targetCount, 4);
  options.predicted = Predicted::Number;
  TokenFile numbers = makeLabelledFile(LabelKind::Numbers);
  TokenStream(numbers, options).next(2, 5, batch);
  EXPECT_EQ(batch.targets, (Ids{0, -1, -1, -1, -1, 0, -1, -1, -1, -1}));
  EXPECT_EQ(batch.numbers[5], 0.5F);
}

/// Groups of two documents, of which the parts that are no prompt have a label.
TokenFile makeGroups(const std::vector<Ids> &documents = {
                         {10, 11, 12}, {10, 21, 22, 23, 24}, {30, 31}, {30, 41}}) {
  const std::string path = testing::TempDir() + "/groups.tokens";
  absl::StatusOr<TokenFileWriter> writer = TokenFileWriter::create(path, 100, /*groupSize=*/2);
  EXPECT_TRUE(writer.ok());
  for (const Ids &document : documents) {
    Ids labels(document.size(), 0);
    labels.front() = -1;
    EXPECT_TRUE(writer->append(document, labels).ok());
  }
  const std::vector<std::string> names = {"text"};
  EXPECT_TRUE(writer->commit(LabelKind::Tokens, names, Ids{0}).ok());
  absl::StatusOr<TokenFile> file = TokenFile::open(path);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

TEST(Batches, GiveEachTextOfAGroupASequence) {
  TokenFile file = makeGroups();
  EXPECT_EQ(file.groupSize(), 2);
  StreamOptions options;
  options.packing = Packing::Groups;
  options.predicted = Predicted::Preference;
  Batch batch;
  TokenStream preferences(file, options);
  preferences.next(4, 4, batch);
  // One that is too long loses its beginning.
  EXPECT_EQ(batch.tokens, (Ids{10, 11, 12, 0, 21, 22, 23, 24, 30, 31, 0, 0, 30, 41, 0, 0}));
  EXPECT_EQ(batch.targets, (Ids{11, 12, -1, -1, 22, 23, 24, -1, 31, -1, -1, -1, 41, -1, -1, -1}));
  EXPECT_EQ(batch.choices, (Ids{0, 0}));
  EXPECT_EQ(batch.targetCount, 2);
  EXPECT_EQ(batch.tokenCount, 11);
  EXPECT_EQ(preferences.position().epoch, 1u);
  EXPECT_TRUE(preferences.canBeAt({0, 1, 0}));
  EXPECT_FALSE(preferences.canBeAt({0, 2, 0})) << "groups are counted, not documents";
  options.predicted = Predicted::Partner;
  TokenStream(file, options).next(4, 4, batch);
  EXPECT_EQ(batch.tokens, (Ids{10, 11, 12, 0, 10, 21, 22, 24, 30, 31, 0, 0, 30, 41, 0, 0}));
  EXPECT_EQ(batch.choices, (Ids{0, 1}));
  options.order = Order::Shuffled;
  options.seed = 3;
  TokenStream shuffled(file, options);
  for (int step = 0; step < 8; ++step) {
    shuffled.next(2, 4, batch);
    EXPECT_EQ(batch.tokens[0], batch.tokens[4]) << "a group was torn apart";
  }
}

TEST(Batches, HaveEachGroupOnce) {
  TokenFile file = makeGroups({{10}, {11}, {20}, {21}, {30}, {31}, {40}, {41}, {50}, {51}});
  StreamOptions options;
  options.packing = Packing::Groups;
  options.predicted = Predicted::Partner;
  Batch batch;
  TokenStream training(file, options);
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    training.next(4, 1, batch);
    EXPECT_EQ(batch.tokens, (Ids{10, 11, 20, 21}));
    training.next(4, 1, batch);
    EXPECT_EQ(batch.tokens, (Ids{30, 31, 40, 41}));
    EXPECT_TRUE(training.canBeAt(training.position()));
    EXPECT_EQ(training.position().epoch, epoch) << "the last group is dropped by the next batch";
  }
  options.once = true;
  TokenStream evaluation(file, options);
  evaluation.next(6, 1, batch);
  EXPECT_EQ(batch.choices, (Ids{0, 1, 2}));
  EXPECT_EQ(evaluation.position().epoch, 0u);
  evaluation.next(6, 1, batch);
  EXPECT_EQ(batch.tokens, (Ids{40, 41, 50, 51, 10, 11})) << "candidates are as many as in other batches";
  EXPECT_EQ(batch.choices, (Ids{0, 1, -1}));
  EXPECT_EQ(batch.targetCount, 2);
  EXPECT_EQ(evaluation.position().epoch, 1u);
  TokenStream small(file, options);
  small.next(12, 1, batch);
  EXPECT_EQ(batch.tokens, (Ids{10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 0, 0}));
  EXPECT_EQ(batch.choices, (Ids{0, 1, 2, 3, 4, -1}));
  EXPECT_EQ(batch.targetCount, 5);
}

TEST(Batches, AreNoLargerThanTheirFile) {
  TokenFile file = makeGroups();
  Objective objective;
  objective.mutable_contrastive();
  EXPECT_TRUE(checkGroupCount(file, objective, 4).ok());
  EXPECT_EQ(checkGroupCount(file, objective, 6).message(),
            file.path() +
                ": has 2 groups of texts, expected at least the 3 of a batch (batch.sequences is 6)");
  EXPECT_TRUE(checkGroupCount(file, Objective(), 600).ok());
}

/// Rules for a vocabulary of 100, of which 0 to 9 are special and odd tokens continue words.
runtime::Masking rulesOf(double part, bool wholeWords) {
  runtime::Masking rules;
  rules.set_part(part);
  rules.set_whole_words(wholeWords);
  rules.set_mask_id(4);
  std::string special(13, '\0'), continues(13, '\0');
  special[0] = static_cast<char>(0xff), special[1] = 3;
  for (char &byte : continues)
    byte = static_cast<char>(0xaa);
  rules.set_special(special);
  rules.set_continues_word(continues);
  return rules;
}

TEST(Masking, HidesTheWantedPartInTheWantedWays) {
  const runtime::Masking rules = rulesOf(0.15, false);
  const Masking masking(rules, 100, 3);
  Ids tokens(100000, 50), targets(tokens.size());
  tokens[7] = 2; // special
  const int64_t count = masking.apply(0, 0, absl::MakeSpan(tokens), absl::MakeSpan(targets));
  const auto n = static_cast<double>(tokens.size());
  EXPECT_NEAR(static_cast<double>(count), 0.15 * n, 4 * std::sqrt(0.15 * 0.85 * n));
  int64_t hidden = 0, kept = 0, other = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (targets[i] < 0) {
      EXPECT_EQ(tokens[i], i == 7 ? 2 : 50);
      continue;
    }
    EXPECT_EQ(targets[i], 50);
    hidden += tokens[i] == 4;
    kept += tokens[i] == 50;
    other += tokens[i] != 4 && tokens[i] != 50;
  }
  EXPECT_NEAR(static_cast<double>(hidden) / count, 0.8, 0.015);
  EXPECT_NEAR(static_cast<double>(kept) / count, 0.1, 0.015);
  EXPECT_NEAR(static_cast<double>(other) / count, 0.1, 0.015);
}

TEST(Masking, DependsOnThePlaceAndNotOnTheBatch) {
  const runtime::Masking rules = rulesOf(0.5, false);
  const Masking masking(rules, 100, 3);
  Ids whole(50, 60), targets(50);
  masking.apply(2, 100, absl::MakeSpan(whole), absl::MakeSpan(targets));
  Ids part(20, 60), partTargets(20);
  masking.apply(2, 130, absl::MakeSpan(part), absl::MakeSpan(partTargets));
  EXPECT_EQ(part, Ids(whole.begin() + 30, whole.end()));
  EXPECT_EQ(partTargets, Ids(targets.begin() + 30, targets.end()));
  Ids nextEpoch(50, 60);
  masking.apply(3, 100, absl::MakeSpan(nextEpoch), absl::MakeSpan(targets));
  EXPECT_NE(nextEpoch, whole);
}

TEST(Masking, HidesWholeWords) {
  const runtime::Masking rules = rulesOf(0.3, true);
  const Masking masking(rules, 100, 3);
  Ids tokens, targets(3000);
  for (int i = 0; i < 1000; ++i)
    tokens.insert(tokens.end(), {20, 31, 33});
  const int64_t count = masking.apply(0, 0, absl::MakeSpan(tokens), absl::MakeSpan(targets));
  EXPECT_NEAR(static_cast<double>(count), 900, 200);
  for (size_t word = 0; word < 1000; ++word)
    EXPECT_TRUE((targets[3 * word] < 0) == (targets[3 * word + 1] < 0) &&
                (targets[3 * word] < 0) == (targets[3 * word + 2] < 0));
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
