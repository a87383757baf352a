#include "runtime/predict/Predictions.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace llmc::predict {

namespace {

constexpr absl::string_view kOutside = "O"; // of the BIO scheme

/// exp(logits) divided by their sum.
std::vector<double> softmax(absl::Span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> result;
  result.reserve(logits.size());
  for (float logit : logits)
    result.push_back(std::exp(static_cast<double>(logit) - largest));
  const double sum = std::accumulate(result.begin(), result.end(), 0.0);
  for (double &value : result)
    value /= sum;
  return result;
}

/// A label without the B- or I- of the BIO scheme.
absl::string_view nameOf(absl::string_view label) {
  if (!absl::ConsumePrefix(&label, "B-"))
    absl::ConsumePrefix(&label, "I-");
  return label;
}

} // namespace

std::vector<LabelScore> scoreLabels(const runtime::Head &head, absl::Span<const float> outputs) {
  const absl::Span<const float> logits = outputs.first(head.labels_size());
  std::vector<double> scores(logits.begin(), logits.end());
  if (head.problem() == runtime::Head::SINGLE_LABEL)
    scores = softmax(logits);
  if (head.problem() == runtime::Head::MULTI_LABEL)
    for (double &score : scores)
      score = 1 / (1 + std::exp(-score));
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  std::vector<LabelScore> labels;
  for (int i : order)
    labels.push_back({head.labels(i), logits[i], scores[i]});
  return labels;
}

std::vector<TokenScore> likeliestTokens(absl::Span<const float> logits, size_t count) {
  const std::vector<double> scores = softmax(logits);
  std::vector<TokenScore> tokens;
  for (size_t id = 0; id < scores.size(); ++id)
    tokens.push_back({static_cast<int32_t>(id), scores[id]});
  count = std::min(count, tokens.size());
  std::partial_sort(tokens.begin(), tokens.begin() + count, tokens.end(),
                    [](const TokenScore &a, const TokenScore &b) {
                      return a.score != b.score ? a.score > b.score : a.id < b.id;
                    });
  tokens.resize(count);
  return tokens;
}

std::vector<Entity> labelTokens(const runtime::Head &head, absl::Span<const text::PlacedToken> tokens,
                                absl::Span<const float> outputs) {
  const size_t width = outputs.size() / tokens.size();
  std::vector<Entity> entities;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].text < 0)
      continue;
    const LabelScore best = scoreLabels(head, outputs.subspan(i * width, width)).front();
    entities.push_back({best.label, best.score, tokens[i].bytes});
  }
  return entities;
}

std::vector<Entity> mergeTokens(absl::Span<const Entity> tokens) {
  std::vector<Entity> merged;
  for (size_t i = 0; i < tokens.size();) {
    const absl::string_view name = nameOf(tokens[i].label);
    Entity entity{std::string(name), 0, tokens[i].text};
    size_t end = i;
    do {
      entity.score += tokens[end].score;
      entity.text.end = tokens[end].text.end;
      ++end;
    } while (end < tokens.size() && nameOf(tokens[end].label) == name &&
             !absl::StartsWith(tokens[end].label, "B-"));
    entity.score /= static_cast<double>(end - i);
    i = end;
    if (name != kOutside)
      merged.push_back(std::move(entity));
  }
  return merged;
}

Answers findAnswers(absl::Span<const text::PlacedToken> tokens, absl::Span<const float> outputs, size_t count,
                    size_t maxTokens) {
  const size_t width = outputs.size() / tokens.size();
  // The places of an answer, behind the first token, which stands for none.
  std::vector<size_t> places = {0};
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].text == 1)
      places.push_back(i);
  std::vector<float> starts, ends;
  for (size_t place : places) {
    starts.push_back(outputs[place * width]);
    ends.push_back(outputs[place * width + 1]);
  }
  const std::vector<double> startScores = softmax(starts), endScores = softmax(ends);
  Answers answers{{}, startScores[0] * endScores[0]};
  auto isBetter = [](const Answer &a, const Answer &b) { return a.score > b.score; };
  for (size_t first = 1; first < places.size(); ++first)
    for (size_t last = first; last < std::min(places.size(), first + maxTokens); ++last) {
      const Answer answer{{tokens[places[first]].bytes.begin, tokens[places[last]].bytes.end},
                          startScores[first] * endScores[last]};
      if (answers.best.size() == count && !isBetter(answer, answers.best.back()))
        continue;
      auto place = std::upper_bound(answers.best.begin(), answers.best.end(), answer, isBetter);
      answers.best.insert(place, answer);
      answers.best.resize(std::min(answers.best.size(), count));
    }
  return answers;
}

} // namespace llmc::predict
