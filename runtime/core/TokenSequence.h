//===- TokenSequence.h - what continues a sequence of tokens ------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_TOKENSEQUENCE_H
#define LLMC_RUNTIME_CORE_TOKENSEQUENCE_H

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace llmc::runtime {

/// Which rows of what is fed the caller wants.
enum class Rows { Last, All };

class TokenSequence;

/// What one of several sequences is fed.
struct Feed {
  TokenSequence *sequence;
  absl::Span<const int32_t> tokens;
};

/// A sequence of tokens that a model reads one after the other: a session, or another engine.
class TokenSequence {
public:
  virtual ~TokenSequence() = default;

  /// The most tokens that the sequence can have.
  virtual int64_t contextLength() const = 0;
  /// Tokens that there are; what the model gives beyond is padding.
  virtual int64_t vocabularySize() const = 0;
  /// The tokens that were fed since the last reset.
  virtual absl::Span<const int32_t> history() const = 0;
  /// Whether the model reads a source before it writes.
  virtual bool readsSource() const { return false; }
  /// Appends `next` to the sequence. Returns the logits of what comes after its last row, [width], or after
  /// each of its rows, [next.size(), width], where a width is at least vocabularySize(); valid until the next
  /// call. Refuses an empty `next`, ids outside of the vocabulary, and what the context cannot hold; the
  /// sequence is then as it was.
  virtual absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, Rows rows) = 0;
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next) {
    return feed(next, Rows::Last);
  }
  /// Feeds several sequences, this one or forks of it, each at most once. Returns the logits of what comes
  /// after the last token of each, in their order, as `feed` gives them; valid until the next call on any of
  /// them. Sessions compute them in common steps, which read the model's weights once for all, and refuse all
  /// if `feed` would refuse one. By default they are fed one after the other, up to one that is refused.
  virtual absl::StatusOr<std::vector<absl::Span<const float>>> feedTogether(absl::Span<const Feed> feeds);
  /// Forgets the sequence.
  virtual void reset() = 0;
  /// Forgets all tokens but the first `length`, which is at most the number of them.
  virtual void truncate(int64_t length) = 0;

  /// Another sequence with the same tokens, to be continued in another way. It must not outlive this one, nor
  /// be fed at the same time. Fails where the engine cannot keep several.
  virtual absl::StatusOr<std::unique_ptr<TokenSequence>> fork();
  /// Makes this what `other` is. Both are forks of one sequence (or it itself) that has not begun anew since.
  virtual absl::Status copyFrom(const TokenSequence &other);

  /// Makes `sequence` the tokens of this and returns the logits of what comes next. What it begins with and
  /// was fed already is not computed again. Of a model that reads a source, `sequence` is the source, and its
  /// own text begins.
  virtual absl::StatusOr<absl::Span<const float>> feedSequence(absl::Span<const int32_t> sequence);

  /// The number of tokens at the start of `sequence` that feedSequence would not compute again.
  int64_t reusableTokens(absl::Span<const int32_t> sequence) const;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_TOKENSEQUENCE_H
