//===- Masking.h - which tokens are hidden and predicted --------------------------------------------------===//
#ifndef LLMC_TRAIN_MASKING_H
#define LLMC_TRAIN_MASKING_H

#include "absl/types/span.h"
#include "runtime/core/artifact.pb.h"

#include <cstdint>

namespace llmc::train {

/// Masked tokens (Devlin et al., 2019): some are chosen to be predicted, of which eight of ten become the
/// mask token, one a random token, and one stays. A choice depends on the seed, the epoch and the token's
/// place in its file only, whatever batch it is in and however many threads there are.
class Masking {
public:
  /// `rules` say which tokens can be chosen; the vocabulary has `vocabulary` tokens.
  Masking(const runtime::Masking &rules, int64_t vocabulary, uint64_t seed)
      : rules(rules), vocabulary(vocabulary), seed(seed) {}

  /// Hides some of `tokens`, which begin at place `begin` of their file. `targets` get the tokens that were
  /// chosen, and -1 for others. Returns how many were chosen.
  int64_t apply(uint64_t epoch, int64_t begin, absl::Span<int32_t> tokens, absl::Span<int32_t> targets) const;

private:
  bool isSpecial(int32_t token) const;
  bool continuesWord(int32_t token) const;

  const runtime::Masking &rules;
  const int64_t vocabulary;
  const uint64_t seed;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_MASKING_H
