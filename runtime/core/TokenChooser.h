//===- TokenChooser.h - rules, then sampling ----------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_TOKENCHOOSER_H
#define LLMC_RUNTIME_CORE_TOKENCHOOSER_H

#include "runtime/core/Generator.h"
#include "runtime/core/Sampler.h"

#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// Chooses the tokens of one generation from a model's logits.
class TokenChooser {
public:
  /// `options` must outlive the result. Draws are those of `stream` (Sampler).
  TokenChooser(const GenerationOptions &options, int64_t vocabulary, uint32_t stream = 0)
      : options(options), vocabulary(vocabulary), sampler(options.sampling, stream) {}

  /// The next token. `logits` has at least the vocabulary; `history` are the tokens of the sequence, `made`
  /// those of the text so far. Fails as rules and sampler do.
  absl::StatusOr<int32_t> choose(absl::Span<const float> logits, absl::Span<const int32_t> history,
                                 absl::Span<const int32_t> made);

  /// What choose() would draw from (Sampler::distribution).
  absl::StatusOr<absl::Span<const Candidate>> distribution(absl::Span<const float> logits,
                                                           absl::Span<const int32_t> history,
                                                           absl::Span<const int32_t> made);
  int32_t draw(absl::Span<const Candidate> candidates) { return sampler.draw(candidates); }
  double drawUniform() { return sampler.drawUniform(); }

private:
  absl::StatusOr<absl::Span<const float>>
  allow(absl::Span<const float> logits, absl::Span<const int32_t> history, absl::Span<const int32_t> made);

  const GenerationOptions &options;
  int64_t vocabulary;
  Sampler sampler;
  std::vector<float> allowed; // [vocabulary]
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_TOKENCHOOSER_H
