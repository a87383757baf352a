//===- TokenRules.h - which tokens a text may have, and where -----------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_TOKENRULES_H
#define LLMC_RUNTIME_CORE_TOKENRULES_H

#include "absl/status/status.h"
#include "absl/types/span.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace llmc::runtime {

/// A form that a text has to keep to, such as that of a grammar. For one generation at a time.
class TokenConstraint {
public:
  virtual ~TokenConstraint() = default;

  /// Sets the scores of tokens that may not come after `made`, the tokens of the text so far, to minus
  /// infinity, those of `stopTokens` among them unless the text may end there. Ids beyond the scores are
  /// ignored. Fails where no token may come next, and where `made` is no such text.
  virtual absl::Status apply(absl::Span<float> scores, absl::Span<const int32_t> made,
                             absl::Span<const int32_t> stopTokens) = 0;
};

/// What texts have to be, whatever a model's logits say: what its authors demand, and a form. By default
/// anything.
struct TokenRules {
  std::vector<int32_t> suppressed; ///< tokens that no text has, unless they end it
  std::optional<int32_t> first;    ///< what all texts begin with
  std::optional<int32_t> last;     ///< what texts end with that become as long as they may
  /// No so many tokens in a row come twice. 0: they may.
  int32_t noRepeat = 0;
  /// No text ends with fewer tokens.
  int64_t minTokens = 0;

  /// The form of texts, or null.
  std::shared_ptr<TokenConstraint> constraint;

  bool isEmpty() const {
    return suppressed.empty() && !first && !last && noRepeat == 0 && minTokens == 0 && !constraint;
  }

  /// Sets the scores of tokens that may not come next to minus infinity, and of one that must come to 0.
  /// `history` are the tokens of the sequence, `made` those of the text so far, which may have `maxTokens`
  /// (0: any number). Ids beyond the scores are ignored. Fails as the constraint does.
  absl::Status apply(absl::Span<float> scores, absl::Span<const int32_t> history,
                     absl::Span<const int32_t> made, int64_t maxTokens,
                     absl::Span<const int32_t> stopTokens) const;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_TOKENRULES_H
