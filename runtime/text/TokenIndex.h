//===- TokenIndex.h - the vocabulary, by id and by text -------------------===//

#ifndef LLMC_TEXT_TOKEN_INDEX_H
#define LLMC_TEXT_TOKEN_INDEX_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// The tokens of a model: their texts in one block of memory and a hash table of ids over it. Immutable.
class TokenIndex {
public:
  /// Takes the vocabulary over. Fails if the offsets do not fit the text or the text is not UTF-8.
  static absl::StatusOr<TokenIndex> create(const Vocabulary &vocabulary);

  /// One more than the largest id.
  size_t size() const { return tokenEnd.size(); }

  /// The text of `id` < size(); empty if the id has no token.
  absl::string_view text(uint32_t id) const {
    uint32_t start = id == 0 ? 0 : tokenEnd[id - 1];
    return absl::string_view(block.data() + start, tokenEnd[id] - start);
  }

  /// The id of the token `text`. Of two tokens with one text the first counts.
  std::optional<uint32_t> find(absl::string_view text) const;

  /// Bytes of the longest token.
  size_t longestToken() const { return longest; }

private:
  void buildTable();

  std::string block;
  std::vector<uint32_t> tokenEnd;
  // Open addressing with linear probing: id + 1, or 0 where free. The size is a power of two.
  std::vector<uint32_t> table;
  size_t longest = 0;
};

} // namespace llmc::text

#endif
