//===- gbnf_fuzzer.cpp - grammars of strangers --------------------------------------------------------===//
//
// The input is a grammar, a zero byte and a text. Of a grammar that is accepted, the tokens that are allowed
// along the text are those whose bytes lead somewhere, one by one.
//
//===------------------------------------------------------------------------------------------------===//
#include "runtime/grammar/GrammarReader.h"
#include "runtime/grammar/TokenTrie.h"

#include "absl/strings/str_cat.h"

#include <cstdlib>

using namespace llmc::grammar;

namespace {

constexpr size_t kLongestGrammar = 4096, kLongestText = 64;

bool leadsSomewhere(Automaton &automaton, Automaton::State state, const std::string &token) {
  for (char byte : token)
    state = automaton.next(state, static_cast<uint8_t>(byte));
  return state != Automaton::kDead;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char *>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  if (end > kLongestGrammar)
    return 0;
  const absl::StatusOr<Grammar> grammar = readGrammar("input", input.substr(0, end));
  absl::StatusOr<ByteNetwork> network =
      grammar.ok() ? makeNetwork(*grammar) : absl::StatusOr<ByteNetwork>(grammar.status());
  if (!network.ok()) {
    // One line that begins with the name.
    const absl::string_view message = network.status().message();
    if (message.substr(0, 6) != "input:" || message.find('\n') != absl::string_view::npos)
      std::abort();
    return 0;
  }
  static const std::vector<std::string> tokens = {"",  "a",  "ab", "aba", "b",    "\"",      "{\"",
                                                  " ", "\n", "0",  "01",  "\xC3", "\xC3\xA9"};
  static const TokenTrie trie(tokens);
  Automaton automaton(*std::move(network));
  Automaton::State state = automaton.start();
  for (char byte : input.substr(std::min(end + 1, size), kLongestText)) {
    const TokenSet allowed = trie.allowed(automaton, state);
    for (size_t id = 1; id < tokens.size() && automaton.status().ok(); ++id)
      if (allowed.contains(static_cast<int32_t>(id)) != leadsSomewhere(automaton, state, tokens[id]))
        std::abort();
    state = automaton.next(state, static_cast<uint8_t>(byte));
  }
  return 0;
}
