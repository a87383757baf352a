//===- SentencePieceModel.h - tokenizers of SentencePiece's .model files --===//

#ifndef LLMC_TOKENIZER_SENTENCE_PIECE_MODEL_H
#define LLMC_TOKENIZER_SENTENCE_PIECE_MODEL_H

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "frontend/tokenizer/TokenizerConfig.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// The contents of the files of a Hugging Face directory whose tokenizer is a SentencePiece model.
struct SentencePieceFiles {
  /// The name of the model's file, for errors: tokenizer.model, spiece.model, sentencepiece.bpe.model,
  /// source.spm.
  std::string name;
  absl::string_view model;
  /// The class of transformers that lays out ids around the pieces, e.g. T5Tokenizer. Empty: ids are those of
  /// SentencePiece, and no tokens surround a text.
  std::string tokenizerClass;
  TokenizerConfigFiles config;
  /// added_tokens.json: tokens beside those of the model and their ids.
  std::optional<absl::string_view> addedTokensJson;
  /// vocab.json: the ids of pieces, of classes that keep them there (MarianTokenizer).
  std::optional<absl::string_view> vocabularyJson = {};
};

/// Reads a tokenizer. An error names the file and what is wrong with it; what is not supported is refused by
/// name.
absl::StatusOr<text::TokenizerModel> importSentencePieceModel(const SentencePieceFiles &files);

} // namespace llmc::tokenizer

#endif
