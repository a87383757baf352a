//===- Sampler.h - from logits to the next token ------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_SAMPLER_H
#define LLMC_RUNTIME_CORE_SAMPLER_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <array>
#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// How the next token is drawn. By default it is the most likely one; each of the other options has a default
/// that changes nothing. checkSamplingOptions knows the ranges.
struct SamplingOptions {
  /// Logits are divided by it. 0: always the most likely token (the lowest id of equals).
  float temperature = 0;
  /// Only the so many most likely tokens. 0: all.
  int32_t topK = 0;
  /// Only the most likely tokens that together have this probability (Holtzman et al., 2020). 1: all.
  float topP = 1;
  /// Only tokens at least so likely as this part of the most likely one. 0: all.
  float minP = 0;
  /// Tokens that the sequence already has: positive logits are divided by it, negative ones multiplied
  /// (Keskar et al., 2019). 1: no change.
  float repetitionPenalty = 1;
  /// Of the draws: equal seeds draw equal tokens from equal logits.
  uint64_t seed = 0;
};

/// OK, or which option is out of its range.
absl::Status checkSamplingOptions(const SamplingOptions &options);

/// Philox4x32-10, the counter-based generator of Salmon et al. ("Parallel Random Numbers: As Easy as 1, 2,
/// 3", 2011): the four words for a counter under a key. The same on every machine.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Picks tokens. The steps come in the order of Hugging Face's generate(): repetition penalty, temperature,
/// top-k, top-p, min-p, then a draw from what is left. The n-th draw depends only on the seed, n and the
/// logits.
class Sampler {
public:
  /// `options` have to pass checkSamplingOptions.
  explicit Sampler(const SamplingOptions &options) : options(options) {}

  /// The next token, an index into `logits`. `history` are the tokens of the sequence so far, for the
  /// penalty; ids beyond the logits are ignored. Fails if a logit is not a number or is plus infinity, or if
  /// all are minus infinity.
  absl::StatusOr<int32_t> sample(absl::Span<const float> logits, absl::Span<const int32_t> history);

private:
  struct Candidate {
    float logit;
    int32_t id;
    double weight; ///< probability before it is divided by the sum of all

    bool isMoreLikelyThan(const Candidate &other) const;
  };

  void penalize(absl::Span<const int32_t> history);
  void keepMostLikely();
  void keepNucleus();
  void sortById();
  int32_t draw();

  SamplingOptions options;
  uint64_t draws = 0;
  std::vector<float> penalized; // [vocabulary]
  std::vector<Candidate> candidates;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_SAMPLER_H
