//===- TokenCuts.cpp - the ways to cut a token into two tokens ------------===//

#include "frontend/tokenizer/TokenCuts.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace llmc::tokenizer {

namespace {

constexpr uint32_t kNoToken = UINT32_MAX;

/// By id, the longest other token that is part of a token in the sense of `contains`; kNoToken where there is
/// none. `precedes` is an order in which the tokens that contain a token follow it with nothing in between.
template <typename Precedes, typename Contains>
std::vector<uint32_t> longestParts(const TokenIds &ids, Precedes precedes, Contains contains) {
  std::vector<uint32_t> order;
  for (uint32_t id = 0; id < ids.size(); ++id)
    if (ids.find(ids.text(id)) == id)
      order.push_back(id);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return precedes(ids.text(a), ids.text(b)); });
  std::vector<uint32_t> longest(ids.size(), kNoToken);
  std::vector<uint32_t> open; // each contains the one before
  for (uint32_t id : order) {
    while (!open.empty() && !contains(ids.text(id), ids.text(open.back())))
      open.pop_back();
    if (!open.empty())
      longest[id] = open.back();
    open.push_back(id);
  }
  return longest;
}

} // namespace

TokenCuts::TokenCuts(const TokenIds &ids)
    : ids(ids),
      longestPrefix(longestParts(
          ids, [](absl::string_view a, absl::string_view b) { return a < b; },
          [](absl::string_view text, absl::string_view part) { return absl::StartsWith(text, part); })),
      longestSuffix(longestParts(
          ids,
          [](absl::string_view a, absl::string_view b) {
            return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
          },
          [](absl::string_view text, absl::string_view part) { return absl::EndsWith(text, part); })) {}

std::vector<std::pair<uint32_t, uint32_t>> TokenCuts::of(uint32_t id) const {
  std::vector<uint32_t> suffixes; // the shortest last
  for (uint32_t right = longestSuffix[id]; right != kNoToken; right = longestSuffix[right])
    suffixes.push_back(right);
  std::vector<std::pair<uint32_t, uint32_t>> cuts;
  const size_t size = ids.text(id).size();
  // Left tokens shrink, so right ones grow.
  for (uint32_t left = longestPrefix[id]; left != kNoToken; left = longestPrefix[left]) {
    const size_t rest = size - ids.text(left).size();
    while (!suffixes.empty() && ids.text(suffixes.back()).size() < rest)
      suffixes.pop_back();
    if (!suffixes.empty() && ids.text(suffixes.back()).size() == rest)
      cuts.emplace_back(left, suffixes.back());
  }
  std::reverse(cuts.begin(), cuts.end());
  return cuts;
}

} // namespace llmc::tokenizer
