//===- Unigram.h - the most likely segmentation into tokens ---------------===//

#ifndef LLMC_TEXT_UNIGRAM_H
#define LLMC_TEXT_UNIGRAM_H

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/DoubleArray.h"
#include "runtime/text/TokenIndex.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

class PieceCache;

/// A unigram language model (Kudo, 2018): of all segmentations of a piece of text into tokens the one whose
/// scores add up to the most, found from left to right (Viterbi, 1967). Thread-safe.
class Unigram {
public:
  /// Fails if scores and vocabulary do not fit together.
  static absl::StatusOr<std::unique_ptr<Unigram>> create(const UnigramModel &model, const TokenIndex &index);
  ~Unigram();

  /// Appends the tokens of `piece` (valid UTF-8).
  void encode(absl::string_view piece, std::vector<int32_t> &ids) const;

private:
  static constexpr uint32_t kNowhere = UINT32_MAX;
  /// The best way to a position: what it adds up to, and its last token.
  template <typename Sum> struct Best {
    Sum sum = 0;
    uint32_t start = kNowhere; // of the last token
    int32_t token = 0;
  };

  Unigram();
  template <typename Sum> void findBest(absl::string_view piece, std::vector<int32_t> &ids) const;
  template <typename Sum>
  void appendPath(absl::string_view part, const std::vector<Best<Sum>> &bestTo,
                  std::vector<int32_t> &ids) const;
  void appendUnknown(absl::string_view run, std::vector<int32_t> &ids) const;

  DoubleArray trie;
  std::vector<double> scores;
  double unknownScore = 0;
  int32_t unkId = 0;
  bool singlePrecision = false;
  // The tokens <0xNN>, or -1 where there is none; all -1 without byte fallback.
  std::array<int32_t, 256> byteTokens{};
  std::unique_ptr<PieceCache> cache;
};

} // namespace llmc::text

#endif
