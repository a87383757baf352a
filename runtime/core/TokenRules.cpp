#include "runtime/core/TokenRules.h"

#include "absl/algorithm/container.h"

#include <algorithm>
#include <limits>

namespace llmc::runtime {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

static void suppress(absl::Span<float> scores, int32_t token) {
  if (token >= 0 && static_cast<size_t>(token) < scores.size())
    scores[token] = kImpossible;
}

/// Suppresses what has followed the last `length - 1` tokens of `history` before.
static void suppressRepetitions(absl::Span<float> scores, absl::Span<const int32_t> history, size_t length) {
  if (history.size() < length)
    return;
  const absl::Span<const int32_t> end = history.last(length - 1);
  for (size_t start = 0; start + length <= history.size(); ++start)
    if (std::equal(end.begin(), end.end(), history.begin() + start))
      suppress(scores, history[start + length - 1]);
}

static void force(absl::Span<float> scores, int32_t token) {
  absl::c_fill(scores, kImpossible);
  if (token >= 0 && static_cast<size_t>(token) < scores.size())
    scores[token] = 0;
}

absl::Status TokenRules::apply(absl::Span<float> scores, absl::Span<const int32_t> history,
                               absl::Span<const int32_t> made, int64_t maxTokens,
                               absl::Span<const int32_t> stopTokens) const {
  const auto count = static_cast<int64_t>(made.size());
  if (noRepeat > 0)
    suppressRepetitions(scores, history, noRepeat);
  for (int32_t token : suppressed)
    if (!absl::c_linear_search(stopTokens, token))
      suppress(scores, token);
  if (count < minTokens)
    for (int32_t token : stopTokens)
      suppress(scores, token);
  // What is forced below is no part of the form.
  if (constraint)
    if (absl::Status status = constraint->apply(scores, made, stopTokens); !status.ok())
      return status;
  if (first && count == 0)
    force(scores, *first);
  if (last && maxTokens > 0 && count == maxTokens - 1)
    force(scores, *last);
  return absl::OkStatus();
}

} // namespace llmc::runtime
