//===- CharacterMap.h - the normalization rules of SentencePiece ----------===//

#ifndef LLMC_TEXT_CHARACTER_MAP_H
#define LLMC_TEXT_CHARACTER_MAP_H

#include <array>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/DoubleArray.h"
#include "runtime/text/Rewriting.h"

namespace llmc::text {

/// The rules of a precompiled_charsmap (Kudo and Richardson, 2018): strings and what replaces them.
/// Immutable.
class CharacterMap {
public:
  /// Without rules.
  CharacterMap() = default;

  /// Reads a precompiled_charsmap: the number of bytes of a double array (32 bits, little-endian), the double
  /// array, and the replacements, which its values are positions of, each with a zero byte behind it.
  static absl::StatusOr<CharacterMap> create(absl::string_view charsmap);

  bool empty() const { return trie.empty(); }

  /// Whether no rule has to do with `character` (below 0x80) where another one below 0x80 follows.
  bool leavesAscii(char character) const {
    return character >= 0 && leavesCharacter[static_cast<unsigned char>(character)];
  }

  /// A rule that a text begins with, and its replacement.
  struct Rule {
    size_t length; // bytes
    absl::string_view replacement;
  };
  /// The longest rule that `text` begins with.
  std::optional<Rule> longestRule(absl::string_view text) const;
  /// The shortest one.
  std::optional<Rule> shortestRule(absl::string_view text) const;

  /// `text` (valid UTF-8) after the `tokenizers` library's reading of the rules; see
  /// NormalizerStep.Precompiled.
  void applyToClusters(absl::string_view text, Rewriting &out) const;

private:
  static constexpr std::array<bool, 128> allTrue() {
    std::array<bool, 128> values{};
    values.fill(true);
    return values;
  }
  absl::string_view replacementAt(uint32_t position) const {
    return absl::string_view(replacements.data() + position);
  }

  DoubleArray trie;
  std::string replacements;
  std::array<bool, 128> leavesCharacter = allTrue();
};

} // namespace llmc::text

#endif
