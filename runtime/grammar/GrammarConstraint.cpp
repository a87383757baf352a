#include "runtime/grammar/GrammarConstraint.h"

#include "absl/container/flat_hash_set.h"

#include <algorithm>
#include <limits>

namespace llmc::grammar {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

/// Memory of states and of their sets of tokens, beyond which both are made anew.
constexpr size_t kMostStateBytes = size_t(64) << 20;

using text::TokenPlace;

absl::StatusOr<std::shared_ptr<GrammarConstraint>>
GrammarConstraint::create(const Grammar &grammar, const text::Tokenizer &tokenizer) {
  absl::StatusOr<ByteNetwork> network = makeNetwork(grammar);
  if (!network.ok())
    return network.status();
  std::shared_ptr<GrammarConstraint> constraint(new GrammarConstraint(*std::move(network)));
  for (size_t id = 0; id < tokenizer.vocabularySize(); ++id) {
    const auto token = static_cast<int32_t>(id);
    constraint->insideTexts.push_back(tokenizer.bytesOfToken(token, TokenPlace::Inside));
    constraint->startTexts.push_back(tokenizer.bytesOfToken(token, TokenPlace::Start));
  }
  constraint->insideTrie.emplace(constraint->insideTexts);
  // Most tokenizers have no white space to leave out at the start.
  if (constraint->startTexts == constraint->insideTexts)
    constraint->startTexts.clear();
  else
    constraint->startTrie.emplace(constraint->startTexts);
  return constraint;
}

GrammarConstraint::Progress GrammarConstraint::advance(Progress from, int32_t token) {
  const bool isStart = from.place == TokenPlace::Start && !startTexts.empty();
  const std::vector<std::string> &texts = isStart ? startTexts : insideTexts;
  // Special tokens are no part of the text.
  if (token < 0 || static_cast<size_t>(token) >= texts.size() || insideTexts[token].empty())
    return from;
  for (char byte : texts[token])
    from.state = automaton.next(from.state, static_cast<uint8_t>(byte));
  from.place = TokenPlace::Inside;
  return from;
}

void GrammarConstraint::forgetStates() {
  automaton.clear();
  startSets.clear();
  insideSets.clear();
  text.clear();
  progress.clear();
}

absl::Status GrammarConstraint::follow(absl::Span<const int32_t> made) {
  constexpr size_t kStateBytes = 4096; // with its key
  const size_t setBytes = TokenSet(insideTrie->vocabulary()).bytes();
  // After a failure too: this text may be another one.
  if (!automaton.status().ok() ||
      automaton.size() * kStateBytes + (startSets.size() + insideSets.size()) * setBytes > kMostStateBytes)
    forgetStates();
  if (progress.empty())
    progress.push_back({automaton.start(), TokenPlace::Start});
  const size_t common =
      std::mismatch(text.begin(), text.end(), made.begin(), made.end()).first - text.begin();
  text.resize(common);
  progress.resize(common + 1);
  for (int32_t token : made.subspan(common)) {
    text.push_back(token);
    progress.push_back(advance(progress.back(), token));
  }
  if (absl::Status status = automaton.status(); !status.ok())
    return status;
  if (progress.back().state == Automaton::kDead)
    return absl::InvalidArgumentError("the text so far is not one of the grammar");
  return absl::OkStatus();
}

const TokenSet &GrammarConstraint::allowedTokens(const Progress &at) {
  const bool isStart = at.place == TokenPlace::Start && startTrie;
  auto &sets = isStart ? startSets : insideSets;
  auto found = sets.find(at.state);
  if (found == sets.end())
    found = sets.emplace(at.state, (isStart ? *startTrie : *insideTrie).allowed(automaton, at.state)).first;
  return found->second;
}

absl::Status GrammarConstraint::apply(absl::Span<float> scores, absl::Span<const int32_t> made,
                                      absl::Span<const int32_t> stopTokens) {
  if (absl::Status status = follow(made); !status.ok())
    return status;
  const Progress &at = progress.back();
  const TokenSet &allowed = allowedTokens(at);
  if (absl::Status status = automaton.status(); !status.ok())
    return status;
  // Tokens that end texts are no part of them, whatever their bytes.
  const bool mayEnd = automaton.isAccepting(at.state);
  size_t continuing = allowed.size();
  std::vector<std::pair<int32_t, float>> ends;
  for (int32_t token : absl::flat_hash_set<int32_t>(stopTokens.begin(), stopTokens.end()))
    if (token >= 0 && static_cast<size_t>(token) < scores.size()) {
      ends.push_back({token, scores[token]});
      continuing -= allowed.contains(token);
    }
  allowed.forbidOthers(scores);
  for (const auto &[token, score] : ends)
    scores[token] = mayEnd ? score : kImpossible;
  if (continuing > 0 || (mayEnd && !ends.empty()))
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      mayEnd ? "the text is complete by the grammar, and the model has no token that ends one"
             : "the grammar demands characters that no token of the model begins with");
}

} // namespace llmc::grammar
