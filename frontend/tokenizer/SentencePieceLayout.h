//===- SentencePieceLayout.h - ids around the pieces of SentencePiece -----===//

#ifndef LLMC_TOKENIZER_SENTENCE_PIECE_LAYOUT_H
#define LLMC_TOKENIZER_SENTENCE_PIECE_LAYOUT_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "frontend/tokenizer/JsonField.h"
#include "frontend/tokenizer/SentencePieceBuilder.h"

namespace llmc::tokenizer {

/// What a class of transformers makes of a SentencePiece model.
struct SentencePieceLayout {
  absl::string_view tokenizerClass;
  /// Moves pieces to the ids that they have in the class, and adds those of its own. `config` and
  /// `vocabulary` are tokenizer_config.json and vocab.json, objects without members where there are none.
  absl::Status (*arrange)(const JsonField &config, const JsonField &vocabulary, SentencePieces &pieces);
  /// Sets what surrounds a text, and flags of tokens.
  absl::Status (*finish)(const JsonField &config, const TokenIds &ids, text::TokenizerModel &model);
};

/// The layout of a class, with or without "Fast" behind its name. The empty name stands for SentencePiece
/// itself.
absl::StatusOr<SentencePieceLayout> findSentencePieceLayout(absl::string_view tokenizerClass);

} // namespace llmc::tokenizer

#endif
