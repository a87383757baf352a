//===- TokenTrie.h - all tokens of a vocabulary by their bytes ----------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_TOKENTRIE_H
#define LLMC_RUNTIME_GRAMMAR_TOKENTRIE_H

#include "runtime/grammar/Automaton.h"

#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::grammar {

/// A set of tokens, one bit each.
class TokenSet {
public:
  explicit TokenSet(size_t vocabulary) : words((vocabulary + 63) / 64) {}
  /// Adds a token that is not in the set.
  void insert(int32_t token) {
    words[token / 64] |= uint64_t(1) << (token % 64);
    ++count;
  }
  bool contains(int32_t token) const {
    return token >= 0 && static_cast<size_t>(token) / 64 < words.size() &&
           words[token / 64] >> (token % 64) & 1;
  }
  size_t size() const { return count; }
  size_t bytes() const { return words.size() * sizeof(uint64_t); }
  /// Sets the scores of all other tokens to minus infinity.
  void forbidOthers(absl::Span<float> scores) const;

private:
  std::vector<uint64_t> words;
  size_t count = 0;
};

/// The tokens of a vocabulary, in a trie that is walked once for all of them. Immutable.
class TokenTrie {
public:
  /// `texts` are the bytes of each token; those that have none are left out.
  explicit TokenTrie(const std::vector<std::string> &texts);

  /// The tokens that may come next in `state`.
  TokenSet allowed(Automaton &automaton, Automaton::State state) const;

  size_t vocabulary() const { return texts; }

private:
  /// A byte behind those of its parent. Nodes lie in the order of a walk that goes deep first.
  struct Node {
    uint8_t byte;
    uint16_t depth;  ///< bytes with this one
    uint32_t end;    ///< the node behind all below this one
    uint32_t tokens; ///< where the tokens of these bytes begin in `ids`, up to those of the next node
  };

  size_t texts;
  std::vector<Node> nodes; ///< and one more behind all
  std::vector<int32_t> ids;
  size_t deepest = 0;
};

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_TOKENTRIE_H
