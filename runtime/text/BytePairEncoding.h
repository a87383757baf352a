//===- BytePairEncoding.h - words to tokens by ranked merges --------------===//

#ifndef LLMC_TEXT_BYTE_PAIR_ENCODING_H
#define LLMC_TEXT_BYTE_PAIR_ENCODING_H

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/DoubleArray.h"
#include "runtime/text/Rewriting.h"
#include "runtime/text/TokenIndex.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

class PieceCache;

/// Byte-pair encoding (Sennrich et al., 2016): a piece of text starts as its characters, or its bytes, and
/// the pair of neighbours whose merge has the lowest rank is replaced, leftmost first, until no pair has a
/// merge. Thread-safe.
class BytePairEncoding {
public:
  /// What a piece is made of: characters, or bytes that the vocabulary writes in the byte-level alphabet.
  enum class Symbols { Characters, Bytes };

  /// `index` must outlive the result. Fails if a merge names a token that the vocabulary lacks.
  static absl::StatusOr<std::unique_ptr<BytePairEncoding>> create(const BytePairEncodingModel &model,
                                                                  const TokenIndex &index, Symbols symbols);
  ~BytePairEncoding();

  /// Appends the tokens of `piece`, and, if they are asked for, their bytes of it.
  void encode(absl::string_view piece, std::vector<int32_t> &ids,
              std::vector<ByteRange> *ranges = nullptr) const;

private:
  struct Merge {
    uint64_t pair = kNoPair; // left << 32 | right
    uint32_t rank = kNoRank;
    uint32_t merged = 0;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};
  static constexpr uint32_t kNoRank = ~uint32_t{0};

  BytePairEncoding(const TokenIndex &index, Symbols symbols);
  absl::Status addMerges(const BytePairEncodingModel &model);
  void findByteTokens();
  absl::Status findWholeTokens(const BytePairEncodingModel &model);
  void findOutWhetherWordsStandAlone(const BytePairEncodingModel &model);
  // The bytes of the tokens of a part that lies `at` bytes behind the beginning, or null.
  void encodeWords(absl::string_view text, size_t at, std::vector<int32_t> &ids,
                   std::vector<ByteRange> *ranges) const;
  void encodePiece(absl::string_view piece, size_t at, std::vector<int32_t> &ids,
                   std::vector<ByteRange> *ranges) const;
  const Merge &findMerge(uint32_t left, uint32_t right) const;
  // `ranges` is null, or holds the bytes of each symbol.
  void initialSymbols(absl::string_view piece, std::vector<int32_t> &symbols,
                      std::vector<ByteRange> *ranges) const;
  bool appendByteFallback(absl::string_view character, std::vector<int32_t> &symbols) const;
  void mergeShort(std::vector<int32_t> &symbols, std::vector<ByteRange> *ranges) const;
  void mergeLong(std::vector<int32_t> &symbols, std::vector<ByteRange> *ranges) const;

  const TokenIndex &index;
  Symbols kind;
  std::string prefix; // of symbols that continue a piece
  std::string suffix; // of the symbol that ends a piece
  bool ignoreMerges = false;
  bool byteFallback = false;
  bool fuseUnk = false;
  std::optional<uint32_t> unkId;
  // The token of each byte; used if every byte has one.
  std::array<int32_t, 256> byteTokens{};
  bool everyByteHasToken = false;
  DoubleArray wholeTokens;
  // No merge goes over the front of a word, which a run of U+2581 begins: words can be encoded one by one.
  bool wordsStandAlone = false;
  // Open addressing with linear probing; the size is a power of two. The last entry is never filled.
  std::vector<Merge> merges;
  std::unique_ptr<PieceCache> cache;
};

} // namespace llmc::text

#endif
