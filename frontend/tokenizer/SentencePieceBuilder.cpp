//===- SentencePieceBuilder.cpp - tokenizers made of scored pieces --------===//

#include "frontend/tokenizer/SentencePieceBuilder.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "frontend/tokenizer/DoubleArrayBuilder.h"
#include "frontend/tokenizer/TokenCuts.h"
#include "runtime/io/Message.h"
#include "runtime/text/CharacterMap.h"
#include "runtime/text/Unicode.h"
#include "runtime/text/Unigram.h"

namespace llmc::tokenizer {

namespace {

using text::NormalizerStep;
using text::TokenizerModel;

constexpr absl::string_view kSpace = "\u2581";

// Pieces of real vocabularies have some hundred bytes at most.
constexpr size_t kMaxPieceBytes = 64 << 10;

// What an unknown character scores below the worst piece.
constexpr float kUnknownPenalty = 10;

absl::Status checkPiece(const SentencePieces &pieces, size_t id) {
  const std::string &text = pieces.texts[id];
  auto error = [&](absl::string_view message) {
    return absl::InvalidArgumentError(absl::StrFormat("piece %d %s", id, message));
  };
  if (text.empty())
    return error("is empty");
  if (text.size() > kMaxPieceBytes)
    return error(absl::StrFormat("has %d bytes, at most %d are supported", text.size(), kMaxPieceBytes));
  if (!text::isValidUtf8(text))
    return error("is not UTF-8");
  if (text.find('\0') != std::string::npos)
    return error("has a zero byte, which is not supported");
  if (!(std::abs(pieces.scores[id]) < text::kScoreLimit))
    return error(absl::StrCat(io::quote(text), " has the score ", pieces.scores[id],
                              ", expected a number below 1e30"));
  unsigned byte = 0;
  if (pieces.types[id] == PieceType::Byte &&
      !(text.size() == 6 && std::sscanf(text.c_str(), "<0x%2X>", &byte) == 1 &&
        text == absl::StrFormat("<0x%02X>", byte)))
    return error(absl::StrCat(io::quote(text), " is of type byte, but is not like <0x2A>"));
  if (pieces.types[id] == PieceType::Unused &&
      pieces.algorithm == SentencePieces::Algorithm::BytePairEncoding)
    return error(absl::StrCat(io::quote(text), " is of type unused, which is not supported in BPE"));
  return absl::OkStatus();
}

/// Merging starts with characters, and these have to be pieces.
absl::Status checkCharacters(const SentencePieces &pieces, const TokenIds &ids) {
  for (size_t id = 0; id < pieces.texts.size(); ++id) {
    if (pieces.types[id] != PieceType::Normal)
      continue;
    absl::string_view rest = pieces.texts[id];
    while (!rest.empty()) {
      absl::string_view character = rest.substr(0, text::decodeFront(rest).length);
      if (!ids.find(character))
        return absl::UnimplementedError(absl::StrFormat(
            "piece %d %s has the character %s, which is no piece; this is not supported in BPE", id,
            io::quote(pieces.texts[id]), io::quote(character)));
      rest.remove_prefix(character.size());
    }
  }
  return absl::OkStatus();
}

std::vector<uint32_t> userDefined(const SentencePieces &pieces) {
  std::vector<std::pair<std::string, uint32_t>> keys;
  for (uint32_t id = 0; id < pieces.texts.size(); ++id)
    if (pieces.types[id] == PieceType::UserDefined)
      keys.emplace_back(pieces.texts[id], id);
  return buildDoubleArray(std::move(keys));
}

void buildUnigram(const SentencePieces &pieces, TokenizerModel &model) {
  model.set_algorithm(TokenizerModel::UNIGRAM);
  text::UnigramModel &unigram = *model.mutable_unigram();
  unigram.set_single_precision(true);
  unigram.set_byte_fallback(pieces.byteFallback);
  std::optional<float> worst;
  for (size_t id = 0; id < pieces.texts.size(); ++id)
    if (pieces.types[id] == PieceType::Normal)
      worst = std::min(worst.value_or(pieces.scores[id]), pieces.scores[id]);
  unigram.set_unknown_score(worst.value_or(0) - kUnknownPenalty);
  std::vector<std::pair<std::string, uint32_t>> keys;
  for (uint32_t id = 0; id < pieces.texts.size(); ++id) {
    const PieceType type = pieces.types[id];
    // A symbol of the user is worth more than whatever else there is in its place, and more than its parts.
    unigram.add_score(type == PieceType::UserDefined
                          ? static_cast<float>(0.1 * static_cast<double>(pieces.texts[id].size() - 1))
                          : pieces.scores[id]);
    if (type == PieceType::Normal || type == PieceType::UserDefined)
      keys.emplace_back(pieces.texts[id], id);
    if (type == PieceType::Unknown)
      unigram.set_unk_id(id);
  }
  for (uint32_t unit : buildDoubleArray(std::move(keys)))
    unigram.add_trie(unit);
}

void buildBytePairEncoding(const SentencePieces &pieces, const TokenIds &ids, TokenizerModel &model) {
  model.set_algorithm(TokenizerModel::BYTE_PAIR_ENCODING);
  text::BytePairEncodingModel &encoding = *model.mutable_byte_pair_encoding();
  encoding.set_byte_fallback(pieces.byteFallback);
  encoding.set_fuse_unk(true);
  for (uint32_t id = 0; id < pieces.texts.size(); ++id)
    if (pieces.types[id] == PieceType::Unknown)
      encoding.set_unk_id(id);
  addMergesByScore({pieces.scores.begin(), pieces.scores.end()}, pieces.types, ids, encoding);
  for (uint32_t unit : userDefined(pieces))
    encoding.add_whole(unit);
}

void addNormalizer(const SentencePieces &pieces, TokenizerModel &model) {
  NormalizerStep::SentencePiece &step = *model.add_normalizer()->mutable_sentence_piece();
  step.set_charsmap(pieces.charsmap);
  step.set_dummy_prefix(pieces.addDummyPrefix ? NormalizerStep::SentencePiece::ALWAYS
                                              : NormalizerStep::SentencePiece::NEVER);
  step.set_remove_extra_whitespaces(pieces.removeExtraWhitespaces);
  step.set_escape_whitespaces(pieces.escapeWhitespaces);
  for (uint32_t unit : userDefined(pieces))
    step.add_kept(unit);
}

} // namespace

void SentencePieces::add(std::string text, float score, PieceType type) {
  texts.push_back(std::move(text));
  scores.push_back(score);
  types.push_back(type);
}

absl::Status checkPieces(const SentencePieces &pieces) {
  if (pieces.texts.empty())
    return absl::InvalidArgumentError("there are no pieces");
  TokenIds ids(pieces.texts);
  size_t unknown = 0, bytes = 0;
  for (uint32_t id = 0; id < pieces.texts.size(); ++id) {
    if (absl::Status status = checkPiece(pieces, id); !status.ok())
      return status;
    if (uint32_t first = *ids.find(pieces.texts[id]); first != id)
      return absl::InvalidArgumentError(
          absl::StrFormat("pieces %d and %d are both %s", first, id, io::quote(pieces.texts[id])));
    unknown += pieces.types[id] == PieceType::Unknown;
    bytes += pieces.types[id] == PieceType::Byte;
  }
  if (unknown != 1)
    return absl::InvalidArgumentError(
        absl::StrFormat("%d pieces are of type unknown, expected one", unknown));
  if (bytes != (pieces.byteFallback ? 256 : 0))
    return absl::InvalidArgumentError(
        absl::StrFormat("%d pieces are of type byte, expected %s", bytes,
                        pieces.byteFallback ? "256 for byte_fallback" : "none without byte_fallback"));
  if (!pieces.charsmap.empty())
    if (absl::Status status = text::CharacterMap::create(pieces.charsmap).status(); !status.ok())
      return status;
  return pieces.algorithm == SentencePieces::Algorithm::BytePairEncoding ? checkCharacters(pieces, ids)
                                                                         : absl::OkStatus();
}

void buildSentencePiece(const SentencePieces &pieces, const TokenIds &ids, TokenizerModel &model) {
  ids.store(*model.mutable_vocabulary());
  if (pieces.algorithm == SentencePieces::Algorithm::Unigram)
    buildUnigram(pieces, model);
  else
    buildBytePairEncoding(pieces, ids, model);
  addNormalizer(pieces, model);
  text::Decoder::Pieces &decoder = *model.mutable_decoder()->mutable_pieces();
  if (pieces.escapeWhitespaces)
    decoder.set_marker(std::string(kSpace));
  decoder.set_byte_fallback(pieces.byteFallback);
  decoder.set_strip_left(pieces.addDummyPrefix ? 1 : 0);
  for (uint32_t id = 0; id < pieces.texts.size(); ++id) {
    if (pieces.types[id] == PieceType::Unknown)
      model.set_unk_id(id);
    if (pieces.types[id] != PieceType::Unknown && pieces.types[id] != PieceType::Control)
      continue;
    text::AddedToken &token = *model.add_added_tokens();
    token.set_id(id);
    token.set_content(pieces.texts[id]);
    token.set_special(true);
  }
}

void addMergesByScore(const std::vector<double> &scores, const std::vector<PieceType> &types,
                      const TokenIds &ids, text::BytePairEncodingModel &encoding) {
  // What merging may make, the highest score first.
  std::vector<uint32_t> order;
  for (uint32_t id = 0; id < ids.size(); ++id)
    if ((types[id] == PieceType::Normal || types[id] == PieceType::UserDefined) &&
        ids.find(ids.text(id)) == id)
      order.push_back(id);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return std::pair(-scores[a], a) < std::pair(-scores[b], b); });
  const TokenCuts cuts(ids);
  uint32_t rank = 0;
  double last = 0;
  for (uint32_t id : order) {
    if (double score = scores[id]; score != last || encoding.rank_size() == 0) {
      ++rank;
      last = score;
    }
    for (auto [left, right] : cuts.of(id)) {
      encoding.add_left(left);
      encoding.add_right(right);
      encoding.add_merged(id);
      encoding.add_rank(rank);
    }
  }
}

} // namespace llmc::tokenizer
