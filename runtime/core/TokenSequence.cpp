#include "runtime/core/TokenSequence.h"

#include <algorithm>

namespace llmc::runtime {

absl::StatusOr<std::unique_ptr<TokenSequence>> TokenSequence::fork() {
  return absl::UnimplementedError("this engine continues a text in one way only, expected one beam");
}

absl::Status TokenSequence::copyFrom(const TokenSequence &) {
  return absl::UnimplementedError("this engine continues a text in one way only, expected one beam");
}

int64_t TokenSequence::reusableTokens(absl::Span<const int32_t> sequence) const {
  const absl::Span<const int32_t> fed = history();
  // One token at least has to be fed, to get its outputs.
  const bool extends = fed.size() < sequence.size() && std::equal(fed.begin(), fed.end(), sequence.begin());
  return extends ? static_cast<int64_t>(fed.size()) : 0;
}

absl::StatusOr<absl::Span<const float>> TokenSequence::feedSequence(absl::Span<const int32_t> sequence) {
  if (reusableTokens(sequence) == 0)
    reset();
  return feed(sequence.subspan(history().size()));
}

} // namespace llmc::runtime
