#include "frontend/tokenizer/BpeTrainer.h"

#include "runtime/io/Message.h"
#include "runtime/text/ByteLevelAlphabet.h"
#include "runtime/text/Unicode.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace llmc::tokenizer {

namespace {

constexpr int64_t kBytes = 256;

/// Two neighbours, as left << 32 | right: the order of pairs is that of these numbers.
using Pair = uint64_t;

Pair pairOf(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

/// Tokens by id, of which no two have one text.
class Tokens {
public:
  uint32_t add(std::string text) {
    auto [place, isNew] = ids.try_emplace(text, static_cast<uint32_t>(texts.size()));
    if (isNew)
      texts.push_back(std::move(text));
    return place->second;
  }
  int64_t size() const { return static_cast<int64_t>(texts.size()); }
  const std::string &text(uint32_t id) const { return texts[id]; }
  std::vector<std::string> take() { return std::move(texts); }

private:
  std::vector<std::string> texts;
  absl::flat_hash_map<std::string, uint32_t> ids;
};

/// Adds the bytes in the order of the characters that stand for them, and returns their ids.
std::array<uint32_t, kBytes> addBytes(Tokens &tokens) {
  std::array<uint8_t, kBytes> order;
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [](uint8_t a, uint8_t b) { return text::byteLevelCharacter(a) < text::byteLevelCharacter(b); });
  std::array<uint32_t, kBytes> ids;
  for (uint8_t byte : order) {
    std::string visible;
    text::appendUtf8(visible, text::byteLevelCharacter(byte));
    ids[byte] = tokens.add(std::move(visible));
  }
  return ids;
}

/// The distinct words as tokens, and which pairs of neighbours they have.
class Corpus {
public:
  /// A pair that may be merged next. The count was true when it was pushed, and is checked when it is popped.
  struct Candidate {
    int64_t count;
    Pair pair;
    std::vector<uint32_t> places; ///< words that have the pair

    /// The most frequent pair comes first, then the smallest.
    bool operator<(const Candidate &other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  Corpus(const absl::flat_hash_map<std::string, int64_t> &counted,
         const std::array<uint32_t, kBytes> &byteIds) {
    words.reserve(counted.size());
    for (const auto &[word, count] : counted) {
      words.push_back({symbols.size(), word.size(), count});
      for (char byte : word)
        symbols.push_back(byteIds[static_cast<uint8_t>(byte)]);
    }
    for (uint32_t index = 0; index < words.size(); ++index) {
      const uint32_t *symbol = symbols.data() + words[index].begin;
      for (size_t i = 0; i + 1 < words[index].length; ++i)
        change(pairOf(symbol[i], symbol[i + 1]), index, words[index].count);
    }
    pushChanged();
  }

  /// The candidate that comes first; of count 0 if there is none.
  Candidate pop() {
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      Candidate top = std::move(heap.back());
      heap.pop_back();
      const int64_t count = counts[top.pair];
      if (top.count == count)
        return top;
      top.count = count;
      push(std::move(top));
    }
    return {0, 0, {}};
  }

  /// Makes one token of the pair, in its places.
  void merge(const Candidate &candidate, uint32_t merged) {
    for (uint32_t index : candidate.places)
      mergeIn(index, static_cast<uint32_t>(candidate.pair >> 32), static_cast<uint32_t>(candidate.pair),
              merged);
    pushChanged();
  }

private:
  struct Word {
    size_t begin, length; ///< in `symbols`
    int64_t count;
  };

  void change(Pair pair, uint32_t word, int64_t by) {
    counts[pair] += by;
    if (by < 0)
      return;
    std::vector<uint32_t> &places = gained[pair];
    if (places.empty() || places.back() != word)
      places.push_back(word);
  }

  void mergeIn(uint32_t index, uint32_t left, uint32_t right, uint32_t merged) {
    Word &word = words[index];
    uint32_t *symbol = symbols.data() + word.begin;
    size_t kept = 0;
    for (size_t i = 0; i < word.length;) {
      if (i + 1 == word.length || symbol[i] != left || symbol[i + 1] != right) {
        symbol[kept++] = symbol[i++];
        continue;
      }
      if (kept > 0) {
        change(pairOf(symbol[kept - 1], left), index, -word.count);
        change(pairOf(symbol[kept - 1], merged), index, word.count);
      }
      i += 2;
      if (i < word.length) {
        change(pairOf(right, symbol[i]), index, -word.count);
        change(pairOf(merged, symbol[i]), index, word.count);
      }
      symbol[kept++] = merged;
    }
    word.length = kept;
  }

  void push(Candidate candidate) {
    heap.push_back(std::move(candidate));
    std::push_heap(heap.begin(), heap.end());
  }

  /// Pairs that words have gained become candidates.
  void pushChanged() {
    for (auto &[pair, places] : gained)
      if (const int64_t count = counts[pair]; count > 0)
        push({count, pair, std::move(places)});
    gained.clear();
  }

  std::vector<uint32_t> symbols;
  std::vector<Word> words;
  absl::flat_hash_map<Pair, int64_t> counts;
  absl::flat_hash_map<Pair, std::vector<uint32_t>> gained; ///< words, since the last pushChanged()
  std::vector<Candidate> heap;
};

absl::Status checkOptions(const BpeTrainerOptions &options) {
  absl::flat_hash_set<absl::string_view> seen;
  for (const std::string &token : options.specialTokens) {
    auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("special token ", io::quote(token), " ", what));
    };
    if (token.empty() || !text::isValidUtf8(token))
      return wrong("is empty or not UTF-8, expected a text");
    if (!seen.insert(token).second)
      return wrong("is there twice");
    if (std::optional<std::string> bytes = text::bytesOfByteLevel(token); bytes && bytes->size() == 1)
      return wrong("is a single byte, expected more characters");
  }
  const int64_t least = kBytes + static_cast<int64_t>(options.specialTokens.size());
  if (options.vocabularySize < least)
    return absl::InvalidArgumentError(absl::StrCat("a vocabulary of ", options.vocabularySize,
                                                   " tokens, expected at least ", least, ": 256 bytes and ",
                                                   options.specialTokens.size(), " special tokens"));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<BpeTrainer> BpeTrainer::create(BpeTrainerOptions options) {
  if (absl::Status status = checkOptions(options); !status.ok())
    return status;
  google::protobuf::RepeatedPtrField<text::PreTokenizerStep> steps;
  steps.Add()->mutable_byte_level()->set_use_regex(true);
  absl::StatusOr<text::PreTokenizer> preTokenizer = text::PreTokenizer::create(steps);
  if (!preTokenizer.ok())
    return preTokenizer.status();
  return BpeTrainer(std::move(options), *std::move(preTokenizer));
}

absl::Status BpeTrainer::addText(absl::string_view text) {
  std::string repaired;
  if (!text::isValidUtf8(text)) {
    repaired = text::replaceInvalidUtf8(text);
    text = repaired;
  }
  if (absl::Status status = preTokenizer.split(text, /*atTextStart=*/true, pieces); !status.ok())
    return status;
  for (absl::string_view word : pieces.views)
    ++words[word];
  return absl::OkStatus();
}

BytePairVocabulary BpeTrainer::train(absl::FunctionRef<void(int64_t)> progress) && {
  Tokens tokens;
  for (const std::string &token : options.specialTokens)
    tokens.add(token);
  const std::array<uint32_t, kBytes> byteIds = addBytes(tokens);
  Corpus corpus(words, byteIds);
  words = {};
  BytePairVocabulary vocabulary;
  while (tokens.size() < options.vocabularySize) {
    const Corpus::Candidate best = corpus.pop();
    if (best.count < std::max<int64_t>(options.minFrequency, 1))
      break;
    const auto left = static_cast<uint32_t>(best.pair >> 32), right = static_cast<uint32_t>(best.pair);
    // A new token, or a special one of this text. No two pairs make one: what merging makes of a text depends
    // on nothing around it, as long as no token crosses its edges.
    const uint32_t merged = tokens.add(absl::StrCat(tokens.text(left), tokens.text(right)));
    vocabulary.merges.emplace_back(left, right);
    corpus.merge(best, merged);
    progress(tokens.size());
  }
  vocabulary.tokens = tokens.take();
  vocabulary.specialTokens = options.specialTokens.size();
  return vocabulary;
}

} // namespace llmc::tokenizer
