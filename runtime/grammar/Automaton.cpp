#include "runtime/grammar/Automaton.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include <algorithm>

namespace llmc::grammar {

constexpr size_t kMostPlaces = size_t(1) << 14;
/// Of nodes on the way to those places, the branches of choices above all.
constexpr size_t kMostSteps = kMostPlaces << 6;

Automaton::Automaton(ByteNetwork network) : network(std::move(network)) { clear(); }

void Automaton::clear() {
  states.clear();
  numbers.clear();
  keys.clear();
  stacks.clear();
  stackNumbers.clear();
  first = kUnknown;
  error = absl::OkStatus();
  stateOf({}); // kDead
}

Automaton::State Automaton::start() {
  if (first == kUnknown)
    first = stateOf({{network.start, kBottom}});
  return first;
}

int32_t Automaton::push(int32_t node, int32_t parent) {
  // A rule that ends where the one that it calls ends need not be returned to, so that texts of rules that
  // end with themselves stay in few states.
  if (network.nodes[node].kind == ByteNetwork::Node::Kind::End)
    return parent;
  const auto [place, isNew] = stackNumbers.try_emplace({node, parent}, static_cast<int32_t>(stacks.size()));
  if (isNew)
    stacks.push_back({node, parent});
  return place->second;
}

Automaton::State Automaton::makeNext(State state, uint8_t byte) {
  std::vector<Place> reached;
  for (const auto &[number, stack] : keys[state]->first)
    if (const ByteNetwork::Node &node = network.nodes[number]; node.first <= byte && byte <= node.last)
      reached.push_back({node.next, stack});
  const State next = stateOf(std::move(reached));
  states[state].next[byte] = next;
  return next;
}

Automaton::State Automaton::stateOf(std::vector<Place> reached) {
  using Kind = ByteNetwork::Node::Kind;
  Key key;
  absl::flat_hash_set<Place> seen;
  while (!reached.empty()) {
    const auto [number, stack] = reached.back();
    reached.pop_back();
    if (!seen.insert({number, stack}).second)
      continue;
    const ByteNetwork::Node &node = network.nodes[number];
    switch (node.kind) {
    case Kind::Bytes:
      key.first.push_back({number, stack});
      break;
    case Kind::Split:
      reached.push_back({node.next, stack});
      reached.push_back({node.other, stack});
      break;
    case Kind::Call:
      reached.push_back({node.other, push(node.next, stack)});
      break;
    case Kind::End:
      if (stack == kBottom)
        key.second = true;
      else
        reached.push_back(stacks[stack]);
      break;
    }
    if (key.first.size() > kMostPlaces || seen.size() > kMostSteps) {
      error = absl::ResourceExhaustedError(
          absl::StrCat("the grammar is ambiguous: a text can be read in more than ", kMostPlaces, " ways"));
      return kDead;
    }
  }
  std::sort(key.first.begin(), key.first.end());
  const auto [place, isNew] = numbers.try_emplace(std::move(key), static_cast<State>(states.size()));
  if (isNew) {
    states.emplace_back();
    // Nothing comes behind where there is no place.
    states.back().next.fill(place->first.first.empty() ? kDead : kUnknown);
    states.back().isAccepting = place->first.second;
    keys.push_back(&place->first);
  }
  return place->second;
}

} // namespace llmc::grammar
