//===- TokenizerJson.cpp - tokenizers of Hugging Face directories ---------===//

#include "frontend/tokenizer/TokenizerJson.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

#include "frontend/tokenizer/JsonField.h"
#include "frontend/tokenizer/TokenizerJsonPipeline.h"
#include "frontend/tokenizer/TokenizerModelBuilder.h"
#include "runtime/io/Message.h"

namespace llmc::tokenizer {

namespace {

using text::Template;
using text::TokenizerModel;

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

absl::Status importModel(const JsonField &field, TokenizerModel &model, std::optional<TokenIds> &ids) {
  // Files from before the field show their kind in what they hold.
  absl::StatusOr<std::string> type =
      field["type"].stringOr(!field["merges"].isNull()                     ? "BPE"
                             : !field["max_input_chars_per_word"].isNull() ? "WordPiece"
                                                                           : "");
  if (!type.ok())
    return type.status();
  if (*type != "BPE" && *type != "WordPiece")
    return field["type"].unsupported(absl::StrCat("tokenizer model ", io::quote(*type),
                                                  " is not supported; supported are BPE and WordPiece"));
  absl::StatusOr<TokenIds> vocabulary = importVocabulary(field["vocab"]);
  if (!vocabulary.ok())
    return vocabulary.status();
  ids.emplace(*std::move(vocabulary));
  ids->store(*model.mutable_vocabulary());
  return *type == "BPE" ? importBytePairEncoding(field, *ids, model) : importWordPiece(field, *ids, model);
}

absl::Status importAddedToken(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  text::AddedToken &token = *model.add_added_tokens();
  absl::StatusOr<uint32_t> id = field["id"].id();
  absl::StatusOr<std::string> content = field["content"].string();
  absl::StatusOr<bool> special = field["special"].booleanOr(false);
  absl::StatusOr<bool> lstrip = field["lstrip"].booleanOr(false);
  absl::StatusOr<bool> rstrip = field["rstrip"].booleanOr(false);
  absl::StatusOr<bool> singleWord = field["single_word"].booleanOr(false);
  if (!id.ok() || !content.ok())
    return id.ok() ? content.status() : id.status();
  absl::StatusOr<bool> normalized = field["normalized"].booleanOr(special.ok() && !*special);
  for (const absl::Status &status :
       {special.status(), lstrip.status(), rstrip.status(), singleWord.status(), normalized.status()})
    if (!status.ok())
      return status;
  std::optional<uint32_t> known = ids.find(*content);
  if ((known && *known != *id) || (!known && *id < ids.size() && !ids.text(*id).empty()))
    return field.error(
        absl::StrFormat("%s has id %d here, which disagrees with model.vocab", io::quote(*content), *id));
  if (*id > ids.size() * 4 + 65536)
    return field.error(absl::StrFormat("id %d is far outside the vocabulary of %d tokens", *id, ids.size()));
  token.set_id(*id);
  token.set_content(*content);
  token.set_special(*special);
  token.set_lstrip(*lstrip);
  token.set_rstrip(*rstrip);
  token.set_single_word(*singleWord);
  token.set_normalized(*normalized);
  return absl::OkStatus();
}

absl::Status importAddedTokens(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  absl::StatusOr<size_t> count = field.arraySize();
  if (!count.ok())
    return count.status();
  for (size_t i = 0; i < *count; ++i)
    if (absl::Status status = importAddedToken(field.element(i), ids, model); !status.ok())
      return status;
  return absl::OkStatus();
}

/// The id of the token that a field of tokenizer_config.json names, as a string or as an object with its
/// content. Nothing if the field is null or names a token that the tokenizer does not have.
absl::StatusOr<std::optional<uint32_t>> roleOf(const JsonField &field, const TokenIds &ids,
                                               const TokenizerModel &model) {
  if (field.isNull())
    return std::nullopt;
  absl::StatusOr<std::string> content =
      field.value().is_object() ? field["content"].string() : field.string();
  if (!content.ok())
    return content.status();
  for (const text::AddedToken &token : model.added_tokens())
    if (token.content() == *content)
      return token.id();
  return ids.find(*content);
}

/// These classes of the transformers library replace the post-processor of the file by one from two flags.
absl::Status applyBosAndEosFlags(const JsonField &config, TokenizerModel &model) {
  absl::StatusOr<std::string> className = config["tokenizer_class"].stringOr("");
  if (!className.ok())
    return className.status();
  constexpr absl::string_view kClasses[] = {"LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer",
                                            "GemmaTokenizerFast"};
  if (std::find(std::begin(kClasses), std::end(kClasses), *className) == std::end(kClasses))
    return absl::OkStatus();
  absl::StatusOr<bool> bos = config["add_bos_token"].booleanOr(true);
  absl::StatusOr<bool> eos = config["add_eos_token"].booleanOr(false);
  if (!bos.ok() || !eos.ok())
    return bos.ok() ? eos.status() : bos.status();
  model.clear_single_template();
  model.clear_pair_template();
  for (int texts : {1, 2}) {
    Template &shape = texts == 1 ? *model.mutable_single_template() : *model.mutable_pair_template();
    for (int i = 0; i < texts; ++i) {
      if (*bos && model.has_bos_id())
        shape.add_pieces()->set_token_id(model.bos_id());
      shape.add_pieces()->set_sequence(i == 0 ? Template::Piece::A : Template::Piece::B);
      if (*eos && model.has_eos_id())
        shape.add_pieces()->set_token_id(model.eos_id());
    }
  }
  return absl::OkStatus();
}

/// A string, or a list of named templates of which "default" counts.
absl::Status importChatTemplate(const JsonField &field, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  JsonField chosen = field;
  if (field.value().is_array())
    for (size_t i = 0; i < field.value().size(); ++i)
      if (field.element(i)["name"].value() == "default")
        chosen = field.element(i)["template"];
  absl::StatusOr<std::string> source = chosen.string();
  if (!source.ok())
    return source.status();
  return setChatTemplate(*source, chosen.place(), model);
}

/// All of tokenizer_config.json but the chat template.
absl::Status importConfig(const JsonField &config, const TokenIds &ids, TokenizerModel &model) {
  using Setter = void (TokenizerModel::*)(uint32_t);
  static constexpr std::pair<absl::string_view, Setter> kRoles[] = {
      {"bos_token", &TokenizerModel::set_bos_id},
      {"eos_token", &TokenizerModel::set_eos_id},
      {"pad_token", &TokenizerModel::set_pad_id},
      {"unk_token", &TokenizerModel::set_unk_id},
      {"mask_token", &TokenizerModel::set_mask_id}};
  for (auto [name, set] : kRoles) {
    absl::StatusOr<std::optional<uint32_t>> id = roleOf(config[name], ids, model);
    if (!id.ok())
      return id.status();
    if (*id)
      (model.*set)(**id);
  }
  return applyBosAndEosFlags(config, model);
}

/// eos_token_id, a number or an array of numbers.
absl::Status importStopIds(const JsonField &field, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  size_t count = field.value().is_array() ? field.value().size() : 1;
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<uint32_t> id = field.value().is_array() ? field.element(i).id() : field.id();
    if (!id.ok())
      return id.status();
    addStopId(*id, model);
  }
  return absl::OkStatus();
}

/// A second JSON file, if there is one, passed to `import`.
template <typename Import>
absl::Status importFile(absl::string_view name, std::optional<absl::string_view> text, Import import) {
  if (!text)
    return absl::OkStatus();
  absl::StatusOr<nlohmann::json> json = parseJson(name, *text);
  if (!json.ok())
    return json.status();
  return import(JsonField(*json, std::string(name)));
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
    status = importFile("tokenizer_config.json", files.tokenizerConfigJson, [&](const JsonField &config) {
      absl::Status status = importConfig(config, *ids, model);
      return status.ok() && !files.chatTemplateJinja ? importChatTemplate(config["chat_template"], model)
                                                     : status;
    });
  if (model.has_eos_id())
    addStopId(model.eos_id(), model);
  if (status.ok())
    status = importFile("generation_config.json", files.generationConfigJson, [&](const JsonField &config) {
      return importStopIds(config["eos_token_id"], model);
    });
  if (!status.ok())
    return status;
  // The first BERTs have no word on roles.
  for (const text::AddedToken &token : model.added_tokens())
    if (!model.has_mask_id() && token.special() &&
        (token.content() == "[MASK]" || token.content() == "<mask>"))
      model.set_mask_id(token.id());
  addKnownStopIds(model);
  if (files.chatTemplateJinja)
    if (status = setChatTemplate(*files.chatTemplateJinja, "chat_template.jinja", model); !status.ok())
      return status;
  return model;
}

} // namespace llmc::tokenizer
