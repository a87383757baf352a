//===- Speculation.h - a small model proposes what a large one checks at once -------------------------===//
#ifndef LLMC_RUNTIME_CORE_SPECULATION_H
#define LLMC_RUNTIME_CORE_SPECULATION_H

#include "runtime/core/TokenChooser.h"

#include <cstdint>
#include <vector>

namespace llmc::runtime {

/// Speculative decoding (Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative
/// Decoding", 2023): the tokens have the distribution that the model alone gives them, and at a temperature
/// of 0 they are the same. To the bit on CPUs; on GPUs steps of one row and of many add up in other orders,
/// which can decide between tokens that are almost equally likely.
class Speculation {
public:
  /// `options.draft` has a sequence. `chooser` chooses the tokens of the text before; all must outlive the
  /// result.
  Speculation(TokenSequence &target, TokenChooser &chooser, const GenerationOptions &options);

  /// What a step decides.
  struct Step {
    std::vector<int32_t> tokens;    ///< one at least
    absl::Span<const float> logits; ///< from which each was chosen, [at least tokens.size(), width]
  };

  /// Feeds `last`, the last token of `made`, and up to `mostProposals` tokens that the draft proposes, to the
  /// target, and decides what comes next. Of the target's sequence only what precedes the last of the tokens
  /// is part of the text. `logits` are valid until the target is fed again.
  absl::StatusOr<Step> run(int64_t mostProposals, const std::vector<int32_t> &made);

  int64_t proposed() const { return proposedTokens; }
  int64_t accepted() const { return acceptedTokens; }

private:
  absl::Status propose(int64_t most, const std::vector<int32_t> &made);
  int32_t drawInstead(absl::Span<const Candidate> target, absl::Span<const Candidate> draft);

  TokenSequence &target;
  TokenSequence &draft;
  const GenerationOptions &options;
  TokenChooser &chooser;
  TokenChooser draftChooser;
  std::vector<int32_t> proposals;
  std::vector<std::vector<Candidate>> drawnFrom; ///< what the draft drew each proposal from
  int64_t proposedTokens = 0, acceptedTokens = 0;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_SPECULATION_H
