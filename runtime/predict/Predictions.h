//===- Predictions.h - what the outputs of a head say of a text ---------------------------------------===//
#ifndef LLMC_RUNTIME_PREDICT_PREDICTIONS_H
#define LLMC_RUNTIME_PREDICT_PREDICTIONS_H

#include "runtime/core/artifact.pb.h"
#include "runtime/text/Tokenizer.h"

#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::predict {

/// A label and how much it holds.
struct LabelScore {
  std::string label;
  float output; ///< of the model
  /// The probability of the label; of a regression the output itself.
  double score;
};

/// All labels of a row of outputs, those of the highest scores first.
std::vector<LabelScore> scoreLabels(const runtime::Head &head, absl::Span<const float> outputs);

/// A token and how likely it stands at a place.
struct TokenScore {
  int32_t id;
  double score;
};

/// The `count` likeliest of all tokens, of which `logits` has one each, the likeliest first.
std::vector<TokenScore> likeliestTokens(absl::Span<const float> logits, size_t count);

/// A part of a text with a label.
struct Entity {
  std::string label;
  double score;         ///< the mean over its tokens
  text::ByteRange text; ///< in the text
};

/// The likeliest label of each token that is of a text, "O" too. `outputs` are [tokens, width].
std::vector<Entity> labelTokens(const runtime::Head &head, absl::Span<const text::PlacedToken> tokens,
                                absl::Span<const float> outputs);

/// Entities: neighbouring tokens whose labels differ at most in B- and I-, up to a B-, without those labelled
/// "O". This is what transformers calls the aggregation "simple".
std::vector<Entity> mergeTokens(absl::Span<const Entity> tokens);

/// A part of a passage that answers a question.
struct Answer {
  text::ByteRange text;
  double score;
};

/// Answers to a question, and that there is none.
struct Answers {
  std::vector<Answer> best; ///< the likeliest first
  /// The probability of the place that stands for no answer: the first token.
  double none;
};

/// The `count` likeliest parts of the second text that have at most `maxTokens` tokens. `outputs` are
/// [tokens, width], of which the first two are the logits of the answer's first and last token.
Answers findAnswers(absl::Span<const text::PlacedToken> tokens, absl::Span<const float> outputs, size_t count,
                    size_t maxTokens);

} // namespace llmc::predict

#endif // LLMC_RUNTIME_PREDICT_PREDICTIONS_H
