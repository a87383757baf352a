//===- TokenRules.h - which tokens a text may have, and where -----------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_TOKENRULES_H
#define LLMC_RUNTIME_CORE_TOKENRULES_H

#include "absl/types/span.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace llmc::runtime {

/// What a model's authors demand of its texts, whatever its logits say. By default nothing.
struct TokenRules {
  std::vector<int32_t> suppressed; ///< tokens that no text has, unless they end it
  std::optional<int32_t> first;    ///< what all texts begin with
  std::optional<int32_t> last;     ///< what texts end with that become as long as they may
  /// No so many tokens in a row come twice. 0: they may.
  int32_t noRepeat = 0;
  /// No text ends with fewer tokens.
  int64_t minTokens = 0;

  bool isEmpty() const { return suppressed.empty() && !first && !last && noRepeat == 0 && minTokens == 0; }

  /// Sets the scores of tokens that may not come next to minus infinity, and of one that must come to 0.
  /// `history` are the tokens of the sequence, of which the text so far has `made`; it may have `maxTokens`
  /// (0: any number). Ids beyond the scores are ignored.
  void apply(absl::Span<float> scores, absl::Span<const int32_t> history, int64_t made, int64_t maxTokens,
             absl::Span<const int32_t> stopTokens) const;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_TOKENRULES_H
