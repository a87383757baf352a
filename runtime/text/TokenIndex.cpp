//===- TokenIndex.cpp - the vocabulary, by id and by text -----------------===//

#include "runtime/text/TokenIndex.h"

#include <algorithm>
#include <bit>

#include <xxhash.h>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "runtime/text/Unicode.h"

namespace llmc::text {

absl::StatusOr<TokenIndex> TokenIndex::create(const Vocabulary &vocabulary) {
  TokenIndex index;
  index.block = vocabulary.text();
  index.tokenEnd.assign(vocabulary.token_end().begin(), vocabulary.token_end().end());
  uint32_t previous = 0;
  for (size_t id = 0; id < index.tokenEnd.size(); ++id) {
    if (index.tokenEnd[id] < previous || index.tokenEnd[id] > index.block.size())
      return absl::InvalidArgumentError(
          absl::StrFormat("vocabulary: token %d ends at byte %d, which is not in [%d, %d]", id,
                          index.tokenEnd[id], previous, index.block.size()));
    index.longest = std::max<size_t>(index.longest, index.tokenEnd[id] - previous);
    previous = index.tokenEnd[id];
    // With a valid block, valid boundaries make every token valid.
    if (previous < index.block.size() && (static_cast<unsigned char>(index.block[previous]) & 0xC0) == 0x80)
      return absl::InvalidArgumentError(
          absl::StrFormat("vocabulary: token %d ends inside a UTF-8 character", id));
  }
  if (!isValidUtf8(index.block))
    return absl::InvalidArgumentError("vocabulary: the text of the tokens is not UTF-8");
  index.buildTable();
  return index;
}

void TokenIndex::buildTable() {
  table.assign(std::bit_ceil(std::max<size_t>(16, tokenEnd.size() * 2)), 0);
  size_t mask = table.size() - 1;
  for (uint32_t id = 0; id < tokenEnd.size(); ++id) {
    absl::string_view token = text(id);
    if (token.empty())
      continue;
    size_t slot = XXH3_64bits(token.data(), token.size()) & mask;
    while (table[slot] != 0 && text(table[slot] - 1) != token)
      slot = (slot + 1) & mask;
    if (table[slot] == 0)
      table[slot] = id + 1;
  }
}

std::optional<uint32_t> TokenIndex::find(absl::string_view token) const {
  if (token.empty() || token.size() > longest)
    return std::nullopt;
  size_t mask = table.size() - 1;
  for (size_t slot = XXH3_64bits(token.data(), token.size()) & mask; table[slot] != 0;
       slot = (slot + 1) & mask)
    if (text(table[slot] - 1) == token)
      return table[slot] - 1;
  return std::nullopt;
}

} // namespace llmc::text
