#include "runtime/grammar/TokenTrie.h"

#include <algorithm>
#include <limits>

namespace llmc::grammar {

void TokenSet::forbidOthers(absl::Span<float> scores) const {
  constexpr float kImpossible = -std::numeric_limits<float>::infinity();
  for (size_t first = 0; first < scores.size(); first += 64) {
    const uint64_t word = first / 64 < words.size() ? words[first / 64] : 0;
    if (word == ~uint64_t(0))
      continue;
    const size_t end = std::min<size_t>(64, scores.size() - first);
    for (size_t bit = 0; bit < end; ++bit)
      scores[first + bit] = word >> bit & 1 ? scores[first + bit] : kImpossible;
  }
}

TokenTrie::TokenTrie(const std::vector<std::string> &texts) : texts(texts.size()) {
  std::vector<int32_t> order;
  for (size_t id = 0; id < texts.size(); ++id)
    // No text goes on with a token as long as that.
    if (!texts[id].empty() && texts[id].size() <= std::numeric_limits<uint16_t>::max())
      order.push_back(static_cast<int32_t>(id));
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return texts[a] < texts[b]; });

  std::vector<uint32_t> open; // nodes above the next one
  const std::string *before = nullptr;
  const auto closeTo = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes[open.back()].end = static_cast<uint32_t>(nodes.size());
  };
  for (int32_t id : order) {
    const std::string &text = texts[id];
    size_t common = 0;
    if (before != nullptr)
      common =
          std::mismatch(before->begin(), before->end(), text.begin(), text.end()).first - before->begin();
    closeTo(common);
    for (size_t depth = common; depth < text.size(); ++depth) {
      open.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({static_cast<uint8_t>(text[depth]), static_cast<uint16_t>(depth + 1), 0,
                       static_cast<uint32_t>(ids.size())});
    }
    // The bytes of a token sort before those of longer ones, so its node is the last.
    ids.push_back(id);
    deepest = std::max(deepest, text.size());
    before = &text;
  }
  closeTo(0);
  nodes.push_back({0, 0, 0, static_cast<uint32_t>(ids.size())});
}

TokenSet TokenTrie::allowed(Automaton &automaton, Automaton::State state) const {
  TokenSet result(texts);
  std::vector<Automaton::State> reached(deepest + 1); // by depth
  reached[0] = state;
  for (size_t node = 0; node + 1 < nodes.size();) {
    const Node &here = nodes[node];
    const Automaton::State next = automaton.next(reached[here.depth - 1], here.byte);
    if (next == Automaton::kDead) {
      node = here.end;
      continue;
    }
    reached[here.depth] = next;
    for (uint32_t token = here.tokens; token < nodes[node + 1].tokens; ++token)
      result.insert(ids[token]);
    ++node;
  }
  return result;
}

} // namespace llmc::grammar
