//===- GgufTokenizerWriter.cpp - a tokenizer as metadata of a GGUF file ---===//

#include "frontend/tokenizer/GgufTokenizerWriter.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "frontend/tokenizer/NamedPreTokenizers.h"
#include "frontend/tokenizer/SentencePieceBuilder.h"
#include "runtime/io/Message.h"

namespace llmc::tokenizer {

namespace {

using text::NormalizerStep;
using text::PreTokenizerStep;
using text::Template;
using text::TokenizerModel;

constexpr absl::string_view kSpace = "\u2581";

absl::Status refused(absl::string_view reason) {
  return absl::UnimplementedError(absl::StrCat("the tokenizer has no form in GGUF files: ", reason));
}

std::string textOf(const text::Vocabulary &vocabulary, uint32_t id) {
  const uint32_t begin = id == 0 ? 0 : vocabulary.token_end(id - 1);
  return vocabulary.text().substr(begin, vocabulary.token_end(id) - begin);
}

bool isByteToken(absl::string_view token) {
  return token.size() == 6 && absl::StartsWith(token, "<0x") && absl::EndsWith(token, ">");
}

void setType(GgufTokenizerFields &fields, uint32_t id, PieceType type) {
  fields.tokenTypes[id] = static_cast<int32_t>(type);
}

/// Tokens with their types; ids without a token are unused ones, with names that no text has.
absl::Status addTokens(const TokenizerModel &model, size_t vocabularySize, GgufTokenizerFields &fields) {
  fields.tokens.resize(vocabularySize);
  fields.tokenTypes.assign(vocabularySize, static_cast<int32_t>(PieceType::Normal));
  const text::Vocabulary &vocabulary = model.vocabulary();
  for (int id = 0; id < vocabulary.token_end_size(); ++id) {
    std::string token = textOf(vocabulary, id);
    if (token.empty())
      continue;
    if (static_cast<size_t>(id) >= vocabularySize)
      return refused(absl::StrCat("token ", io::quote(token), " has id ", id,
                                  ", but the model has embeddings of ", vocabularySize, " tokens"));
    if (model.byte_pair_encoding().byte_fallback() && isByteToken(token))
      setType(fields, id, PieceType::Byte);
    fields.tokens[id] = std::move(token);
  }
  for (const text::AddedToken &token : model.added_tokens()) {
    // Files have tokens for which there is no embedding and that no model was trained with.
    if (token.id() >= vocabularySize)
      continue;
    fields.tokens[token.id()] = token.content();
    setType(fields, token.id(), token.special() ? PieceType::Control : PieceType::UserDefined);
  }
  for (uint32_t id = 0; id < vocabularySize; ++id)
    if (fields.tokens[id].empty()) {
      fields.tokens[id] = absl::StrCat("[PAD", id, "]");
      setType(fields, id, PieceType::Unused);
    }
  return absl::OkStatus();
}

/// Whether `shape` is [begin] A [end].
absl::Status readTemplate(const TokenizerModel &model, std::optional<uint32_t> begin,
                          std::optional<uint32_t> end, GgufTokenizerFields &fields) {
  const Template &shape = model.single_template();
  fields.addBos = fields.addEos = false;
  bool isBehind = false;
  for (const Template::Piece &piece : shape.pieces()) {
    if (piece.has_sequence()) {
      isBehind = true;
      continue;
    }
    const std::optional<uint32_t> expected = isBehind ? end : begin;
    bool &found = isBehind ? *fields.addEos : *fields.addBos;
    if (expected != piece.token_id() || found)
      return refused(absl::StrCat("it puts token ", piece.token_id(), isBehind ? " behind" : " before",
                                  " every text, and GGUF has only one that begins and one that ends texts"));
    found = true;
  }
  return absl::OkStatus();
}

/// The patterns by which a byte-level tokenizer cuts text, one after the other; nothing if a step is none.
absl::StatusOr<std::vector<std::string>> patternsOf(const TokenizerModel &model, bool &addsSpace) {
  std::vector<std::string> patterns;
  for (const PreTokenizerStep &step : model.pre_tokenizer()) {
    if (step.has_byte_level()) {
      addsSpace |= step.byte_level().add_prefix_space();
      if (step.byte_level().use_regex())
        patterns.emplace_back(kGpt2Pattern);
    } else if (step.has_digits() && step.digits().individual_digits()) {
      patterns.emplace_back(R"(\p{N})");
    } else if (step.has_split() && step.split().pattern().has_regex() && !step.split().invert() &&
               step.split().behavior() == PreTokenizerStep::ISOLATED) {
      patterns.push_back(step.split().pattern().regex());
    } else if (step.has_split() && step.split().pattern().has_regex() && step.split().invert() &&
               step.split().behavior() == PreTokenizerStep::REMOVED) {
      patterns.push_back(step.split().pattern().regex()); // what the pattern leaves out is nothing
    } else {
      return refused("it cuts words in a way that none of GGUF's pre-tokenizers does");
    }
  }
  return patterns;
}

absl::Status describeByteLevel(const TokenizerModel &model, GgufTokenizerFields &fields) {
  fields.model = "gpt2";
  for (const NormalizerStep &step : model.normalizer())
    if (!step.has_unicode_form() || step.unicode_form() != NormalizerStep::NFC)
      return refused("it normalizes text otherwise than to NFC");
  bool addsSpace = false;
  absl::StatusOr<std::vector<std::string>> patterns = patternsOf(model, addsSpace);
  if (!patterns.ok())
    return patterns.status();
  const text::BytePairEncodingModel &encoding = model.byte_pair_encoding();
  for (const NamedPreTokenizer &known : namedPreTokenizers())
    if (fields.pre.empty() && known.ignoreMerges == encoding.ignore_merges() &&
        std::equal(known.patterns.begin(), known.patterns.end(), patterns->begin(), patterns->end()))
      fields.pre = std::string(known.name);
  if (fields.pre.empty())
    return refused("it cuts words by patterns that none of GGUF's pre-tokenizers has");
  fields.addSpacePrefix = addsSpace;
  for (int i = 0; i < encoding.left_size(); ++i)
    fields.merges.push_back(
        absl::StrCat(fields.tokens[encoding.left(i)], " ", fields.tokens[encoding.right(i)]));
  return readTemplate(model, fields.bosId, fields.eosId, fields);
}

/// Gives tokens scores in the order of their merges, which all merges of a token have to share.
absl::Status addScores(const text::BytePairEncodingModel &encoding, GgufTokenizerFields &fields) {
  constexpr double kUnmerged = -1e6; // of tokens that no merge makes
  fields.scores.assign(fields.tokens.size(), kUnmerged);
  const bool hasRanks = encoding.rank_size() > 0; // those of equal scores are equal
  double next = 0;
  for (int i = 0; i < encoding.merged_size(); ++i) {
    const uint32_t token = encoding.merged(i);
    if (i > 0 && encoding.merged(i - 1) == token)
      continue;
    const double score = hasRanks ? -static_cast<double>(encoding.rank(i)) : next--;
    if (fields.scores[token] != kUnmerged)
      return refused(absl::StrCat("merges that make token ", io::quote(fields.tokens[token]),
                                  " have different ranks, which its score cannot say"));
    fields.scores[token] = score;
  }
  return absl::OkStatus();
}

/// Whether a step of SentencePiece does what all readers of GGUF files do: spaces become U+2581.
bool isPlain(const NormalizerStep &step) {
  return step.has_sentence_piece() && step.sentence_piece().charsmap().empty() &&
         !step.sentence_piece().remove_extra_whitespaces() && step.sentence_piece().escape_whitespaces();
}

absl::Status describeSentencePiece(const TokenizerModel &model, GgufTokenizerFields &fields) {
  fields.model = "llama";
  fields.addSpacePrefix = false;
  bool replaces = false;
  for (const NormalizerStep &step : model.normalizer()) {
    if (step.has_prepend() && step.prepend().content() == kSpace) {
      fields.addSpacePrefix = true;
    } else if (step.has_replace() && step.replace().pattern().literal() == " " &&
               step.replace().content() == kSpace) {
      replaces = true;
    } else if (isPlain(step)) {
      replaces = true;
      fields.addSpacePrefix = step.sentence_piece().dummy_prefix() != NormalizerStep::SentencePiece::NEVER;
    } else {
      return refused("it normalizes text otherwise than SentencePiece's BPE does");
    }
  }
  for (const PreTokenizerStep &step : model.pre_tokenizer()) {
    if (step.has_metaspace() && !step.metaspace().split() && step.metaspace().replacement() == kSpace) {
      replaces = true;
      fields.addSpacePrefix = step.metaspace().prepend_scheme() != PreTokenizerStep::Metaspace::NEVER;
    } else if (!step.has_split() || step.split().pattern().literal() != " ") {
      // Spaces that are no longer there cut nothing.
      return refused("it cuts words, which SentencePiece's BPE does not");
    }
  }
  if (!replaces)
    return refused("it does not replace spaces as SentencePiece's BPE does");
  if (model.byte_pair_encoding().has_unk_id())
    fields.unkId = model.byte_pair_encoding().unk_id();
  if (fields.unkId)
    setType(fields, *fields.unkId, PieceType::Unknown);
  if (absl::Status status = addScores(model.byte_pair_encoding(), fields); !status.ok())
    return status;
  return readTemplate(model, fields.bosId, fields.eosId, fields);
}

/// As importGgufTokenizer() reads them: U+2581 before tokens that begin a word, nothing before others.
absl::Status describeWordPiece(const TokenizerModel &model, GgufTokenizerFields &fields) {
  fields.model = "bert";
  const bool isBert = model.normalizer_size() == 1 && model.normalizer(0).has_bert();
  const NormalizerStep::Bert bert = isBert ? model.normalizer(0).bert() : NormalizerStep::Bert();
  if (!bert.clean_text() || !bert.handle_chinese_chars() || !bert.strip_accents() || !bert.lowercase())
    return refused("it does not normalize text as uncased BERT does");
  if (model.pre_tokenizer_size() != 1 || !model.pre_tokenizer(0).has_bert())
    return refused("it does not cut words as BERT does");
  if (model.word_piece().continuing_subword_prefix() != "##")
    return refused("tokens within words do not begin with '##'");
  for (size_t id = 0; id < fields.tokens.size(); ++id) {
    absl::string_view token = fields.tokens[id];
    const bool isSpecial = absl::StartsWith(token, "[") && absl::EndsWith(token, "]");
    if (absl::ConsumePrefix(&token, "##"))
      fields.tokens[id] = std::string(token);
    else if (!isSpecial)
      fields.tokens[id] = absl::StrCat(kSpace, token);
  }
  fields.unkId = model.word_piece().unk_id();
  const Template &shape = model.single_template();
  if (shape.pieces_size() == 3) {
    fields.clsId = fields.bosId = shape.pieces(0).token_id();
    fields.sepId = shape.pieces(2).token_id();
  }
  return readTemplate(model, fields.clsId, fields.sepId, fields);
}

} // namespace

absl::StatusOr<GgufTokenizerFields> ggufFieldsOf(const TokenizerModel &model, size_t vocabularySize) {
  GgufTokenizerFields fields;
  if (absl::Status status = addTokens(model, vocabularySize, fields); !status.ok())
    return status;
  auto role = [](bool has, uint32_t id) { return has ? std::optional(id) : std::nullopt; };
  fields.bosId = role(model.has_bos_id(), model.bos_id());
  fields.eosId = role(model.has_eos_id(), model.eos_id());
  fields.padId = role(model.has_pad_id(), model.pad_id());
  fields.unkId = role(model.has_unk_id(), model.unk_id());
  for (uint32_t id : model.stop_ids())
    if (fields.eosId != id && !fields.eotId)
      fields.eotId = id;
  for (std::optional<uint32_t> *id :
       {&fields.bosId, &fields.eosId, &fields.eotId, &fields.padId, &fields.unkId})
    if (*id && **id >= vocabularySize)
      id->reset();
  fields.chatTemplate = model.chat_template();
  absl::Status status;
  switch (model.algorithm()) {
  case TokenizerModel::BYTE_PAIR_ENCODING:
    if (!model.byte_pair_encoding().continuing_subword_prefix().empty() ||
        !model.byte_pair_encoding().end_of_word_suffix().empty())
      status = refused("its tokens have a prefix or a suffix within words");
    else
      status = model.decoder().has_byte_level() ? describeByteLevel(model, fields)
                                                : describeSentencePiece(model, fields);
    break;
  case TokenizerModel::WORD_PIECE:
    status = describeWordPiece(model, fields);
    break;
  default:
    status = refused("its algorithm is neither byte-pair encoding nor WordPiece");
  }
  if (!status.ok())
    return status;
  return fields;
}

} // namespace llmc::tokenizer
