//===- SentencePieceBuilder.h - tokenizers made of scored pieces ----------===//

#ifndef LLMC_TOKENIZER_SENTENCE_PIECE_BUILDER_H
#define LLMC_TOKENIZER_SENTENCE_PIECE_BUILDER_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "frontend/tokenizer/TokenizerModelBuilder.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// What a piece is for; the numbers of SentencePiece, which tokenizer.ggml.token_type has too.
enum class PieceType { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

/// The pieces of a SentencePiece model in the order of their ids, and what happens to a text before they are
/// found.
struct SentencePieces {
  enum class Algorithm { Unigram, BytePairEncoding };

  Algorithm algorithm = Algorithm::Unigram;
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<PieceType> types;
  bool byteFallback = false;
  std::string charsmap; ///< precompiled_charsmap; empty without rules
  bool addDummyPrefix = true;
  bool removeExtraWhitespaces = true;
  bool escapeWhitespaces = true;

  void add(std::string text, float score, PieceType type);
};

/// Refuses pieces that SentencePiece would refuse, and some that it knows and we do not: each message names
/// the piece.
absl::Status checkPieces(const SentencePieces &pieces);

/// Sets algorithm, vocabulary, normalizer and decoder of `model` from pieces that pass checkPieces(), and
/// makes special tokens of those that are no text. `ids` are the pieces' texts.
void buildSentencePiece(const SentencePieces &pieces, const TokenIds &ids, text::TokenizerModel &model);

/// SentencePiece merges whichever two neighbours make the piece of the highest score: a merge for each cut of
/// a piece into two pieces, all of the rank of its score.
void addMergesByScore(const std::vector<double> &scores, const std::vector<PieceType> &types,
                      const TokenIds &ids, text::BytePairEncodingModel &encoding);

} // namespace llmc::tokenizer

#endif
