//===- SentencePieceModel.cpp - tokenizers of SentencePiece's .model files ==//

#include "frontend/tokenizer/SentencePieceModel.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "frontend/tokenizer/AddedTokenFields.h"
#include "frontend/tokenizer/JsonField.h"
#include "frontend/tokenizer/SentencePieceBuilder.h"
#include "frontend/tokenizer/SentencePieceLayout.h"
#include "frontend/tokenizer/sentencepiece.pb.h"
#include "runtime/io/Message.h"

namespace llmc::tokenizer {

namespace {

using text::TokenizerModel;

absl::StatusOr<SentencePieces> readPieces(const sentencepiece::Model &file) {
  const sentencepiece::Trainer &trainer = file.trainer_spec();
  const sentencepiece::Normalizer &normalizer = file.normalizer_spec();
  if (trainer.model_type() != sentencepiece::Trainer::UNIGRAM &&
      trainer.model_type() != sentencepiece::Trainer::BPE)
    return absl::UnimplementedError(absl::StrCat("trainer_spec.model_type is ",
                                                 sentencepiece::Trainer::ModelType_Name(trainer.model_type()),
                                                 ", which is not supported; supported are UNIGRAM and BPE"));
  if (trainer.treat_whitespace_as_suffix())
    return absl::UnimplementedError("trainer_spec.treat_whitespace_as_suffix is not supported");
  if (!file.denormalizer_spec().precompiled_charsmap().empty())
    return absl::UnimplementedError("denormalizer_spec.precompiled_charsmap is not supported");
  SentencePieces pieces;
  pieces.algorithm = trainer.model_type() == sentencepiece::Trainer::UNIGRAM
                         ? SentencePieces::Algorithm::Unigram
                         : SentencePieces::Algorithm::BytePairEncoding;
  for (const sentencepiece::Model::Piece &piece : file.pieces())
    pieces.add(piece.piece(), piece.score(), static_cast<PieceType>(piece.type()));
  pieces.byteFallback = trainer.byte_fallback();
  pieces.charsmap = normalizer.precompiled_charsmap();
  pieces.addDummyPrefix = normalizer.add_dummy_prefix();
  pieces.removeExtraWhitespaces = normalizer.remove_extra_whitespaces();
  pieces.escapeWhitespaces = normalizer.escape_whitespaces();
  if (absl::Status status = checkPieces(pieces); !status.ok())
    return status;
  return pieces;
}

/// The roles that the trainer has given pieces.
void addRoles(const sentencepiece::Trainer &trainer, const TokenIds &ids, TokenizerModel &model) {
  using Setter = void (TokenizerModel::*)(uint32_t);
  const std::pair<const std::string &, Setter> roles[] = {{trainer.bos_piece(), &TokenizerModel::set_bos_id},
                                                          {trainer.eos_piece(), &TokenizerModel::set_eos_id},
                                                          {trainer.pad_piece(), &TokenizerModel::set_pad_id}};
  for (auto [text, set] : roles)
    if (std::optional<uint32_t> id = ids.find(text))
      (model.*set)(*id);
}

/// The content of a JSON file, or an object without members where there is none.
absl::StatusOr<nlohmann::json> parseIfThere(absl::string_view name, std::optional<absl::string_view> text) {
  return text ? parseJson(name, *text) : nlohmann::json::object();
}

} // namespace

absl::StatusOr<TokenizerModel> importSentencePieceModel(const SentencePieceFiles &files) {
  sentencepiece::Model file;
  if (files.model.size() > INT32_MAX ||
      !file.ParseFromArray(files.model.data(), static_cast<int>(files.model.size())))
    return absl::InvalidArgumentError(absl::StrCat(files.name, ": is not a SentencePiece model"));
  absl::StatusOr<nlohmann::json> configJson =
      parseIfThere("tokenizer_config.json", files.config.tokenizerConfigJson);
  absl::StatusOr<nlohmann::json> addedJson = parseIfThere("added_tokens.json", files.addedTokensJson);
  absl::StatusOr<nlohmann::json> vocabularyJson = parseIfThere("vocab.json", files.vocabularyJson);
  for (const auto *json : {&configJson, &addedJson, &vocabularyJson})
    if (!json->ok())
      return json->status();
  const JsonField config(*configJson, "tokenizer_config.json"), added(*addedJson, "added_tokens.json");
  const JsonField vocabulary(*vocabularyJson, "vocab.json");
  absl::StatusOr<SentencePieceLayout> layout = findSentencePieceLayout(files.tokenizerClass);
  if (!layout.ok())
    return io::withContext(files.name, layout.status());
  absl::StatusOr<SentencePieces> pieces = readPieces(file);
  if (!pieces.ok())
    return io::withContext(files.name, pieces.status());
  if (absl::Status status = layout->arrange(config, vocabulary, *pieces); !status.ok())
    return io::withContext(files.name, status);
  TokenIds ids(pieces->texts);
  TokenizerModel model;
  buildSentencePiece(*pieces, ids, model);
  addRoles(file.trainer_spec(), ids, model);
  absl::Status status = layout->finish(config, ids, model);
  if (!status.ok())
    return io::withContext(files.name, status);
  status = importAddedTokensJson(added, ids, model);
  if (status.ok())
    status = importAddedTokensDecoder(config["added_tokens_decoder"], ids, model);
  if (status.ok())
    status = importConfigFiles(files.config, ids, model);
  if (!status.ok())
    return status;
  return model;
}

} // namespace llmc::tokenizer
