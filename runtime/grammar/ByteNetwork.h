//===- ByteNetwork.h - the rules of a grammar as transitions over bytes -------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_BYTENETWORK_H
#define LLMC_RUNTIME_GRAMMAR_BYTENETWORK_H

#include "runtime/grammar/Grammar.h"

#include "absl/status/statusor.h"

#include <cstdint>
#include <vector>

namespace llmc::grammar {

/// A recursive transition network (Woods, 1970) over the bytes of UTF-8. A text is what a way from the start
/// to the end of its first rule reads.
struct ByteNetwork {
  struct Node {
    enum class Kind : uint8_t {
      Bytes, ///< one byte from `first` to `last`, then `next`
      Split, ///< `next` or `other`
      Call,  ///< what a way from `other` to an End reads, then `next`
      End,   ///< of a rule
    };
    Kind kind = Kind::End;
    uint8_t first = 0, last = 0;
    int32_t next = -1, other = -1;
  };
  std::vector<Node> nodes;
  int32_t start = -1;
};

/// Makes the network of a grammar. Refuses, with the place of a rule, rules that begin with themselves, which
/// no text would end, and grammars whose repetitions make the network too large.
absl::StatusOr<ByteNetwork> makeNetwork(const Grammar &grammar);

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_BYTENETWORK_H
