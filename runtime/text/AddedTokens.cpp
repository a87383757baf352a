//===- AddedTokens.cpp - tokens that are found before all else ------------===//

#include "runtime/text/AddedTokens.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

// Longer ones do not exist, and would make the search slow.
constexpr size_t kMaxContentBytes = 4096;

/// The characters at both ends of text that is not empty. It may be broken UTF-8: broken parts are U+FFFD.
DecodedCharacter characterAtFront(absl::string_view text) {
  Utf8Step step = stepUtf8(text);
  return step.kind == Utf8Step::Kind::Character ? decodeFront(text) : DecodedCharacter{0xFFFD, step.length};
}
DecodedCharacter characterAtBack(absl::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(4, text.size()); ++length) {
    absl::string_view end = text.substr(text.size() - length);
    if (Utf8Step step = stepUtf8(end); step.kind == Utf8Step::Kind::Character && step.length == length)
      return decodeFront(end);
  }
  return {0xFFFD, 1};
}

} // namespace

void AddedTokens::Trie::insert(absl::string_view text, int32_t token) {
  if (text.empty())
    return;
  starts[static_cast<unsigned char>(text.front())] = true;
  uint32_t node = 0;
  for (char byte : text) {
    auto [edge, added] =
        edges.try_emplace(static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte),
                          static_cast<int32_t>(tokenOf.size()));
    if (added)
      tokenOf.push_back(-1);
    node = edge->second;
  }
  if (tokenOf[node] < 0)
    tokenOf[node] = token;
}

int32_t AddedTokens::Trie::child(uint32_t node, char byte) const {
  auto edge = edges.find(static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte));
  return edge == edges.end() ? -1 : edge->second;
}

absl::StatusOr<AddedTokens>
AddedTokens::create(const google::protobuf::RepeatedPtrField<AddedToken> &protoTokens,
                    const Normalizer &normalizer) {
  AddedTokens added;
  for (const AddedToken &token : protoTokens) {
    auto index = static_cast<int32_t>(added.tokens.size());
    if (token.content().empty() || token.content().size() > kMaxContentBytes || token.id() > INT32_MAX)
      return absl::InvalidArgumentError(
          absl::StrFormat("added token %d: its text has %d bytes, expected 1 to %d", token.id(),
                          token.content().size(), kMaxContentBytes));
    if (!added.byId.try_emplace(token.id(), index).second)
      return absl::InvalidArgumentError(absl::StrFormat("added token '%s': id %d is already taken by '%s'",
                                                        token.content(), token.id(),
                                                        added.tokens[added.byId[token.id()]].content()));
    if (!added.byContent.try_emplace(token.content(), index).second)
      return absl::InvalidArgumentError(absl::StrFormat("added token '%s' is given twice", token.content()));
    added.tokens.push_back(token);
    absl::StatusOr<std::string> shown =
        token.normalized() ? normalizer.normalize(token.content()) : std::string(token.content());
    if (!shown.ok())
      return absl::Status(shown.status().code(),
                          absl::StrCat("added token '", token.content(), "': ", shown.status().message()));
    added.shown.push_back(*std::move(shown));
    added.limit = std::max<size_t>(added.limit, token.id() + size_t{1});
  }
  // Of two tokens that look alike after normalization, the special one counts, then the first.
  for (bool special : {true, false})
    for (size_t i = 0; i < added.tokens.size(); ++i) {
      const AddedToken &token = added.tokens[i];
      if (token.special() != special)
        continue;
      (token.normalized() ? added.normalizedTrie : added.rawTrie)
          .insert(added.shown[i], static_cast<int32_t>(i));
    }
  return added;
}

const AddedToken *AddedTokens::findId(uint32_t id) const {
  auto found = byId.find(id);
  return found == byId.end() ? nullptr : &tokens[found->second];
}

const AddedToken *AddedTokens::findContent(absl::string_view content) const {
  auto found = byContent.find(content);
  return found == byContent.end() ? nullptr : &tokens[found->second];
}

const std::string *AddedTokens::shownText(uint32_t id) const {
  auto found = byId.find(id);
  return found == byId.end() ? nullptr : &shown[found->second];
}

std::optional<AddedTokens::Match> AddedTokens::findLongest(const Trie &trie, absl::string_view text,
                                                           size_t from) {
  for (size_t start = from; start < text.size(); ++start) {
    if (!trie.starts[static_cast<unsigned char>(text[start])])
      continue;
    std::optional<Match> longest;
    int32_t node = 0;
    for (size_t at = start; at < text.size(); ++at) {
      node = trie.child(node, text[at]);
      if (node < 0)
        break;
      if (trie.tokenOf[node] >= 0)
        longest = Match{start, at + 1, trie.tokenOf[node]};
    }
    if (longest)
      return longest;
  }
  return std::nullopt;
}

std::vector<Segment> AddedTokens::split(const Trie &trie, absl::string_view text,
                                        SpecialTokens special) const {
  std::vector<Segment> segments;
  size_t done = 0;
  for (size_t from = 0; std::optional<Match> match = findLongest(trie, text, from);) {
    from = match->end;
    const AddedToken &token = tokens[match->token];
    if (token.special() && special == SpecialTokens::Ignore)
      continue;
    absl::string_view before = text.substr(0, match->start), after = text.substr(match->end);
    if (token.single_word() && ((!before.empty() && isWordCharacter(characterAtBack(before).character)) ||
                                (!after.empty() && isWordCharacter(characterAtFront(after).character))))
      continue;
    if (token.lstrip())
      // An earlier match may have taken the same white space.
      while (before.size() > done && isWhiteSpace(characterAtBack(before).character))
        before.remove_suffix(characterAtBack(before).length);
    if (token.rstrip())
      while (!after.empty() && isWhiteSpace(characterAtFront(after).character))
        after.remove_prefix(characterAtFront(after).length);
    if (done < before.size())
      segments.push_back({text.substr(done, before.size() - done), std::nullopt});
    done = text.size() - after.size();
    segments.push_back({text.substr(before.size(), done - before.size()), token.id()});
  }
  if (done < text.size())
    segments.push_back({text.substr(done), std::nullopt});
  return segments;
}

} // namespace llmc::text
