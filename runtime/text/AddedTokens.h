//===- AddedTokens.h - tokens that are found before all else --------------===//

#ifndef LLMC_TEXT_ADDED_TOKENS_H
#define LLMC_TEXT_ADDED_TOKENS_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/Normalizer.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// A part of a text: an added token, or text between added tokens.
struct Segment {
  absl::string_view text;
  std::optional<uint32_t> tokenId;
};

/// Whether the text of special tokens stands for them or is text like any other.
enum class SpecialTokens { Parse, Ignore };

/// The added tokens of a model and the search for them. Immutable.
class AddedTokens {
public:
  /// Fails if a token is empty, too long, repeated or not UTF-8. `normalizer` gives the form in which tokens
  /// marked as normalized are looked for.
  static absl::StatusOr<AddedTokens> create(const google::protobuf::RepeatedPtrField<AddedToken> &tokens,
                                            const Normalizer &normalizer);

  /// Cuts text as given, which may be broken UTF-8, at the tokens that are looked for there.
  std::vector<Segment> splitRaw(absl::string_view text, SpecialTokens special) const {
    return split(rawTrie, text, special);
  }

  /// Cuts normalized text at the tokens that are looked for there.
  std::vector<Segment> splitNormalized(absl::string_view text, SpecialTokens special) const {
    return split(normalizedTrie, text, special);
  }

  /// The added token of this id or text, or null.
  const AddedToken *findId(uint32_t id) const;
  const AddedToken *findContent(absl::string_view content) const;

  /// What decoding shows for an added token: the form in which it is looked for. Null if `id` is none.
  const std::string *shownText(uint32_t id) const;

  /// One more than the largest id; 0 without tokens.
  size_t idLimit() const { return limit; }

private:
  /// A trie of byte strings. Node 0 is the root.
  struct Trie {
    void insert(absl::string_view text, int32_t token);
    int32_t child(uint32_t node, char byte) const;

    absl::flat_hash_map<uint64_t, int32_t> edges; // node << 8 | byte
    std::vector<int32_t> tokenOf = {-1};          // index in `tokens`, or -1
    std::array<bool, 256> starts{};               // first bytes of all strings
  };
  struct Match {
    size_t start; // bytes
    size_t end;
    int32_t token;
  };
  static std::optional<Match> findLongest(const Trie &trie, absl::string_view text, size_t from);
  std::vector<Segment> split(const Trie &trie, absl::string_view text, SpecialTokens special) const;

  std::vector<AddedToken> tokens;
  std::vector<std::string> shown; // of each token, its content, normalized if it is looked for so
  absl::flat_hash_map<uint32_t, int32_t> byId;
  absl::flat_hash_map<std::string, int32_t> byContent;
  Trie rawTrie;
  Trie normalizedTrie;
  size_t limit = 0;
};

} // namespace llmc::text

#endif
