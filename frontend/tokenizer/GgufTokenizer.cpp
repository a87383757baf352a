//===- GgufTokenizer.cpp - tokenizers of GGUF files -----------------------===//

#include "frontend/tokenizer/GgufTokenizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "frontend/tokenizer/NamedPreTokenizers.h"
#include "frontend/tokenizer/SentencePieceBuilder.h"
#include "frontend/tokenizer/TokenizerModelBuilder.h"
#include "runtime/io/Message.h"
#include "runtime/text/CharacterMap.h"
#include "runtime/text/Unicode.h"

namespace llmc::tokenizer {

namespace {

using text::PreTokenizerStep;
using text::Template;
using text::TokenizerModel;

// Values of tokenizer.ggml.token_type.
enum TokenType { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

// Tokens of real vocabularies have some hundred bytes at most.
constexpr size_t kMaxTokenBytes = 64 << 10;

absl::Status keyError(absl::string_view key, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.", key, ": ", message));
}

absl::StatusOr<const NamedPreTokenizer *> findPreTokenizer(absl::string_view name) {
  // Files from before the key have no name.
  if (name.empty())
    name = "default";
  std::vector<absl::string_view> names;
  for (const NamedPreTokenizer &known : namedPreTokenizers()) {
    if (known.name == name || (known.name == "llama-bpe" && (name == "llama3" || name == "llama-v3")))
      return &known;
    names.push_back(known.name);
  }
  return absl::UnimplementedError(absl::StrCat("tokenizer.ggml.pre: pre-tokenizer ", io::quote(name),
                                               " is not supported; supported are ",
                                               absl::StrJoin(names, ", ")));
}

absl::Status checkFields(const GgufTokenizerFields &fields) {
  if (fields.tokens.empty())
    return keyError("tokens", "is missing or empty");
  if (!fields.tokenTypes.empty() && fields.tokenTypes.size() != fields.tokens.size())
    return keyError("token_type", absl::StrFormat("has %d entries for %d tokens", fields.tokenTypes.size(),
                                                  fields.tokens.size()));
  if (!fields.scores.empty() && fields.scores.size() != fields.tokens.size())
    return keyError("scores", absl::StrFormat("has %d entries for %d tokens", fields.scores.size(),
                                              fields.tokens.size()));
  for (size_t id = 0; id < fields.tokens.size(); ++id) {
    if (fields.tokens[id].size() > kMaxTokenBytes)
      return keyError("tokens", absl::StrFormat("token %d has %d bytes, at most %d are supported", id,
                                                fields.tokens[id].size(), kMaxTokenBytes));
    if (!text::isValidUtf8(fields.tokens[id]))
      return keyError("tokens", absl::StrFormat("token %d is not UTF-8", id));
  }
  const std::pair<const char *, std::optional<uint32_t>> roles[] = {
      {"bos_token_id", fields.bosId},      {"eos_token_id", fields.eosId},     {"eot_token_id", fields.eotId},
      {"unknown_token_id", fields.unkId},  {"padding_token_id", fields.padId}, {"cls_token_id", fields.clsId},
      {"seperator_token_id", fields.sepId}};
  for (auto [key, id] : roles)
    if (id && *id >= fields.tokens.size())
      return keyError(key, absl::StrFormat("is %d, but there are %d tokens", *id, fields.tokens.size()));
  return absl::OkStatus();
}

/// Control tokens become special tokens; tokens of the user are found in the text as well.
void addTokensByType(const GgufTokenizerFields &fields, const TokenIds &ids, TokenizerModel &model) {
  for (uint32_t id = 0; id < fields.tokenTypes.size(); ++id) {
    int32_t type = fields.tokenTypes[id];
    // Of two tokens with one text the first is found.
    if ((type != Unknown && type != Control && type != UserDefined) || ids.find(ids.text(id)) != id)
      continue;
    text::AddedToken &token = *model.add_added_tokens();
    token.set_id(id);
    token.set_content(ids.text(id));
    token.set_special(type != UserDefined);
  }
}

/// Begin and end, where the file or the model asks for them, and as many separators between two texts.
void addTemplates(std::optional<uint32_t> begin, std::optional<uint32_t> separator,
                  std::optional<uint32_t> end, TokenizerModel &model, int separators = 1) {
  if (!begin && !end)
    return;
  for (int texts : {1, 2}) {
    Template &shape = texts == 1 ? *model.mutable_single_template() : *model.mutable_pair_template();
    if (begin)
      shape.add_pieces()->set_token_id(*begin);
    shape.add_pieces()->set_sequence(Template::Piece::A);
    if (texts == 2) {
      for (int i = 0; separator && i < separators; ++i)
        shape.add_pieces()->set_token_id(*separator);
      Template::Piece &second = *shape.add_pieces();
      second.set_sequence(Template::Piece::B);
      second.set_type(1);
    }
    if (end) {
      Template::Piece &last = *shape.add_pieces();
      last.set_token_id(*end);
      last.set_type(texts - 1);
    }
  }
}

void addRoles(const GgufTokenizerFields &fields, TokenizerModel &model) {
  if (fields.bosId)
    model.set_bos_id(*fields.bosId);
  if (fields.eosId)
    model.set_eos_id(*fields.eosId);
  if (fields.padId)
    model.set_pad_id(*fields.padId);
  if (fields.unkId)
    model.set_unk_id(*fields.unkId);
  for (std::optional<uint32_t> id : {fields.eosId, fields.eotId})
    if (id)
      addStopId(*id, model);
  addKnownStopIds(model);
}

absl::Status importBytePairEncoding(const GgufTokenizerFields &fields, TokenizerModel &model) {
  absl::StatusOr<const NamedPreTokenizer *> pre = findPreTokenizer(fields.pre);
  if (!pre.ok())
    return pre.status();
  model.set_algorithm(TokenizerModel::BYTE_PAIR_ENCODING);
  TokenIds ids(fields.tokens);
  ids.store(*model.mutable_vocabulary());
  text::BytePairEncodingModel &encoding = *model.mutable_byte_pair_encoding();
  encoding.set_ignore_merges((*pre)->ignoreMerges);
  for (size_t i = 0; i < fields.merges.size(); ++i) {
    // The first token may itself be a space only in the byte-level alphabet, so the first space separates.
    absl::string_view merge = fields.merges[i];
    size_t space = merge.find(' ', 1);
    if (space == absl::string_view::npos)
      return keyError("merges",
                      absl::StrFormat("merge %d is %s, expected two tokens with a space between them", i,
                                      io::quote(merge)));
    if (absl::Status status = addMerge(merge.substr(0, space), merge.substr(space + 1), "", ids, encoding);
        !status.ok())
      return keyError("merges", status.message());
  }
  for (absl::string_view pattern : (*pre)->patterns) {
    PreTokenizerStep::Split &split = *model.add_pre_tokenizer()->mutable_split();
    split.mutable_pattern()->set_regex(std::string(pattern));
    split.set_behavior(PreTokenizerStep::ISOLATED);
  }
  model.add_pre_tokenizer()->mutable_byte_level()->set_add_prefix_space(
      fields.addSpacePrefix.value_or(false));
  model.mutable_decoder()->mutable_byte_level();
  addTokensByType(fields, ids, model);
  bool addBos = fields.addBos.value_or((*pre)->addBos), addEos = fields.addEos.value_or(false);
  addTemplates(addBos ? fields.bosId : std::nullopt, std::nullopt, addEos ? fields.eosId : std::nullopt,
               model);
  return absl::OkStatus();
}

/// The types of all tokens.
std::vector<PieceType> pieceTypes(const GgufTokenizerFields &fields) {
  std::vector<PieceType> types;
  for (int32_t type : fields.tokenTypes)
    types.push_back(static_cast<PieceType>(type));
  return types;
}

/// The tokenizer of Llama 2 and Mistral: no words, spaces as U+2581, bytes where a character has no token.
absl::Status importSentencePiece(const GgufTokenizerFields &fields, TokenizerModel &model) {
  constexpr absl::string_view kSpace = "\u2581";
  if (fields.scores.empty())
    return keyError("scores", "is missing; a tokenizer of model 'llama' merges by them");
  if (fields.tokenTypes.empty())
    return keyError("token_type", "is missing; a tokenizer of model 'llama' needs it");
  if (std::any_of(fields.scores.begin(), fields.scores.end(), [](double score) { return std::isnan(score); }))
    return keyError("scores", "has an entry that is not a number");
  model.set_algorithm(TokenizerModel::BYTE_PAIR_ENCODING);
  TokenIds ids(fields.tokens);
  ids.store(*model.mutable_vocabulary());
  text::BytePairEncodingModel &encoding = *model.mutable_byte_pair_encoding();
  encoding.set_byte_fallback(true);
  encoding.set_fuse_unk(true);
  std::optional<uint32_t> unk = fields.unkId ? fields.unkId : ids.find("<unk>");
  if (unk)
    encoding.set_unk_id(*unk);
  addMergesByScore(fields.scores, pieceTypes(fields), ids, encoding);
  bool spacePrefix = fields.addSpacePrefix.value_or(true);
  if (spacePrefix)
    model.add_normalizer()->mutable_prepend()->set_content(std::string(kSpace));
  text::NormalizerStep::Replace &replace = *model.add_normalizer()->mutable_replace();
  replace.mutable_pattern()->set_literal(" ");
  replace.set_content(std::string(kSpace));
  text::Decoder::Pieces &decoder = *model.mutable_decoder()->mutable_pieces();
  decoder.set_marker(std::string(kSpace));
  decoder.set_byte_fallback(true);
  decoder.set_strip_left(spacePrefix ? 1 : 0);
  addTokensByType(fields, ids, model);
  addTemplates(fields.addBos.value_or(true) ? fields.bosId : std::nullopt, std::nullopt,
               fields.addEos.value_or(false) ? fields.eosId : std::nullopt, model);
  return absl::OkStatus();
}

/// The tokenizer of T5 and XLM-RoBERTa: Unigram with the normalization of SentencePiece.
absl::Status importUnigram(const GgufTokenizerFields &fields, TokenizerModel &model) {
  if (fields.scores.empty())
    return keyError("scores", "is missing; a tokenizer of model 't5' needs it");
  if (fields.tokenTypes.empty())
    return keyError("token_type", "is missing; a tokenizer of model 't5' needs it");
  SentencePieces pieces;
  for (size_t id = 0; id < fields.tokens.size(); ++id) {
    if (fields.tokenTypes[id] < Normal || fields.tokenTypes[id] > Byte)
      return keyError("token_type",
                      absl::StrFormat("entry %d is %d, expected 1 to 6", id, fields.tokenTypes[id]));
    pieces.add(fields.tokens[id], static_cast<float>(fields.scores[id]),
               static_cast<PieceType>(fields.tokenTypes[id]));
  }
  pieces.byteFallback =
      std::find(fields.tokenTypes.begin(), fields.tokenTypes.end(), Byte) != fields.tokenTypes.end();
  pieces.charsmap = fields.precompiledCharsmap;
  pieces.addDummyPrefix = fields.addSpacePrefix.value_or(true);
  pieces.removeExtraWhitespaces = fields.removeExtraWhitespaces.value_or(true);
  if (!pieces.charsmap.empty())
    if (absl::Status status = text::CharacterMap::create(pieces.charsmap).status(); !status.ok())
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.", status.message()));
  if (absl::Status status = checkPieces(pieces); !status.ok())
    return keyError("tokens", status.message());
  buildSentencePiece(pieces, TokenIds(pieces.texts), model);
  const bool begins = fields.addBos.value_or(false), ends = fields.addEos.value_or(true);
  // XLM-RoBERTa, whose texts begin with a token, has two ends between two of them; T5 has one.
  addTemplates(begins ? fields.bosId : std::nullopt, ends ? fields.eosId : std::nullopt,
               ends ? fields.eosId : std::nullopt, model, /*separators=*/begins ? 2 : 1);
  return absl::OkStatus();
}

/// GGUF marks the tokens that begin a word with U+2581 and leaves the others bare, where BERT marks those
/// that continue a word with ##.
std::vector<std::string> bertTokens(const GgufTokenizerFields &fields) {
  std::vector<std::string> tokens = fields.tokens;
  for (std::string &token : tokens) {
    absl::string_view text = token;
    bool special = absl::StartsWith(text, "[") && absl::EndsWith(text, "]");
    if (absl::ConsumePrefix(&text, "\u2581"))
      token = std::string(text);
    else if (!special && !token.empty())
      token.insert(0, "##");
  }
  return tokens;
}

absl::Status importWordPiece(const GgufTokenizerFields &fields, TokenizerModel &model) {
  model.set_algorithm(TokenizerModel::WORD_PIECE);
  TokenIds ids(bertTokens(fields));
  ids.store(*model.mutable_vocabulary());
  std::optional<uint32_t> unk = fields.unkId ? fields.unkId : ids.find("[UNK]");
  if (!unk)
    return keyError("unknown_token_id", "is missing, and there is no token [UNK]");
  text::WordPieceModel &wordPiece = *model.mutable_word_piece();
  wordPiece.set_unk_id(*unk);
  model.set_unk_id(*unk);
  wordPiece.set_continuing_subword_prefix("##");
  wordPiece.set_max_input_chars_per_word(100);
  text::NormalizerStep::Bert &bert = *model.add_normalizer()->mutable_bert();
  bert.set_clean_text(true);
  bert.set_handle_chinese_chars(true);
  bert.set_strip_accents(true);
  bert.set_lowercase(true);
  model.add_pre_tokenizer()->mutable_bert();
  text::Decoder::WordPiece &decoder = *model.mutable_decoder()->mutable_word_piece();
  decoder.set_prefix("##");
  decoder.set_cleanup(true);
  addTokensByType(fields, ids, model);
  std::optional<uint32_t> cls = fields.clsId ? fields.clsId : fields.bosId ? fields.bosId : ids.find("[CLS]");
  std::optional<uint32_t> sep = fields.sepId ? fields.sepId : ids.find("[SEP]");
  addTemplates(fields.addBos.value_or(true) ? cls : std::nullopt, sep,
               fields.addEos.value_or(true) ? sep : std::nullopt, model);
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<TokenizerModel> importGgufTokenizer(const GgufTokenizerFields &fields) {
  using Importer = absl::Status (*)(const GgufTokenizerFields &, TokenizerModel &);
  Importer import = fields.model == "gpt2"    ? importBytePairEncoding
                    : fields.model == "llama" ? importSentencePiece
                    : fields.model == "bert"  ? importWordPiece
                    : fields.model == "t5"    ? importUnigram
                                              : nullptr;
  if (import == nullptr)
    return absl::UnimplementedError(
        absl::StrCat("tokenizer.ggml.model: tokenizer ", io::quote(fields.model),
                     " is not supported; supported are gpt2 (byte-level BPE), llama (BPE of SentencePiece), "
                     "t5 (Unigram of SentencePiece) and bert (WordPiece)"));
  if (absl::Status status = checkFields(fields); !status.ok())
    return status;
  TokenizerModel model;
  if (absl::Status status = import(fields, model); !status.ok())
    return status;
  if (absl::Status status = setChatTemplate(fields.chatTemplate, "tokenizer.chat_template", model);
      !status.ok())
    return status;
  addRoles(fields, model);
  return model;
}

} // namespace llmc::tokenizer
