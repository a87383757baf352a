//===- Tokenizer.cpp - text to token ids and back -------------------------===//

#include "runtime/text/Tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/text/Unicode.h"

namespace llmc::text {

Tokenizer::Tokenizer(TokenIndex index, Normalizer normalizer, PreTokenizer preTokenizer,
                     AddedTokens addedTokens)
    : index(std::move(index)), normalizer(std::move(normalizer)), preTokenizer(std::move(preTokenizer)),
      addedTokens(std::move(addedTokens)) {}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::create(const TokenizerModel &model) {
  absl::StatusOr<TokenIndex> index = TokenIndex::create(model.vocabulary());
  if (!index.ok())
    return index.status();
  absl::StatusOr<Normalizer> normalizer = Normalizer::create(model.normalizer());
  if (!normalizer.ok())
    return normalizer.status();
  absl::StatusOr<PreTokenizer> preTokenizer = PreTokenizer::create(model.pre_tokenizer());
  if (!preTokenizer.ok())
    return preTokenizer.status();
  absl::StatusOr<AddedTokens> addedTokens = AddedTokens::create(model.added_tokens(), *normalizer);
  if (!addedTokens.ok())
    return addedTokens.status();
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer(*std::move(index), *std::move(normalizer),
                                                     *std::move(preTokenizer), *std::move(addedTokens)));
  if (absl::Status status = tokenizer->takeModel(model); !status.ok())
    return status;
  return tokenizer;
}

absl::Status Tokenizer::takeModel(const TokenizerModel &given) {
  switch (given.algorithm()) {
  case TokenizerModel::BYTE_PAIR_ENCODING: {
    auto symbols =
        preTokenizer.yieldsBytes() ? BytePairEncoding::Symbols::Bytes : BytePairEncoding::Symbols::Characters;
    auto encoding = BytePairEncoding::create(given.byte_pair_encoding(), index, symbols);
    if (!encoding.ok())
      return encoding.status();
    bytePairEncoding = *std::move(encoding);
    break;
  }
  case TokenizerModel::WORD_PIECE: {
    if (preTokenizer.yieldsBytes())
      return absl::UnimplementedError("WordPiece with a byte-level pre-tokenizer is not supported");
    auto created = WordPiece::create(given.word_piece(), index);
    if (!created.ok())
      return created.status();
    wordPiece = *std::move(created);
    break;
  }
  case TokenizerModel::UNIGRAM: {
    if (preTokenizer.yieldsBytes())
      return absl::UnimplementedError("Unigram with a byte-level pre-tokenizer is not supported");
    auto created = Unigram::create(given.unigram(), index);
    if (!created.ok())
      return created.status();
    unigram = *std::move(created);
    break;
  }
  default:
    return absl::UnimplementedError(
        absl::StrFormat("tokenizer algorithm %d is not supported; supported are byte-pair encoding (1), "
                        "WordPiece (2) and Unigram (3)",
                        given.algorithm()));
  }
  *model.mutable_single_template() = given.single_template();
  *model.mutable_pair_template() = given.pair_template();
  *model.mutable_decoder() = given.decoder();
  if (given.has_bos_id())
    model.set_bos_id(given.bos_id());
  if (given.has_eos_id())
    model.set_eos_id(given.eos_id());
  if (given.has_pad_id())
    model.set_pad_id(given.pad_id());
  if (given.has_unk_id())
    model.set_unk_id(given.unk_id());
  if (given.has_mask_id())
    model.set_mask_id(given.mask_id());
  *model.mutable_stop_ids() = given.stop_ids();
  model.set_chat_template(given.chat_template());
  return checkIds();
}

/// Every id that the model names must be one of its tokens, as others index embeddings with it.
absl::Status Tokenizer::checkIds() const {
  std::vector<std::pair<const char *, uint32_t>> named;
  if (model.has_bos_id())
    named.emplace_back("beginning-of-sequence token", model.bos_id());
  if (model.has_eos_id())
    named.emplace_back("end-of-sequence token", model.eos_id());
  if (model.has_pad_id())
    named.emplace_back("padding token", model.pad_id());
  if (model.has_unk_id())
    named.emplace_back("unknown token", model.unk_id());
  if (model.has_mask_id())
    named.emplace_back("mask token", model.mask_id());
  for (uint32_t id : model.stop_ids())
    named.emplace_back("stop token", id);
  for (const Template *shape : {&model.single_template(), &model.pair_template()})
    for (const Template::Piece &piece : shape->pieces())
      if (piece.has_token_id())
        named.emplace_back("token of the template", piece.token_id());
  for (auto [role, id] : named)
    if (id >= vocabularySize())
      return absl::InvalidArgumentError(
          absl::StrFormat("the %s is %d, but the tokenizer has %d tokens", role, id, vocabularySize()));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::encode(absl::string_view text, EncodeOptions options) const {
  return fillTemplate(model.single_template(), {text}, options);
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::encodePair(absl::string_view first, absl::string_view second,
                                                           EncodeOptions options) const {
  return fillTemplate(model.pair_template(), {first, second}, options);
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::fillTemplate(const Template &shape,
                                                             absl::Span<const absl::string_view> texts,
                                                             EncodeOptions options) const {
  SpecialTokens special = options.parseSpecial ? SpecialTokens::Parse : SpecialTokens::Ignore;
  std::vector<int32_t> ids;
  // Without a template the texts follow each other.
  if (!options.addSpecialTokens || shape.pieces().empty()) {
    for (absl::string_view text : texts)
      if (absl::Status status = appendText(text, special, ids); !status.ok())
        return status;
    return ids;
  }
  for (const Template::Piece &piece : shape.pieces()) {
    if (piece.has_token_id()) {
      ids.push_back(static_cast<int32_t>(piece.token_id()));
      continue;
    }
    size_t sequence = piece.sequence() == Template::Piece::B ? 1 : 0;
    if (sequence >= texts.size())
      continue;
    if (absl::Status status = appendText(texts[sequence], special, ids); !status.ok())
      return status;
  }
  return ids;
}

/// Where `part`, which views `text`, lies in it.
static ByteRange rangeOf(absl::string_view part, absl::string_view text) {
  const size_t begin = part.data() - text.data();
  return {begin, begin + part.size()};
}

static ByteRange withoutSpace(absl::string_view text, ByteRange range) {
  while (range.begin < range.end) {
    DecodedCharacter front = decodeFront(text.substr(range.begin));
    if (!isWhiteSpace(front.character))
      break;
    range.begin += front.length;
  }
  while (range.begin < range.end) {
    DecodedCharacter back = decodeBack(text.substr(0, range.end));
    if (!isWhiteSpace(back.character))
      break;
    range.end -= back.length;
  }
  return range;
}

/// Whole characters, where a token has only some of their bytes.
static ByteRange wholeCharacters(absl::string_view text, ByteRange range) {
  auto isContinuation = [&](size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (range.begin > 0 && isContinuation(range.begin))
    --range.begin;
  while (isContinuation(range.end))
    ++range.end;
  return range;
}

absl::StatusOr<std::vector<PlacedToken>> Tokenizer::place(absl::Span<const absl::string_view> texts,
                                                          EncodeOptions options) const {
  const Template &shape = texts.size() > 1 ? model.pair_template() : model.single_template();
  const SpecialTokens special = options.parseSpecial ? SpecialTokens::Parse : SpecialTokens::Ignore;
  std::vector<PlacedToken> tokens;
  auto append = [&](int32_t which, int32_t type) -> absl::Status {
    std::vector<int32_t> ids;
    std::vector<ByteRange> ranges;
    if (absl::Status status = appendText(texts[which], special, ids, &ranges); !status.ok())
      return status;
    for (size_t i = 0; i < ids.size(); ++i)
      tokens.push_back(
          {ids[i], type, which, withoutSpace(texts[which], wholeCharacters(texts[which], ranges[i]))});
    return absl::OkStatus();
  };
  if (!options.addSpecialTokens || shape.pieces().empty()) {
    for (size_t i = 0; i < texts.size(); ++i)
      if (absl::Status status = append(static_cast<int32_t>(i), static_cast<int32_t>(i)); !status.ok())
        return status;
    return tokens;
  }
  for (const Template::Piece &piece : shape.pieces()) {
    const auto type = static_cast<int32_t>(piece.type());
    if (piece.has_token_id()) {
      tokens.push_back({static_cast<int32_t>(piece.token_id()), type, -1, {0, 0}});
      continue;
    }
    const size_t which = piece.sequence() == Template::Piece::B ? 1 : 0;
    if (which >= texts.size())
      continue;
    if (absl::Status status = append(static_cast<int32_t>(which), type); !status.ok())
      return status;
  }
  return tokens;
}

absl::Status Tokenizer::appendText(absl::string_view text, SpecialTokens special, std::vector<int32_t> &ids,
                                   std::vector<ByteRange> *ranges) const {
  std::string repaired;
  if (ranges && !isValidUtf8(text))
    return absl::InvalidArgumentError("the text is not UTF-8");
  if (!normalizer.takesBrokenUtf8() && !isValidUtf8(text)) {
    repaired = replaceInvalidUtf8(text);
    text = repaired;
  }
  bool atTextStart = true;
  Pieces pieces(ranges ? Tracking::On : Tracking::Off);
  for (const Segment &raw : addedTokens.splitRaw(text, special)) {
    if (raw.tokenId) {
      ids.push_back(static_cast<int32_t>(*raw.tokenId));
      if (ranges)
        ranges->push_back(rangeOf(raw.text, text));
      atTextStart = false;
      continue;
    }
    std::string normalized;
    Origins origins;
    absl::string_view words = raw.text;
    if (!normalizer.isIdentity()) {
      absl::StatusOr<std::string> result = ranges ? normalizer.normalize(raw.text, atTextStart, origins)
                                                  : normalizer.normalize(raw.text, atTextStart);
      if (!result.ok())
        return result.status();
      normalized = *std::move(result);
      words = normalized;
    }
    for (const Segment &segment : addedTokens.splitNormalized(words, special)) {
      const size_t before = ranges ? ranges->size() : 0;
      if (segment.tokenId) {
        ids.push_back(static_cast<int32_t>(*segment.tokenId));
        if (ranges)
          ranges->push_back({0, segment.text.size()});
      } else if (absl::Status status = appendWords(segment.text, atTextStart, pieces, ids, ranges);
                 !status.ok()) {
        return status;
      }
      // From the segment to the normalized text, to what was normalized, to the text.
      const size_t inWords = rangeOf(segment.text, words).begin, inText = rangeOf(raw.text, text).begin;
      for (size_t i = before; ranges && i < ranges->size(); ++i) {
        ByteRange &range = (*ranges)[i];
        range = originOf(origins, {range.begin + inWords, range.end + inWords});
        range = {range.begin + inText, range.end + inText};
      }
      atTextStart = false;
    }
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::appendWords(absl::string_view text, bool atTextStart, Pieces &pieces,
                                    std::vector<int32_t> &ids, std::vector<ByteRange> *ranges) const {
  if (absl::Status status = preTokenizer.split(text, atTextStart, pieces); !status.ok())
    return status;
  for (absl::string_view piece : pieces.views) {
    const size_t before = ranges ? ranges->size() : 0;
    if (bytePairEncoding)
      bytePairEncoding->encode(piece, ids, ranges);
    else if (unigram)
      unigram->encode(piece, ids, ranges);
    else
      wordPiece->encode(piece, ids, ranges);
    for (size_t i = before; ranges && i < ranges->size(); ++i) {
      ByteRange &range = (*ranges)[i];
      range = pieces.originOf(piece.substr(range.begin, range.end - range.begin));
    }
  }
  return absl::OkStatus();
}

std::string Tokenizer::decode(absl::Span<const int32_t> ids, DecodeSpecial special) const {
  StreamingDetokenizer detokenizer(*this, special);
  std::string text;
  for (int32_t id : ids)
    text += detokenizer.push(id);
  text += detokenizer.finish();
  return text;
}

size_t Tokenizer::vocabularySize() const { return std::max(index.size(), addedTokens.idLimit()); }

absl::string_view Tokenizer::tokenText(int32_t id) const {
  if (id < 0)
    return "";
  if (const std::string *shown = addedTokens.shownText(static_cast<uint32_t>(id)))
    return *shown;
  return static_cast<size_t>(id) < index.size() ? index.text(static_cast<uint32_t>(id)) : absl::string_view();
}

std::string Tokenizer::bytesOfToken(int32_t id, TokenPlace place) const {
  const absl::string_view token = tokenText(id);
  return token.empty() || isHidden(id) ? "" : text::bytesOfToken(decoder(), token, place);
}

std::optional<int32_t> Tokenizer::findToken(absl::string_view text) const {
  if (const AddedToken *added = addedTokens.findContent(text))
    return static_cast<int32_t>(added->id());
  std::optional<uint32_t> id = index.find(text);
  return id ? std::optional<int32_t>(static_cast<int32_t>(*id)) : std::nullopt;
}

bool Tokenizer::isSpecial(int32_t id) const {
  const AddedToken *added = id < 0 ? nullptr : addedTokens.findId(static_cast<uint32_t>(id));
  return added && added->special();
}

bool Tokenizer::isHidden(int32_t id) const { return isSpecial(id) && findToken(tokenText(id)) == id; }

bool Tokenizer::isStop(int32_t id) const {
  return id >= 0 && std::find(model.stop_ids().begin(), model.stop_ids().end(), static_cast<uint32_t>(id)) !=
                        model.stop_ids().end();
}

std::string StreamingDetokenizer::push(int32_t id) {
  absl::string_view token = tokenizer.tokenText(id);
  if (token.empty() || (special == DecodeSpecial::Skip && tokenizer.isHidden(id)))
    return "";
  return detokenizer.push(token);
}

} // namespace llmc::text
