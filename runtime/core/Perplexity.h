//===- Perplexity.h - how well a model foresees a text ---------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_PERPLEXITY_H
#define LLMC_RUNTIME_CORE_PERPLEXITY_H

#include "runtime/core/TokenSequence.h"

#include "absl/functional/function_ref.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// How a text that is longer than a context is cut.
struct PerplexityOptions {
  /// Tokens that a model sees at once, those of `prefix` included; at most its context.
  int64_t window = 0;
  /// Tokens from one window's begin to the next one's, 1 to mostStride(). Of each window but the first the
  /// last `stride` tokens are scored: smaller strides leave each more to go by, and take longer.
  int64_t stride = 0;
  /// What each window begins with, such as the token that begins texts.
  std::vector<int32_t> prefix;

  /// Strides at which each token has another, or a prefix, before it in its window.
  int64_t mostStride() const { return window - std::max<int64_t>(1, static_cast<int64_t>(prefix.size())); }
};

/// What a model thought of a text.
struct Perplexity {
  int64_t tokens = 0;  ///< that were scored
  int64_t windows = 0; ///< in which
  double sum = 0;      ///< of their negative log likelihoods, in nats
  double squares = 0;  ///< of these, summed

  /// The mean negative log likelihood, and the standard error of it if tokens were independent.
  double mean() const;
  double standardError() const;
  /// exp(mean()).
  double value() const;
};

/// Scores the tokens of `text`: all but the first, and that one too after a prefix, each once. `progress` is
/// told how many tokens of all are done, and ends the work by returning false (Cancelled). Fails as
/// TokenSequence::feed does, where `text` has nothing to score, and where a logit is not finite.
/// Source: "Perplexity of fixed-length models", https://huggingface.co/docs/transformers/perplexity.
absl::StatusOr<Perplexity> measurePerplexity(TokenSequence &model, absl::Span<const int32_t> text,
                                             const PerplexityOptions &options,
                                             absl::FunctionRef<bool(int64_t done)> progress);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_PERPLEXITY_H
