//===- TokenCuts.h - the ways to cut a token into two tokens --------------===//

#ifndef LLMC_TOKENIZER_TOKEN_CUTS_H
#define LLMC_TOKENIZER_TOKEN_CUTS_H

#include <cstdint>
#include <utility>
#include <vector>

#include "frontend/tokenizer/TokenizerModelBuilder.h"

namespace llmc::tokenizer {

/// The cuts of the tokens of a vocabulary into two tokens of it. All of them are found in time that is linear
/// in the bytes of the vocabulary, but for a sort: a file of strangers may have tokens of any length.
class TokenCuts {
public:
  /// Keeps a reference to `ids`.
  explicit TokenCuts(const TokenIds &ids);

  /// Left and right token of each cut of the token `id`, the shortest left one first. Empty if `id` is not
  /// the first token of its text.
  std::vector<std::pair<uint32_t, uint32_t>> of(uint32_t id) const;

private:
  const TokenIds &ids;
  // By id, the longest other token that a token begins and ends with.
  std::vector<uint32_t> longestPrefix, longestSuffix;
};

} // namespace llmc::tokenizer

#endif
