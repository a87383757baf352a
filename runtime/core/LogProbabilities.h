//===- LogProbabilities.h - how likely a model holds tokens -------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_LOGPROBABILITIES_H
#define LLMC_RUNTIME_CORE_LOGPROBABILITIES_H

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// A token and the natural logarithm of its probability.
struct TokenLogProbability {
  int32_t token;
  double logProbability;
};

/// What a model thought of a token before it was chosen: the log-softmax of the logits as they are, before
/// rules, penalties and temperature.
struct TokenScore {
  double logProbability; ///< of the token
  /// The most likely tokens, itself perhaps among them, the most likely first (the lowest id of equals).
  std::vector<TokenLogProbability> best;
};

/// The score of `token`, an index into `logits`, beside those of the `alternatives` most likely tokens (all,
/// where there are fewer). Fails if the logits have no finite maximum or not-a-numbers among them.
absl::StatusOr<TokenScore> scoreToken(absl::Span<const float> logits, int32_t token, int32_t alternatives);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_LOGPROBABILITIES_H
