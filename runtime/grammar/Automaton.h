//===- Automaton.h - what may come next in a text of a grammar ----------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_AUTOMATON_H
#define LLMC_RUNTIME_GRAMMAR_AUTOMATON_H

#include "runtime/grammar/ByteNetwork.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace llmc::grammar {

/// The states that texts of a grammar go through, byte by byte. A state is the set of all places in the
/// network where a text can be, each with what it returns to; states and their transitions are made when they
/// are first asked for, so that a text of a kind seen before costs a look-up a byte. For one thread at a
/// time.
class Automaton {
public:
  explicit Automaton(ByteNetwork network);

  using State = int32_t;
  /// No text begins like this.
  static constexpr State kDead = 0;

  /// Before any byte.
  State start();
  /// The state behind one more byte.
  State next(State state, uint8_t byte) {
    const State known = states[state].next[byte];
    return known != kUnknown ? known : makeNext(state, byte);
  }
  /// Whether a text may end here.
  bool isAccepting(State state) const { return states[state].isAccepting; }

  /// States there are so far. clear() forgets them.
  size_t size() const { return states.size(); }
  void clear();

  /// Fails when a text could be read in so many ways that a state became too large, until clear(). Its bytes
  /// lead to kDead.
  const absl::Status &status() const { return error; }

private:
  static constexpr State kUnknown = -1;

  /// A node to return to, and then those of `parent`, a number of `stacks`, or kBottom.
  using Stack = std::pair<int32_t, int32_t>;
  static constexpr int32_t kBottom = -1;
  /// A node of kind Bytes and the stack under it.
  using Place = std::pair<int32_t, int32_t>;

  struct Transitions {
    std::array<State, 256> next;
    bool isAccepting = false;
  };

  State makeNext(State state, uint8_t byte);
  /// The state of what `reached`, any nodes with their stacks, lead to without reading.
  State stateOf(std::vector<Place> reached);
  int32_t push(int32_t node, int32_t parent);

  /// All places, sorted, and whether a text may end there.
  using Key = std::pair<std::vector<Place>, bool>;

  ByteNetwork network;
  std::vector<Transitions> states;
  absl::node_hash_map<Key, State> numbers;
  std::vector<const Key *> keys; ///< by state
  std::vector<Stack> stacks;
  absl::flat_hash_map<Stack, int32_t> stackNumbers;
  State first = kUnknown;
  absl::Status error;
};

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_AUTOMATON_H
