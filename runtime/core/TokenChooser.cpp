#include "runtime/core/TokenChooser.h"

namespace llmc::runtime {

absl::StatusOr<absl::Span<const float>> TokenChooser::allow(absl::Span<const float> logits,
                                                            absl::Span<const int32_t> history,
                                                            absl::Span<const int32_t> made) {
  // Widths beyond the vocabulary are padding.
  const absl::Span<const float> scores = logits.first(vocabulary);
  if (options.rules.isEmpty())
    return scores;
  allowed.assign(scores.begin(), scores.end());
  if (absl::Status status =
          options.rules.apply(absl::MakeSpan(allowed), history, made, options.maxTokens, options.stopTokens);
      !status.ok())
    return status;
  return absl::MakeConstSpan(allowed);
}

absl::StatusOr<int32_t> TokenChooser::choose(absl::Span<const float> logits,
                                             absl::Span<const int32_t> history,
                                             absl::Span<const int32_t> made) {
  absl::StatusOr<absl::Span<const float>> scores = allow(logits, history, made);
  return scores.ok() ? sampler.sample(*scores, history) : scores.status();
}

absl::StatusOr<absl::Span<const Candidate>> TokenChooser::distribution(absl::Span<const float> logits,
                                                                       absl::Span<const int32_t> history,
                                                                       absl::Span<const int32_t> made) {
  absl::StatusOr<absl::Span<const float>> scores = allow(logits, history, made);
  return scores.ok() ? sampler.distribution(*scores, history) : scores.status();
}

} // namespace llmc::runtime
