//===- WordPiece.h - words to tokens by longest match ---------------------===//

#ifndef LLMC_TEXT_WORD_PIECE_H
#define LLMC_TEXT_WORD_PIECE_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/Rewriting.h"
#include "runtime/text/TokenIndex.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// WordPiece (Devlin et al., 2019): from the left, the longest token that the rest of the word starts with;
/// tokens that continue a word carry a prefix in the vocabulary. A word that cannot be covered is one unknown
/// token. Thread-safe.
class WordPiece {
public:
  /// `index` must outlive the result. Fails if the vocabulary lacks the unknown token.
  static absl::StatusOr<std::unique_ptr<WordPiece>> create(const WordPieceModel &model,
                                                           const TokenIndex &index);

  /// Appends the tokens of `word` (valid UTF-8), and, if they are asked for, their bytes of it.
  void encode(absl::string_view word, std::vector<int32_t> &ids,
              std::vector<ByteRange> *ranges = nullptr) const;

private:
  explicit WordPiece(const TokenIndex &index) : index(index) {}
  bool cover(absl::string_view word, std::vector<int32_t> &ids, std::vector<ByteRange> *ranges) const;

  const TokenIndex &index;
  std::string prefix;
  size_t maxCharacters = 0;
  int32_t unkId = 0;
};

} // namespace llmc::text

#endif
