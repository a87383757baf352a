#include "runtime/core/TokenSequence.h"

#include <algorithm>

namespace llmc::runtime {

absl::StatusOr<std::unique_ptr<TokenSequence>> TokenSequence::fork() {
  return absl::UnimplementedError(
      "this engine continues one text at a time, expected no beams and no texts beside it");
}

absl::Status TokenSequence::copyFrom(const TokenSequence &) {
  return absl::UnimplementedError(
      "this engine continues one text at a time, expected no beams and no texts beside it");
}

absl::StatusOr<std::vector<absl::Span<const float>>>
TokenSequence::feedTogether(absl::Span<const Feed> feeds) {
  std::vector<absl::Span<const float>> logits;
  for (const Feed &feed : feeds) {
    absl::StatusOr<absl::Span<const float>> made = feed.sequence->feed(feed.tokens);
    if (!made.ok())
      return made.status();
    logits.push_back(*made);
  }
  return logits;
}

int64_t TokenSequence::reusableTokens(absl::Span<const int32_t> sequence) const {
  if (readsSource() || sequence.empty())
    return 0;
  // One token at least has to be fed, to get its outputs.
  const absl::Span<const int32_t> fed = history(), reusable = sequence.first(sequence.size() - 1);
  return std::mismatch(fed.begin(), fed.end(), reusable.begin(), reusable.end()).first - fed.begin();
}

absl::StatusOr<absl::Span<const float>> TokenSequence::feedSequence(absl::Span<const int32_t> sequence) {
  const int64_t reused = reusableTokens(sequence);
  if (reused == 0)
    reset();
  else
    truncate(reused);
  return feed(sequence.subspan(reused));
}

} // namespace llmc::runtime
