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
  /// Which of the texts of a seed it is: draws of different texts have nothing to do with each other.
  uint32_t text = 0;
};

/// OK, or which option is out of its range.
absl::Status checkSamplingOptions(const SamplingOptions &options);

/// Philox4x32-10, the counter-based generator of Salmon et al. ("Parallel Random Numbers: As Easy as 1, 2,
/// 3", 2011): the four words for a counter under a key. The same on every machine.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A token that may come next.
struct Candidate {
  float logit;
  int32_t id;
  double weight; ///< probability before it is divided by the sum of all

  bool isMoreLikelyThan(const Candidate &other) const;
};

/// Picks tokens. The steps come in the order of Hugging Face's generate(): repetition penalty, temperature,
/// top-k, top-p, min-p, then a draw from what is left. The n-th draw depends only on the seed, the text, the
/// stream, n and the logits.
class Sampler {
public:
  /// `options` have to pass checkSamplingOptions. Draws of different streams have nothing to do with each
  /// other.
  explicit Sampler(const SamplingOptions &options, uint32_t stream = 0) : options(options), stream(stream) {}

  /// The next token, an index into `logits`. `history` are the tokens of the sequence so far, for the
  /// penalty; ids beyond the logits are ignored. Fails if a logit is not a number or is plus infinity, or if
  /// all are minus infinity.
  absl::StatusOr<int32_t> sample(absl::Span<const float> logits, absl::Span<const int32_t> history);

  /// What is left before the draw, by rising id; valid until the next call. At a temperature of 0 that is one
  /// token. Fails as sample() does.
  absl::StatusOr<absl::Span<const Candidate>> distribution(absl::Span<const float> logits,
                                                           absl::Span<const int32_t> history);
  /// Draws one of `candidates`, at least one of which has a weight.
  int32_t draw(absl::Span<const Candidate> candidates);
  /// Draws a number in [0, 1).
  double drawUniform();

private:
  absl::Span<const float> penalize(absl::Span<const float> logits, absl::Span<const int32_t> history);
  void keepMostLikely();
  void keepNucleus();
  void sortById();

  SamplingOptions options;
  uint32_t stream;
  uint64_t draws = 0;
  std::vector<float> penalized; // [vocabulary]
  std::vector<Candidate> candidates;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_SAMPLER_H
