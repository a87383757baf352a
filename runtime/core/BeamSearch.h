//===- BeamSearch.h - several continuations side by side ----------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_BEAMSEARCH_H
#define LLMC_RUNTIME_CORE_BEAMSEARCH_H

#include "runtime/core/TokenRules.h"
#include "runtime/core/TokenSequence.h"

#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// When a search has enough finished texts.
enum class EarlyStopping {
  No,    ///< when the best text in the making, were it finished now, would not be among them
  Yes,   ///< when there are as many as beams
  Never, ///< when no text in the making can get among them, however long it becomes
};

/// How a search goes. The rules are those of Hugging Face's generate().
struct BeamOptions {
  /// Texts that are continued side by side. 1: no search.
  int32_t count = 1;
  /// A finished text of n tokens, the one that ends it included, is worth its log probability divided by n to
  /// this power: above 0 prefers longer texts, below 0 shorter ones.
  float lengthPenalty = 1;
  EarlyStopping earlyStopping = EarlyStopping::No;
};

/// What is searched for.
struct BeamTask {
  BeamOptions options;
  /// Tokens that the text may have, the one that ends it included.
  int64_t maxTokens = 1;
  std::vector<int32_t> stopTokens; ///< what ends a text
  /// Multiplies log probabilities of tokens that the sequence already has.
  float repetitionPenalty = 1;
  TokenRules rules;
};

/// Most beams that a search may have.
inline constexpr int32_t kMostBeams = 64;

/// OK, or which option is out of its range.
absl::Status checkBeamOptions(const BeamOptions &options);

/// A text that a search has found.
struct BeamResult {
  std::vector<int32_t> tokens; ///< without the one that ended it
  bool isEnded = false;        ///< by a stop token; else it is as long as it may be
  int64_t steps = 0;           ///< rows that were computed after the prompt
};

/// Continues `sequence`, which has been fed and gives `logits` next, by the text that is worth most. What is
/// fed to `sequence` meanwhile is not said. Fails where forks do, and if logits are not finite.
absl::StatusOr<BeamResult> searchBeams(TokenSequence &sequence, absl::Span<const float> logits,
                                       const BeamTask &task);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_BEAMSEARCH_H
