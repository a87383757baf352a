#include "frontend/tokenizer/TokenizerJsonWriter.h"

#include "absl/strings/str_cat.h"

#include "frontend/tokenizer/TokenizerModelBuilder.h"

#include <nlohmann/json.hpp>

namespace llmc::tokenizer {

namespace {

using Json = nlohmann::ordered_json;
using text::NormalizerStep;
using text::PreTokenizerStep;
using text::Template;
using text::TokenizerModel;

/// The step of this name, wherever it stands: it cuts words, trims the offsets of tokens, and joins bytes.
Json byteLevel(bool addPrefixSpace = false, bool useRegex = true) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", addPrefixSpace},
          {"trim_offsets", true},
          {"use_regex", useRegex}};
}

std::string textOf(const TokenizerModel &model, uint32_t id) {
  const text::Vocabulary &vocabulary = model.vocabulary();
  if (id < static_cast<uint32_t>(vocabulary.token_end_size())) {
    const uint32_t begin = id == 0 ? 0 : vocabulary.token_end(id - 1);
    if (begin != vocabulary.token_end(id))
      return vocabulary.text().substr(begin, vocabulary.token_end(id) - begin);
  }
  for (const text::AddedToken &token : model.added_tokens())
    if (token.id() == id)
      return token.content();
  return "";
}

/// None is null, one is itself, several are a sequence.
Json sequence(Json steps, const char *name) {
  if (steps.empty())
    return nullptr;
  if (steps.size() == 1)
    return steps[0];
  return {{"type", "Sequence"}, {name, std::move(steps)}};
}

Json patternOf(const text::Pattern &pattern) {
  return pattern.has_regex() ? Json::object({{"Regex", pattern.regex()}})
                             : Json::object({{"String", pattern.literal()}});
}

Json normalizerStep(const NormalizerStep &step) {
  switch (step.kind_case()) {
  case NormalizerStep::kLowercase:
    return Json::object({{"type", "Lowercase"}});
  case NormalizerStep::kUnicodeForm:
    return Json::object({{"type", NormalizerStep::UnicodeForm_Name(step.unicode_form())}});
  case NormalizerStep::kStripAccents:
    return Json::object({{"type", "StripAccents"}});
  case NormalizerStep::kBert:
    return {{"type", "BertNormalizer"},
            {"clean_text", step.bert().clean_text()},
            {"handle_chinese_chars", step.bert().handle_chinese_chars()},
            {"strip_accents", step.bert().strip_accents()},
            {"lowercase", step.bert().lowercase()}};
  case NormalizerStep::kReplace:
    return {{"type", "Replace"},
            {"pattern", patternOf(step.replace().pattern())},
            {"content", step.replace().content()}};
  case NormalizerStep::kPrepend:
    return {{"type", "Prepend"}, {"prepend", step.prepend().content()}};
  case NormalizerStep::kStrip:
    return {{"type", "Strip"}, {"strip_left", step.strip().left()}, {"strip_right", step.strip().right()}};
  default:
    return nullptr;
  }
}

const char *nameOf(PreTokenizerStep::Behavior behavior) {
  switch (behavior) {
  case PreTokenizerStep::REMOVED:
    return "Removed";
  case PreTokenizerStep::MERGED_WITH_PREVIOUS:
    return "MergedWithPrevious";
  case PreTokenizerStep::MERGED_WITH_NEXT:
    return "MergedWithNext";
  case PreTokenizerStep::CONTIGUOUS:
    return "Contiguous";
  default:
    return "Isolated";
  }
}

const char *nameOf(PreTokenizerStep::Metaspace::PrependScheme scheme) {
  switch (scheme) {
  case PreTokenizerStep::Metaspace::FIRST:
    return "first";
  case PreTokenizerStep::Metaspace::NEVER:
    return "never";
  default:
    return "always";
  }
}

Json preTokenizerStep(const PreTokenizerStep &step) {
  switch (step.kind_case()) {
  case PreTokenizerStep::kByteLevel:
    return byteLevel(step.byte_level().add_prefix_space(), step.byte_level().use_regex());
  case PreTokenizerStep::kSplit:
    return {{"type", "Split"},
            {"pattern", patternOf(step.split().pattern())},
            {"behavior", nameOf(step.split().behavior())},
            {"invert", step.split().invert()}};
  case PreTokenizerStep::kDigits:
    return {{"type", "Digits"}, {"individual_digits", step.digits().individual_digits()}};
  case PreTokenizerStep::kWhitespace:
    return Json::object({{"type", "Whitespace"}});
  case PreTokenizerStep::kWhitespaceSplit:
    return Json::object({{"type", "WhitespaceSplit"}});
  case PreTokenizerStep::kPunctuation:
    return {{"type", "Punctuation"}, {"behavior", nameOf(step.punctuation().behavior())}};
  case PreTokenizerStep::kBert:
    return Json::object({{"type", "BertPreTokenizer"}});
  case PreTokenizerStep::kMetaspace:
    return {{"type", "Metaspace"},
            {"replacement", step.metaspace().replacement()},
            {"prepend_scheme", nameOf(step.metaspace().prepend_scheme())},
            {"split", step.metaspace().split()}};
  default:
    return nullptr;
  }
}

/// The pieces of a template; the tokens that they name are added to `specialTokens`.
Json templatePieces(const TokenizerModel &model, const Template &shape, Json &specialTokens) {
  Json pieces = Json::array();
  int type = 0;
  for (const Template::Piece &piece : shape.pieces()) {
    if (piece.has_sequence()) {
      const bool isSecond = piece.sequence() == Template::Piece::B;
      type = isSecond ? 1 : 0;
      pieces.push_back(Json::object({{"Sequence", {{"id", isSecond ? "B" : "A"}, {"type_id", type}}}}));
      continue;
    }
    const std::string token = textOf(model, piece.token_id());
    pieces.push_back(Json::object({{"SpecialToken", {{"id", token}, {"type_id", type}}}}));
    specialTokens[token] = {
        {"id", token}, {"ids", Json::array({piece.token_id()})}, {"tokens", Json::array({token})}};
  }
  return pieces;
}

Json postProcessor(const TokenizerModel &model) {
  if (!model.has_single_template())
    return model.decoder().has_byte_level() ? byteLevel() : Json();
  Json specialTokens = Json::object();
  Json single = templatePieces(model, model.single_template(), specialTokens);
  Json pair = templatePieces(model, model.pair_template(), specialTokens);
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(specialTokens)}};
}

Json decoder(const text::Decoder &decoder) {
  switch (decoder.kind_case()) {
  case text::Decoder::kByteLevel:
    return byteLevel();
  case text::Decoder::kWordPiece:
    return {{"type", "WordPiece"},
            {"prefix", decoder.word_piece().prefix()},
            {"cleanup", decoder.word_piece().cleanup()}};
  case text::Decoder::kPieces: {
    const text::Decoder::Pieces &pieces = decoder.pieces();
    Json steps = Json::array();
    if (!pieces.marker().empty())
      steps.push_back(
          {{"type", "Replace"}, {"pattern", Json::object({{"String", pieces.marker()}})}, {"content", " "}});
    if (pieces.byte_fallback())
      steps.push_back(Json::object({{"type", "ByteFallback"}}));
    steps.push_back(Json::object({{"type", "Fuse"}}));
    if (pieces.strip_left() > 0)
      steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", pieces.strip_left()}, {"stop", 0}});
    return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
  }
  default:
    return nullptr;
  }
}

Json addedTokens(const TokenizerModel &model) {
  Json tokens = Json::array();
  for (const text::AddedToken &token : model.added_tokens())
    tokens.push_back({{"id", token.id()},
                      {"content", token.content()},
                      {"single_word", token.single_word()},
                      {"lstrip", token.lstrip()},
                      {"rstrip", token.rstrip()},
                      {"normalized", token.normalized()},
                      {"special", token.special()}});
  return tokens;
}

Json vocabularyOf(const TokenizerModel &model) {
  Json ids = Json::object();
  // Appended, because this kind of object would look through all keys for each new one. No two are equal.
  auto &entries = ids.get_ref<Json::object_t &>();
  const text::Vocabulary &vocabulary = model.vocabulary();
  uint32_t begin = 0;
  for (int id = 0; id < vocabulary.token_end_size(); ++id) {
    const uint32_t end = vocabulary.token_end(id);
    if (end != begin)
      entries.emplace_back(vocabulary.text().substr(begin, end - begin), id);
    begin = end;
  }
  return ids;
}

Json orNull(const std::string &text) { return text.empty() ? Json() : Json(text); }

Json bytePairModel(const TokenizerModel &model) {
  const text::BytePairEncodingModel &encoding = model.byte_pair_encoding();
  std::vector<std::string> tokens(model.vocabulary().token_end_size());
  bool hasSpaces = false;
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    tokens[id] = textOf(model, id);
    hasSpaces |= tokens[id].find(' ') != std::string::npos;
  }
  Json merges = Json::array();
  for (int i = 0; i < encoding.left_size(); ++i) {
    const std::string &left = tokens[encoding.left(i)], &right = tokens[encoding.right(i)];
    merges.push_back(hasSpaces ? Json::array({left, right}) : Json(absl::StrCat(left, " ", right)));
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", encoding.has_unk_id() ? Json(textOf(model, encoding.unk_id())) : Json()},
          {"continuing_subword_prefix", orNull(encoding.continuing_subword_prefix())},
          {"end_of_word_suffix", orNull(encoding.end_of_word_suffix())},
          {"fuse_unk", encoding.fuse_unk()},
          {"byte_fallback", encoding.byte_fallback()},
          {"ignore_merges", encoding.ignore_merges()},
          {"vocab", vocabularyOf(model)},
          {"merges", std::move(merges)}};
}

Json wordPieceModel(const TokenizerModel &model) {
  const text::WordPieceModel &wordPiece = model.word_piece();
  return {{"type", "WordPiece"},
          {"unk_token", textOf(model, wordPiece.unk_id())},
          {"continuing_subword_prefix", wordPiece.continuing_subword_prefix()},
          {"max_input_chars_per_word", wordPiece.max_input_chars_per_word()},
          {"vocab", vocabularyOf(model)}};
}

/// Refuses what is not written.
absl::Status checkWritable(const TokenizerModel &model) {
  auto refused = [](absl::string_view what) {
    return absl::UnimplementedError(absl::StrCat("the tokenizer is not written as tokenizer.json: ", what));
  };
  if (model.algorithm() != TokenizerModel::BYTE_PAIR_ENCODING &&
      model.algorithm() != TokenizerModel::WORD_PIECE)
    return refused("its algorithm is Unigram");
  for (const NormalizerStep &step : model.normalizer())
    if (step.has_precompiled() || step.has_sentence_piece())
      return refused("it normalizes texts as SentencePiece does");
  if (model.byte_pair_encoding().whole_size() > 0)
    return refused("it has tokens that are found before anything is merged");
  if (model.decoder().has_metaspace())
    return refused("its decoder is Metaspace");
  return absl::OkStatus();
}

std::string textOf(const Json &json) { return json.dump(2) + "\n"; }

} // namespace

absl::StatusOr<std::string> tokenizerJson(const TokenizerModel &model) {
  if (absl::Status status = checkWritable(model); !status.ok())
    return status;
  Json normalizers = Json::array(), preTokenizers = Json::array();
  for (const NormalizerStep &step : model.normalizer())
    normalizers.push_back(normalizerStep(step));
  for (const PreTokenizerStep &step : model.pre_tokenizer())
    preTokenizers.push_back(preTokenizerStep(step));
  return textOf({{"version", "1.0"},
                 {"truncation", nullptr},
                 {"padding", nullptr},
                 {"added_tokens", addedTokens(model)},
                 {"normalizer", sequence(std::move(normalizers), "normalizers")},
                 {"pre_tokenizer", sequence(std::move(preTokenizers), "pretokenizers")},
                 {"post_processor", postProcessor(model)},
                 {"decoder", decoder(model.decoder())},
                 {"model", model.algorithm() == TokenizerModel::WORD_PIECE ? wordPieceModel(model)
                                                                           : bytePairModel(model)}});
}

std::string tokenizerConfigJson(const TokenizerModel &model) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  auto role = [&](const char *name, bool has, uint32_t id) {
    if (std::string token = has ? textOf(model, id) : ""; !token.empty())
      config[name] = std::move(token);
  };
  role("bos_token", model.has_bos_id(), model.bos_id());
  role("eos_token", model.has_eos_id(), model.eos_id());
  role("pad_token", model.has_pad_id(), model.pad_id());
  role("unk_token", model.has_unk_id(), model.unk_id());
  if (!model.chat_template().empty())
    config["chat_template"] = model.chat_template();
  return textOf(config);
}

TokenizerModel modelOf(const BytePairVocabulary &vocabulary) {
  TokenizerModel model;
  model.set_algorithm(TokenizerModel::BYTE_PAIR_ENCODING);
  TokenIds(vocabulary.tokens).store(*model.mutable_vocabulary());
  text::BytePairEncodingModel &encoding = *model.mutable_byte_pair_encoding();
  for (auto [left, right] : vocabulary.merges) {
    encoding.add_left(left);
    encoding.add_right(right);
  }
  model.add_pre_tokenizer()->mutable_byte_level()->set_use_regex(true);
  model.mutable_decoder()->mutable_byte_level();
  for (size_t id = 0; id < vocabulary.specialTokens; ++id) {
    text::AddedToken &token = *model.add_added_tokens();
    token.set_id(id);
    token.set_content(vocabulary.tokens[id]);
    token.set_special(true);
  }
  if (vocabulary.specialTokens > 0)
    model.set_eos_id(0);
  return model;
}

} // namespace llmc::tokenizer
