#include "runtime/core/Sampler.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace llmc::runtime {

absl::Status checkSamplingOptions(const SamplingOptions &options) {
  const auto refuse = [](absl::string_view name, float value, absl::string_view expected) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", expected ", expected));
  };
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    return refuse("temperature", options.temperature, "a number from 0");
  if (options.topK < 0)
    return absl::InvalidArgumentError(absl::StrCat("top-k is ", options.topK, ", expected a number from 0"));
  if (!(options.topP > 0 && options.topP <= 1))
    return refuse("top-p", options.topP, "more than 0 and at most 1");
  if (!(options.minP >= 0 && options.minP <= 1))
    return refuse("min-p", options.minP, "0 to 1");
  if (!(options.repetitionPenalty > 0) || !std::isfinite(options.repetitionPenalty))
    return refuse("repetition penalty", options.repetitionPenalty, "a number above 0");
  return absl::OkStatus();
}

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0], product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

double Sampler::drawUniform() {
  // 53 random bits.
  const uint64_t n = draws++, seed = options.seed;
  const std::array<uint32_t, 4> words =
      philox4x32({static_cast<uint32_t>(n), static_cast<uint32_t>(n >> 32), stream, options.text},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t bits = (static_cast<uint64_t>(words[0]) << 32 | words[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

/// The index of the largest logit, the first of equals. Fails on logits that no model should give.
static absl::StatusOr<int32_t> mostLikely(absl::Span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float best = -kInfinity;
  int32_t id = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] < kInfinity))
      return absl::DataLossError(absl::StrCat("the model computes ", logits[i], " for the logit of token ", i,
                                              ", expected a finite number"));
    if (logits[i] > best) {
      best = logits[i];
      id = static_cast<int32_t>(i);
    }
  }
  if (id < 0)
    return absl::DataLossError("the model computes -inf for all logits, expected a token that is possible");
  return id;
}

absl::StatusOr<int32_t> Sampler::sample(absl::Span<const float> logits, absl::Span<const int32_t> history) {
  if (options.temperature == 0)
    return mostLikely(penalize(logits, history));
  absl::StatusOr<absl::Span<const Candidate>> left = distribution(logits, history);
  if (!left.ok())
    return left.status();
  return draw(*left);
}

absl::StatusOr<absl::Span<const Candidate>> Sampler::distribution(absl::Span<const float> logits,
                                                                  absl::Span<const int32_t> history) {
  logits = penalize(logits, history);
  absl::StatusOr<int32_t> best = mostLikely(logits);
  if (!best.ok())
    return best.status();
  candidates.clear();
  if (options.temperature == 0) {
    candidates.push_back({logits[*best], *best, 1});
    return candidates;
  }
  for (size_t id = 0; id < logits.size(); ++id)
    candidates.push_back({logits[id], static_cast<int32_t>(id), 0});
  keepMostLikely();
  // Relative to the most likely token, whose weight is 1; in f64, so that no temperature overflows.
  for (Candidate &candidate : candidates)
    candidate.weight = std::exp((static_cast<double>(candidate.logit) - logits[*best]) / options.temperature);
  keepNucleus();
  if (options.minP > 0)
    std::erase_if(candidates, [&](const Candidate &candidate) { return candidate.weight < options.minP; });
  return candidates;
}

absl::Span<const float> Sampler::penalize(absl::Span<const float> logits, absl::Span<const int32_t> history) {
  if (options.repetitionPenalty == 1)
    return logits;
  penalized.assign(logits.begin(), logits.end());
  absl::flat_hash_set<int32_t> seen;
  for (int32_t id : history)
    if (id >= 0 && static_cast<size_t>(id) < penalized.size() && seen.insert(id).second)
      penalized[id] = penalized[id] > 0 ? penalized[id] / options.repetitionPenalty
                                        : penalized[id] * options.repetitionPenalty;
  return penalized;
}

bool Candidate::isMoreLikelyThan(const Candidate &other) const {
  return logit != other.logit ? logit > other.logit : id < other.id;
}

void Sampler::keepMostLikely() {
  if (options.topK == 0 || static_cast<size_t>(options.topK) >= candidates.size())
    return;
  std::nth_element(candidates.begin(), candidates.begin() + (options.topK - 1), candidates.end(),
                   [](const Candidate &a, const Candidate &b) { return a.isMoreLikelyThan(b); });
  candidates.resize(options.topK);
  sortById();
}

void Sampler::keepNucleus() {
  if (options.topP == 1)
    return;
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  // A heap, because the nucleus is mostly a handful of a large vocabulary: it moves to the back, most likely
  // first.
  const auto isLess = [](const Candidate &a, const Candidate &b) { return b.isMoreLikelyThan(a); };
  std::make_heap(candidates.begin(), candidates.end(), isLess);
  auto heapEnd = candidates.end();
  for (double kept = 0; kept < options.topP * sum && heapEnd != candidates.begin();) {
    std::pop_heap(candidates.begin(), heapEnd, isLess);
    --heapEnd;
    kept += heapEnd->weight;
  }
  candidates.erase(candidates.begin(), heapEnd);
  sortById();
}

/// Selection and heaps may leave their elements in any order; sums and draws must not depend on it.
void Sampler::sortById() {
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
}

int32_t Sampler::draw(absl::Span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  double rest = drawUniform() * sum;
  const Candidate *drawn = nullptr;
  for (const Candidate &candidate : candidates) {
    if (candidate.weight == 0)
      continue;
    drawn = &candidate;
    rest -= candidate.weight;
    if (rest < 0)
      break;
  }
  return drawn->id;
}

} // namespace llmc::runtime
