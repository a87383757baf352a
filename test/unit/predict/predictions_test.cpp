// What outputs of heads say, by hand.

#include "runtime/predict/Predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace llmc::predict {
namespace {

using runtime::Head;
using testing::ElementsAre;
using testing::IsEmpty;
using text::PlacedToken;

Head headOf(std::vector<std::string> labels, Head::Problem problem = Head::SINGLE_LABEL) {
  Head head;
  head.set_problem(problem);
  for (const std::string &label : labels)
    head.add_labels(label);
  return head;
}

std::vector<std::string> labelsOf(const std::vector<LabelScore> &scores) {
  std::vector<std::string> labels;
  for (const LabelScore &score : scores)
    labels.push_back(score.label);
  return labels;
}

/// As `text` is cut into words of one character, behind a token of the template.
std::vector<PlacedToken> placed(size_t count, int32_t which = 0) {
  std::vector<PlacedToken> tokens = {{0, 0, -1, {0, 0}}};
  for (size_t i = 0; i < count; ++i)
    tokens.push_back({1, 0, which, {2 * i, 2 * i + 1}});
  return tokens;
}

/// Outputs of which the label `chosen` of each token has a logit of 2, all others have 0.
std::vector<float> choosing(const std::vector<int> &chosen, size_t width) {
  std::vector<float> outputs(chosen.size() * width, 0.0F);
  for (size_t i = 0; i < chosen.size(); ++i)
    outputs[i * width + chosen[i]] = 2;
  return outputs;
}

TEST(Labels, ScoresAreProbabilitiesOfOneLabelOrOfEach) {
  // What stands behind the labels is padding.
  const std::vector<float> outputs = {0, std::log(3.0F), 0, 100};
  std::vector<LabelScore> one = scoreLabels(headOf({"a", "b", "c"}), outputs);
  EXPECT_THAT(labelsOf(one), ElementsAre("b", "a", "c"));
  EXPECT_NEAR(one[0].score, 0.6, 1e-6);
  EXPECT_NEAR(one[1].score, 0.2, 1e-6);
  EXPECT_EQ(one[0].output, outputs[1]);
  std::vector<LabelScore> each = scoreLabels(headOf({"a", "b", "c"}, Head::MULTI_LABEL), outputs);
  EXPECT_NEAR(each[0].score, 0.75, 1e-6);
  EXPECT_NEAR(each[1].score, 0.5, 1e-6);
  std::vector<LabelScore> number = scoreLabels(headOf({"a"}, Head::REGRESSION), {-2.5F, 7});
  ASSERT_EQ(number.size(), 1U);
  EXPECT_EQ(number[0].score, -2.5);
}

TEST(Labels, LargeOutputsAreNoTrouble) {
  std::vector<LabelScore> scores = scoreLabels(headOf({"a", "b"}), {-1000, 1000});
  EXPECT_EQ(scores[0].score, 1);
  EXPECT_EQ(scores[1].score, 0);
}

TEST(Tokens, TheLikeliestComeFirstAndOfEqualOnesThatOfTheLowestId) {
  std::vector<TokenScore> tokens = likeliestTokens({1, 2, 1, 2, 0}, 3);
  ASSERT_EQ(tokens.size(), 3U);
  EXPECT_EQ(tokens[0].id, 1);
  EXPECT_EQ(tokens[1].id, 3);
  EXPECT_EQ(tokens[2].id, 0);
  EXPECT_EQ(likeliestTokens({1, 2}, 5).size(), 2U);
}

TEST(Entities, FollowTheScheme) {
  const Head head = headOf({"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
  //                         template  P  P  P(new)  -  L  P
  const std::vector<int> chosen = {1, 1, 2, 1, 0, 4, 2};
  const auto tokens = placed(6);
  std::vector<Entity> labels = labelTokens(head, tokens, choosing(chosen, 8));
  ASSERT_EQ(labels.size(), 6U) << "the template's token has none";
  std::vector<Entity> entities = mergeTokens(labels);
  ASSERT_EQ(entities.size(), 4U);
  EXPECT_EQ(entities[0].label, "PER");
  EXPECT_EQ(entities[0].text, (text::ByteRange{0, 3}));
  EXPECT_NEAR(entities[0].score, labels[0].score, 1e-12);
  EXPECT_EQ(entities[1].label, "PER");
  EXPECT_EQ(entities[1].text, (text::ByteRange{4, 5})) << "B- begins another";
  EXPECT_EQ(entities[2].label, "LOC");
  EXPECT_EQ(entities[3].text, (text::ByteRange{10, 11}));
  EXPECT_THAT(mergeTokens({}), IsEmpty());
}

TEST(Answers, AreSpansOfThePassage) {
  std::vector<PlacedToken> tokens = placed(2, 0), passage = placed(3, 1);
  tokens.insert(tokens.end(), passage.begin() + 1, passage.end());
  //                             none  question        passage: start at its 1st, end at its 3rd token
  const std::vector<float> outputs = {0, 0, 50, 50, 50, 50, 3, 0, 0, 0, 0, 3};
  Answers answers = findAnswers(tokens, outputs, 2, 15);
  ASSERT_EQ(answers.best.size(), 2U);
  EXPECT_EQ(answers.best[0].text, (text::ByteRange{0, 5}));
  const double likely = std::exp(3.0) / (std::exp(3.0) + 3);
  EXPECT_NEAR(answers.best[0].score, likely * likely, 1e-9);
  EXPECT_NEAR(answers.none, 1 / (std::exp(3.0) + 3) / (std::exp(3.0) + 3), 1e-9);
  // The whole passage is too long an answer.
  answers = findAnswers(tokens, outputs, 1, 2);
  ASSERT_EQ(answers.best.size(), 1U);
  EXPECT_NE(answers.best[0].text, (text::ByteRange{0, 5}));
}

} // namespace
} // namespace llmc::predict
