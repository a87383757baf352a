//===- TokenizerJson.cpp - tokenizers of Hugging Face directories ---------===//

#include "frontend/tokenizer/TokenizerJson.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

#include "frontend/tokenizer/AddedTokenFields.h"
#include "frontend/tokenizer/DoubleArrayBuilder.h"
#include "frontend/tokenizer/JsonField.h"
#include "frontend/tokenizer/TokenizerJsonPipeline.h"
#include "frontend/tokenizer/TokenizerModelBuilder.h"
#include "runtime/io/Message.h"
#include "runtime/text/Unigram.h"

namespace llmc::tokenizer {

namespace {

using text::TokenizerModel;

// What an unknown character scores below the worst token.
constexpr double kUnknownPenalty = 10;

/// The tokens by id. Ids may have gaps, but not so many that memory is wasted on them.
absl::StatusOr<TokenIds> importVocabulary(const JsonField &field) {
  if (!field.value().is_object())
    return field.wrongKind("an object from tokens to ids");
  std::vector<std::string> texts;
  size_t limit = field.value().size() * 4 + 4096;
  for (const auto &[token, value] : field.value().items()) {
    absl::StatusOr<uint32_t> id = JsonField(value, absl::StrCat(field.place(), ".", token)).id();
    if (!id.ok())
      return id.status();
    if (*id >= limit)
      return field.error(absl::StrFormat("token %s has id %d, but there are only %d tokens", io::quote(token),
                                         *id, field.value().size()));
    if (token.empty())
      return field.error("an empty token is not supported");
    if (texts.size() <= *id)
      texts.resize(*id + 1);
    if (!texts[*id].empty())
      return field.error(
          absl::StrFormat("tokens %s and %s have one id, %d", io::quote(texts[*id]), io::quote(token), *id));
    texts[*id] = token;
  }
  return TokenIds(std::move(texts));
}

/// The token that a field of the model names, or nothing where it is null.
absl::StatusOr<std::optional<uint32_t>> namedToken(const JsonField &field, const TokenIds &ids) {
  if (field.isNull())
    return std::nullopt;
  absl::StatusOr<std::string> name = field.string();
  if (!name.ok())
    return name.status();
  std::optional<uint32_t> id = ids.find(*name);
  if (!id)
    return field.error(absl::StrCat(io::quote(*name), " is not in the vocabulary"));
  return id;
}

absl::Status importMerges(const JsonField &field, const TokenIds &ids, text::BytePairEncodingModel &model) {
  absl::StatusOr<size_t> count = field.arraySize();
  if (!count.ok())
    return count.status();
  for (size_t i = 0; i < *count; ++i) {
    const nlohmann::json &merge = field.value()[i];
    std::pair<std::string, std::string> parts;
    if (merge.is_string()) {
      std::vector<std::string> words = absl::StrSplit(merge.get_ref<const std::string &>(), ' ');
      if (words.size() != 2)
        return field.element(i).error("expected two tokens with a space between them");
      parts = {words[0], words[1]};
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      parts = {merge[0].get<std::string>(), merge[1].get<std::string>()};
    } else {
      return field.element(i).wrongKind("a string or an array of two tokens");
    }
    absl::Status status = addMerge(parts.first, parts.second, model.continuing_subword_prefix(), ids, model);
    if (!status.ok())
      return field.element(i).error(status.message());
  }
  return absl::OkStatus();
}

absl::Status importBytePairEncoding(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  model.set_algorithm(TokenizerModel::BYTE_PAIR_ENCODING);
  text::BytePairEncodingModel &encoding = *model.mutable_byte_pair_encoding();
  if (const nlohmann::json &dropout = field["dropout"].value(); !dropout.is_null() && dropout != 0)
    return field["dropout"].unsupported("a tokenizer that drops merges by chance is not supported");
  absl::StatusOr<std::string> prefix = field["continuing_subword_prefix"].stringOr("");
  absl::StatusOr<std::string> suffix = field["end_of_word_suffix"].stringOr("");
  absl::StatusOr<bool> fuseUnk = field["fuse_unk"].booleanOr(false);
  absl::StatusOr<bool> byteFallback = field["byte_fallback"].booleanOr(false);
  absl::StatusOr<bool> ignoreMerges = field["ignore_merges"].booleanOr(false);
  for (const absl::Status &status :
       {prefix.status(), suffix.status(), fuseUnk.status(), byteFallback.status(), ignoreMerges.status()})
    if (!status.ok())
      return status;
  encoding.set_continuing_subword_prefix(*prefix);
  encoding.set_end_of_word_suffix(*suffix);
  encoding.set_fuse_unk(*fuseUnk);
  encoding.set_byte_fallback(*byteFallback);
  encoding.set_ignore_merges(*ignoreMerges);
  absl::StatusOr<std::optional<uint32_t>> unk = namedToken(field["unk_token"], ids);
  if (!unk.ok())
    return unk.status();
  if (*unk) {
    encoding.set_unk_id(**unk);
    model.set_unk_id(**unk);
  }
  return importMerges(field["merges"], ids, encoding);
}

absl::Status importWordPiece(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  model.set_algorithm(TokenizerModel::WORD_PIECE);
  text::WordPieceModel &wordPiece = *model.mutable_word_piece();
  absl::StatusOr<std::string> prefix = field["continuing_subword_prefix"].stringOr("##");
  if (!prefix.ok())
    return prefix.status();
  wordPiece.set_continuing_subword_prefix(*prefix);
  wordPiece.set_max_input_chars_per_word(100);
  if (JsonField limit = field["max_input_chars_per_word"]; !limit.isNull()) {
    absl::StatusOr<uint32_t> characters = limit.id();
    if (!characters.ok())
      return characters.status();
    wordPiece.set_max_input_chars_per_word(*characters);
  }
  absl::StatusOr<std::optional<uint32_t>> unk = namedToken(field["unk_token"], ids);
  if (!unk.ok())
    return unk.status();
  if (!*unk)
    return field["unk_token"].wrongKind("a token of the vocabulary");
  wordPiece.set_unk_id(**unk);
  model.set_unk_id(**unk);
  return absl::OkStatus();
}

/// The tokens of a Unigram model, an array of texts and scores.
absl::StatusOr<TokenIds> importScoredVocabulary(const JsonField &field, text::UnigramModel &unigram) {
  absl::StatusOr<size_t> count = field.arraySize();
  if (!count.ok())
    return count.status();
  std::vector<std::string> texts;
  for (size_t id = 0; id < *count; ++id) {
    const nlohmann::json &entry = field.value()[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      return field.element(id).wrongKind("an array of a token and its score");
    texts.push_back(entry[0].get<std::string>());
    unigram.add_score(entry[1].get<double>());
    if (!(std::abs(entry[1].get<double>()) < text::kScoreLimit))
      return field.element(id).error("has a score of 1e30 or more");
  }
  return TokenIds(std::move(texts));
}

absl::Status importUnigram(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  model.set_algorithm(TokenizerModel::UNIGRAM);
  text::UnigramModel &unigram = *model.mutable_unigram();
  absl::StatusOr<uint32_t> unk = field["unk_id"].id();
  absl::StatusOr<bool> byteFallback = field["byte_fallback"].booleanOr(false);
  if (!unk.ok() || !byteFallback.ok())
    return unk.ok() ? byteFallback.status() : unk.status();
  if (*unk >= ids.size())
    return field["unk_id"].error(absl::StrFormat("is %d, but there are %d tokens", *unk, ids.size()));
  unigram.set_unk_id(*unk);
  model.set_unk_id(*unk);
  unigram.set_byte_fallback(*byteFallback);
  std::vector<std::pair<std::string, uint32_t>> keys;
  for (uint32_t id = 0; id < ids.size(); ++id) {
    if (ids.text(id).find('\0') != std::string::npos)
      return field["vocab"].element(id).unsupported("a token with a zero byte is not supported");
    if (!ids.text(id).empty())
      keys.emplace_back(ids.text(id), id);
  }
  for (uint32_t unit : buildDoubleArray(std::move(keys)))
    unigram.add_trie(unit);
  unigram.set_unknown_score(*std::min_element(unigram.score().begin(), unigram.score().end()) -
                            kUnknownPenalty);
  return absl::OkStatus();
}

absl::Status importModel(const JsonField &field, TokenizerModel &model, std::optional<TokenIds> &ids) {
  // Files from before the field show their kind in what they hold.
  absl::StatusOr<std::string> type =
      field["type"].stringOr(!field["merges"].isNull()                     ? "BPE"
                             : !field["max_input_chars_per_word"].isNull() ? "WordPiece"
                             : !field["unk_id"].isNull()                   ? "Unigram"
                                                                           : "");
  if (!type.ok())
    return type.status();
  if (*type != "BPE" && *type != "WordPiece" && *type != "Unigram")
    return field["type"].unsupported(absl::StrCat(
        "tokenizer model ", io::quote(*type), " is not supported; supported are BPE, Unigram and WordPiece"));
  absl::StatusOr<TokenIds> vocabulary = *type == "Unigram"
                                            ? importScoredVocabulary(field["vocab"], *model.mutable_unigram())
                                            : importVocabulary(field["vocab"]);
  if (!vocabulary.ok())
    return vocabulary.status();
  ids.emplace(*std::move(vocabulary));
  ids->store(*model.mutable_vocabulary());
  return *type == "BPE"       ? importBytePairEncoding(field, *ids, model)
         : *type == "Unigram" ? importUnigram(field, *ids, model)
                              : importWordPiece(field, *ids, model);
}

absl::Status importAddedTokens(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  absl::StatusOr<size_t> count = field.arraySize();
  if (!count.ok())
    return count.status();
  for (size_t i = 0; i < *count; ++i)
    if (absl::StatusOr<uint32_t> id = field.element(i)["id"].id(); !id.ok())
      return id.status();
    else if (absl::Status status = importAddedToken(field.element(i), *id, ids, model); !status.ok())
      return status;
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<TokenizerModel> importTokenizerJson(const HuggingFaceTokenizerFiles &files) {
  absl::StatusOr<nlohmann::json> json = parseJson("tokenizer.json", files.tokenizerJson);
  if (!json.ok())
    return json.status();
  JsonField root(*json, "tokenizer.json");
  if (!json->is_object())
    return root.error("is not an object");
  TokenizerModel model;
  std::optional<TokenIds> ids;
  absl::Status status = importModel(root["model"], model, ids);
  if (status.ok())
    status = importNormalizer(root["normalizer"], model);
  if (status.ok())
    status = importPreTokenizer(root["pre_tokenizer"], model);
  if (status.ok())
    status = importPostProcessor(root["post_processor"], model);
  if (status.ok())
    status = importDecoder(root["decoder"], model);
  if (status.ok())
    status = importAddedTokens(root["added_tokens"], *ids, model);
  if (status.ok())
    status = importConfigFiles(files.config, *ids, model);
  if (!status.ok())
    return status;
  // The first BERTs have no word on roles.
  for (const text::AddedToken &token : model.added_tokens())
    if (!model.has_mask_id() && token.special() &&
        (token.content() == "[MASK]" || token.content() == "<mask>"))
      model.set_mask_id(token.id());
  return model;
}

} // namespace llmc::tokenizer
