#include "runtime/core/LogProbabilities.h"

#include "absl/algorithm/container.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace llmc::runtime {

absl::StatusOr<TokenScore> scoreToken(absl::Span<const float> logits, int32_t token, int32_t alternatives) {
  const double largest = *absl::c_max_element(logits);
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(logit - largest);
  if (!std::isfinite(largest) || !std::isfinite(sum))
    return absl::DataLossError("the model computes logits that are not finite, expected numbers");
  const double normalizer = largest + std::log(sum);

  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const size_t count = std::min(ids.size(), static_cast<size_t>(alternatives));
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  TokenScore score{logits[token] - normalizer, {}};
  for (size_t i = 0; i < count; ++i)
    score.best.push_back({ids[i], logits[ids[i]] - normalizer});
  return score;
}

} // namespace llmc::runtime
