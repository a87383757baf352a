//===- Unigram.h - the most likely segmentation into tokens ---------------===//

#ifndef LLMC_TEXT_UNIGRAM_H
#define LLMC_TEXT_UNIGRAM_H

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/DoubleArray.h"
#include "runtime/text/Rewriting.h"
#include "runtime/text/TokenIndex.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

class PieceCache;

/// Scores of tokens are smaller than this, and larger than its negative.
constexpr double kScoreLimit = 1e30;

/// A unigram language model (Kudo, 2018): of all segmentations of a piece of text into tokens the one whose
/// scores add up to the most, found from left to right (Viterbi, 1967). Thread-safe.
class Unigram {
public:
  /// Fails if scores and vocabulary do not fit together.
  static absl::StatusOr<std::unique_ptr<Unigram>> create(const UnigramModel &model, const TokenIndex &index);
  ~Unigram();

  /// Appends the tokens of `piece` (valid UTF-8), and, if they are asked for, their bytes of it.
  void encode(absl::string_view piece, std::vector<int32_t> &ids,
              std::vector<ByteRange> *ranges = nullptr) const;

private:
  /// The best way to a position: what it adds up to, and its last token.
  template <typename Sum> struct Best {
    Sum sum = -std::numeric_limits<Sum>::infinity();
    uint32_t start = 0; // of the last token
    int32_t token = 0;
  };

  Unigram();
  /// Tokens as they are found. `ranges` is null if nobody asks for their bytes.
  struct Tokens {
    std::vector<int32_t> &ids;
    std::vector<ByteRange> *ranges;

    void append(int32_t id, size_t begin, size_t end) {
      ids.push_back(id);
      if (ranges)
        ranges->push_back({begin, end});
    }
  };

  template <typename Sum>
  void findBest(absl::string_view piece, const std::vector<Sum> &scores, Tokens &tokens) const;
  template <typename Sum>
  void appendPath(absl::string_view part, size_t at, const std::vector<Best<Sum>> &bestTo,
                  Tokens &tokens) const;
  void appendUnknown(absl::string_view run, size_t at, Tokens &tokens) const;

  DoubleArray trie;
  size_t longestToken = 0; // bytes, at least those of a character
  // Of all tokens, and then of unknown characters: as floats where sums are, else as doubles.
  std::vector<float> floatScores;
  std::vector<double> doubleScores;
  int32_t unkId = 0;
  // The tokens <0xNN>, or -1 where there is none; all -1 without byte fallback.
  std::array<int32_t, 256> byteTokens{};
  std::unique_ptr<PieceCache> cache;
};

} // namespace llmc::text

#endif
