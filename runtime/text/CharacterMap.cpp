//===- CharacterMap.cpp - the normalization rules of SentencePiece --------===//

#include "runtime/text/CharacterMap.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/text/GraphemeCluster.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

uint32_t littleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  return value;
}

} // namespace

absl::StatusOr<CharacterMap> CharacterMap::create(absl::string_view charsmap) {
  if (charsmap.size() < 4)
    return absl::InvalidArgumentError(
        absl::StrFormat("precompiled_charsmap: has %d bytes, expected at least 4", charsmap.size()));
  const uint32_t trieBytes = littleEndian(charsmap);
  charsmap.remove_prefix(4);
  if (trieBytes % 4 != 0 || trieBytes >= charsmap.size())
    return absl::InvalidArgumentError(absl::StrFormat(
        "precompiled_charsmap: its double array has %d bytes, expected a multiple of 4 below %d", trieBytes,
        charsmap.size()));
  std::vector<uint32_t> units;
  units.reserve(trieBytes / 4);
  for (size_t at = 0; at < trieBytes; at += 4)
    units.push_back(littleEndian(charsmap.substr(at, 4)));
  absl::StatusOr<DoubleArray> trie = DoubleArray::create(std::move(units));
  if (!trie.ok())
    return absl::InvalidArgumentError(absl::StrCat("precompiled_charsmap: ", trie.status().message()));
  CharacterMap map;
  map.trie = *std::move(trie);
  map.replacements = std::string(charsmap.substr(trieBytes));
  if (map.replacements.back() != '\0' || !isValidUtf8(map.replacements))
    return absl::InvalidArgumentError(
        "precompiled_charsmap: the replacements are not UTF-8 with a zero at the end");
  bool inside = map.trie.allValues([&](uint32_t position) {
    return position < map.replacements.size() &&
           (static_cast<unsigned char>(map.replacements[position]) & 0xC0) != 0x80;
  });
  if (!inside)
    return absl::InvalidArgumentError("precompiled_charsmap: a rule has no replacement");
  for (unsigned first = 0; first < 128; ++first) {
    bool &leaves = map.leavesCharacter[first];
    char pair[2] = {static_cast<char>(first), 0};
    leaves = !map.shortestRule(absl::string_view(pair, 1));
    for (unsigned second = 0; leaves && second < 128; ++second) {
      pair[1] = static_cast<char>(second);
      leaves = !map.trie.leadsOn(absl::string_view(pair, 2));
    }
  }
  return map;
}

std::optional<CharacterMap::Rule> CharacterMap::longestRule(absl::string_view text) const {
  DoubleArray::Match match = trie.longestPrefix(text);
  if (match.length == 0)
    return std::nullopt;
  return Rule{match.length, replacementAt(match.value)};
}

std::optional<CharacterMap::Rule> CharacterMap::shortestRule(absl::string_view text) const {
  std::optional<Rule> shortest;
  trie.forEachPrefix(text, [&](size_t length, uint32_t value) {
    if (!shortest)
      shortest = Rule{length, replacementAt(value)};
  });
  return shortest;
}

void CharacterMap::applyToClusters(absl::string_view text, Rewriting &out) const {
  out.text.reserve(text.size());
  auto replace = [&](size_t begin, size_t end) {
    std::optional<Rule> rule = shortestRule(text.substr(begin, end - begin));
    if (rule)
      absl::StrAppend(&out.text, rule->replacement);
    if (rule)
      out.cameFrom(begin, end);
    return rule.has_value();
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = at + graphemeClusterLength(text.substr(at));
    // As in the reference, all of the cluster goes, however short the rule.
    if (end - at < 6 && replace(at, end)) {
      at = end;
      continue;
    }
    while (at < end) {
      const size_t next = at + decodeFront(text.substr(at)).length;
      if (!replace(at, next))
        out.copy(text, at, next);
      at = next;
    }
  }
}

} // namespace llmc::text
