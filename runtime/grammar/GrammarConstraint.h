//===- GrammarConstraint.h - which tokens a grammar allows --------------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_GRAMMARCONSTRAINT_H
#define LLMC_RUNTIME_GRAMMAR_GRAMMARCONSTRAINT_H

#include "runtime/core/TokenRules.h"
#include "runtime/grammar/Automaton.h"
#include "runtime/grammar/Grammar.h"
#include "runtime/grammar/TokenTrie.h"
#include "runtime/text/Tokenizer.h"

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmc::grammar {

/// Texts that are of a grammar, in the tokens of a model. Tokens may end within a character or go over from
/// one rule to another: what counts are their bytes. Which tokens are allowed in a state is worked out once,
/// so that most steps take the time of setting the scores of the others.
class GrammarConstraint : public runtime::TokenConstraint {
public:
  /// Fails as makeNetwork() does. Nothing of `tokenizer` is kept.
  static absl::StatusOr<std::shared_ptr<GrammarConstraint>> create(const Grammar &grammar,
                                                                   const text::Tokenizer &tokenizer);

  absl::Status apply(absl::Span<float> scores, absl::Span<const int32_t> made,
                     absl::Span<const int32_t> stopTokens) override;

private:
  explicit GrammarConstraint(ByteNetwork network) : automaton(std::move(network)) {}

  /// Where a text is.
  struct Progress {
    Automaton::State state;
    text::TokenPlace place; ///< of the next token
  };

  /// Makes `progress` that of `made`, from what it has in common with the last text.
  absl::Status follow(absl::Span<const int32_t> made);
  Progress advance(Progress from, int32_t token);
  const TokenSet &allowedTokens(const Progress &progress);
  void forgetStates();

  Automaton automaton;
  std::vector<std::string> startTexts,
      insideTexts; ///< bytes of tokens by their place; the first may be empty
  std::optional<TokenTrie> startTrie, insideTrie;
  std::vector<int32_t> text;      ///< that was asked about last
  std::vector<Progress> progress; ///< before each of its tokens, and behind all
  absl::flat_hash_map<Automaton::State, TokenSet> startSets, insideSets;
};

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_GRAMMARCONSTRAINT_H
