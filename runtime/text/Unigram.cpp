//===- Unigram.cpp - the most likely segmentation into tokens -------------===//

#include "runtime/text/Unigram.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "runtime/text/PieceCache.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

// Beyond it floats get coarse, and SentencePiece counts from zero again.
constexpr float kLargestSum = 100000;

/// Makes the sum at position `at` zero, and takes as much from those behind it.
template <typename Best> void subtractFrom(std::vector<Best> &bestTo, size_t at) {
  const auto sum = bestTo[at].sum;
  for (size_t i = at; i < bestTo.size(); ++i)
    bestTo[i].sum -= sum;
}

} // namespace

Unigram::Unigram() : cache(std::make_unique<PieceCache>()) { byteTokens.fill(-1); }

Unigram::~Unigram() = default;

absl::StatusOr<std::unique_ptr<Unigram>> Unigram::create(const UnigramModel &model, const TokenIndex &index) {
  if (static_cast<size_t>(model.score_size()) != index.size())
    return absl::InvalidArgumentError(
        absl::StrFormat("Unigram: %d scores for %d tokens", model.score_size(), index.size()));
  if (model.unk_id() >= index.size())
    return absl::InvalidArgumentError(absl::StrFormat(
        "Unigram: the unknown token is %d, but the vocabulary has %d tokens", model.unk_id(), index.size()));
  absl::StatusOr<DoubleArray> trie = DoubleArray::create({model.trie().begin(), model.trie().end()});
  if (!trie.ok())
    return absl::InvalidArgumentError(absl::StrFormat("Unigram: %s", trie.status().message()));
  if (!trie->allValues([&](uint32_t id) { return id < index.size(); }))
    return absl::InvalidArgumentError("Unigram: the trie has a token that the vocabulary lacks");
  std::unique_ptr<Unigram> unigram(new Unigram());
  unigram->trie = *std::move(trie);
  unigram->longestToken = std::max<size_t>(index.longestToken(), 4);
  std::vector<double> &scores = unigram->doubleScores;
  scores.assign(model.score().begin(), model.score().end());
  scores.push_back(model.unknown_score());
  if (!std::all_of(scores.begin(), scores.end(), [](double score) { return std::abs(score) < kScoreLimit; }))
    return absl::InvalidArgumentError("Unigram: a score is too large, or not a number");
  if (model.single_precision()) {
    unigram->floatScores.assign(scores.begin(), scores.end());
    scores.clear();
  }
  unigram->unkId = static_cast<int32_t>(model.unk_id());
  if (model.byte_fallback())
    for (unsigned byte = 0; byte < 256; ++byte)
      if (std::optional<uint32_t> id = index.find(absl::StrFormat("<0x%02X>", byte)))
        unigram->byteTokens[byte] = static_cast<int32_t>(*id);
  return unigram;
}

void Unigram::encode(absl::string_view piece, std::vector<int32_t> &ids,
                     std::vector<ByteRange> *ranges) const {
  // The cache knows tokens only.
  if (piece.empty() || (!ranges && cache->find(piece, ids)))
    return;
  size_t before = ids.size();
  Tokens tokens{ids, ranges};
  if (floatScores.empty())
    findBest(piece, doubleScores, tokens);
  else
    findBest(piece, floatScores, tokens);
  cache->insert(piece, ids.data() + before, ids.size() - before);
}

template <typename Sum>
void Unigram::findBest(absl::string_view piece, const std::vector<Sum> &scores, Tokens &tokens) const {
  // The best ways to positions from `base` on, before which everything is decided.
  std::vector<Best<Sum>> bestTo;
  size_t base = 0, reached = 0;
  Sum sumToBase = 0;
  for (size_t start = 0; start < piece.size();) {
    // What ends where no token goes on is the only way, except that unknown characters may still join.
    if (start == reached && start > base && bestTo[start - base].token != unkId) {
      appendPath<Sum>(piece.substr(base, start - base), base, bestTo, tokens);
      sumToBase = bestTo[start - base].sum;
      std::fill_n(bestTo.begin(), start - base + 1, Best<Sum>());
      base = start;
    }
    if (bestTo.size() <= start - base + longestToken)
      bestTo.resize(start - base + 2 * longestToken);
    if (start == base)
      bestTo.front().sum = sumToBase;
    if (std::is_same_v<Sum, float> && std::abs(bestTo[start - base].sum) > kLargestSum)
      subtractFrom(bestTo, start - base);
    Best<Sum> *const here = bestTo.data() + (start - base);
    const Sum before = here->sum;
    auto offer = [&](size_t length, Sum score, int32_t token) {
      reached = std::max(reached, start + length);
      if (const Sum sum = before + score; sum > here[length].sum)
        here[length] = {sum, static_cast<uint32_t>(start - base), token};
    };
    const size_t ownLength = characterLength(piece[start]);
    bool characterHasToken = false;
    trie.forEachPrefix(piece.substr(start, longestToken), [&](size_t length, uint32_t id) {
      offer(length, scores[id], static_cast<int32_t>(id));
      characterHasToken |= length == ownLength;
    });
    if (!characterHasToken)
      offer(ownLength, scores.back(), unkId);
    start += ownLength;
  }
  appendPath<Sum>(piece.substr(base), base, bestTo, tokens);
}

/// Appends the tokens of the best way to the end of `part`, which lies `at` bytes behind the beginning.
template <typename Sum>
void Unigram::appendPath(absl::string_view part, size_t at, const std::vector<Best<Sum>> &bestTo,
                         Tokens &tokens) const {
  const auto firstId = static_cast<ptrdiff_t>(tokens.ids.size());
  const auto firstRange = static_cast<ptrdiff_t>(tokens.ranges ? tokens.ranges->size() : 0);
  // From the end, so that tokens come last first.
  for (size_t end = part.size(); end > 0;) {
    size_t start = bestTo[end].start;
    if (const int32_t token = bestTo[end].token; token != unkId) {
      tokens.append(token, at + start, at + end);
    } else {
      while (start > 0 && bestTo[start].token == unkId)
        start = bestTo[start].start;
      appendUnknown(part.substr(start, end - start), at + start, tokens);
    }
    end = start;
  }
  std::reverse(tokens.ids.begin() + firstId, tokens.ids.end());
  if (tokens.ranges)
    std::reverse(tokens.ranges->begin() + firstRange, tokens.ranges->end());
}

/// Appends what stands for a run of unknown characters, from its end.
void Unigram::appendUnknown(absl::string_view run, size_t at, Tokens &tokens) const {
  // The text of the unknown token may itself be part of a segmentation.
  if (DoubleArray::Match whole = trie.longestPrefix(run); whole.length == run.size())
    return tokens.append(static_cast<int32_t>(whole.value), at, at + run.size());
  auto tokenOf = [&](char byte) { return byteTokens[static_cast<unsigned char>(byte)]; };
  if (!std::all_of(run.begin(), run.end(), [&](char byte) { return tokenOf(byte) >= 0; }))
    return tokens.append(unkId, at, at + run.size());
  for (size_t i = run.size(); i-- > 0;)
    tokens.append(tokenOf(run[i]), at + i, at + i + 1);
}

} // namespace llmc::text
