//===- BytePairEncoding.cpp - words to tokens by ranked merges ------------===//

#include "runtime/text/BytePairEncoding.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include "runtime/text/ByteLevelAlphabet.h"
#include "runtime/text/PieceCache.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

// Up to here a scan for the lowest rank beats a heap.
constexpr size_t kShortPiece = 48;

// What SentencePiece has in place of a space.
constexpr absl::string_view kSpace = "\u2581";

/// Mixes both ids into the low bits.
size_t slotOf(uint64_t pair, size_t mask) {
  pair *= 0x9E3779B97F4A7C15u;
  pair ^= pair >> 32;
  pair *= 0xD6E8FEB86659FD93u;
  return static_cast<size_t>(pair >> 32) & mask;
}

/// Ranges of characters of the byte-level alphabet become ranges of the bytes that these stand for.
void toBytes(absl::string_view visible, std::vector<ByteRange> &ranges) {
  std::vector<size_t> bytesBefore;
  bytesBefore.reserve(visible.size() + 1);
  size_t bytes = 0;
  for (char c : visible) {
    // A character begins where no continuation byte stands.
    bytesBefore.push_back(bytes);
    bytes += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }
  bytesBefore.push_back(bytes);
  for (ByteRange &range : ranges)
    range = {bytesBefore[range.begin], bytesBefore[range.end]};
}

uint64_t pairOf(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

} // namespace

BytePairEncoding::BytePairEncoding(const TokenIndex &index, Symbols symbols)
    : index(index), kind(symbols), cache(std::make_unique<PieceCache>()) {}

BytePairEncoding::~BytePairEncoding() = default;

absl::StatusOr<std::unique_ptr<BytePairEncoding>>
BytePairEncoding::create(const BytePairEncodingModel &model, const TokenIndex &index, Symbols symbols) {
  std::unique_ptr<BytePairEncoding> encoding(new BytePairEncoding(index, symbols));
  encoding->prefix = model.continuing_subword_prefix();
  encoding->suffix = model.end_of_word_suffix();
  encoding->ignoreMerges = model.ignore_merges();
  encoding->byteFallback = model.byte_fallback();
  encoding->fuseUnk = model.fuse_unk();
  if (model.has_unk_id()) {
    if (model.unk_id() >= index.size())
      return absl::InvalidArgumentError(absl::StrFormat(
          "BPE: the unknown token is %d, but the vocabulary has %d tokens", model.unk_id(), index.size()));
    encoding->unkId = model.unk_id();
  }
  if (absl::Status status = encoding->addMerges(model); !status.ok())
    return status;
  encoding->findByteTokens();
  if (absl::Status status = encoding->findWholeTokens(model); !status.ok())
    return status;
  encoding->findOutWhetherWordsStandAlone(model);
  return encoding;
}

absl::Status BytePairEncoding::addMerges(const BytePairEncodingModel &model) {
  int count = model.left_size();
  bool ranked = model.rank_size() != 0;
  if (model.right_size() != count || model.merged_size() != count || (ranked && model.rank_size() != count))
    return absl::InvalidArgumentError(
        absl::StrFormat("BPE: %d left, %d right and %d merged tokens and %d ranks; expected as many of each "
                        "(or no ranks)",
                        count, model.right_size(), model.merged_size(), model.rank_size()));
  // A third stays free.
  merges.assign(std::bit_ceil(static_cast<size_t>(count) * 3 / 2 + 2), Merge());
  size_t mask = merges.size() - 1;
  for (int i = 0; i < count; ++i) {
    uint32_t left = model.left(i), right = model.right(i), merged = model.merged(i);
    uint32_t rank = ranked ? model.rank(i) : static_cast<uint32_t>(i);
    if (rank == kNoRank)
      return absl::InvalidArgumentError(absl::StrFormat("BPE: merge %d has a rank out of range", i));
    if (std::max({left, right, merged}) >= index.size())
      return absl::InvalidArgumentError(
          absl::StrFormat("BPE: merge %d is of token %d, but the vocabulary has %d tokens", i,
                          std::max({left, right, merged}), index.size()));
    uint64_t pair = pairOf(left, right);
    size_t slot = slotOf(pair, mask);
    while (merges[slot].pair != kNoPair && merges[slot].pair != pair)
      slot = (slot + 1) & mask;
    // Of two merges of one pair the last counts.
    merges[slot] = {pair, rank, merged};
  }
  return absl::OkStatus();
}

void BytePairEncoding::findByteTokens() {
  if (kind != Symbols::Bytes || !prefix.empty() || !suffix.empty())
    return;
  everyByteHasToken = true;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string character;
    appendUtf8(character, byteLevelCharacter(static_cast<uint8_t>(byte)));
    std::optional<uint32_t> id = index.find(character);
    everyByteHasToken = everyByteHasToken && id.has_value();
    byteTokens[byte] = static_cast<int32_t>(id.value_or(0));
  }
}

absl::Status BytePairEncoding::findWholeTokens(const BytePairEncodingModel &model) {
  absl::StatusOr<DoubleArray> array = DoubleArray::create({model.whole().begin(), model.whole().end()});
  if (!array.ok())
    return absl::InvalidArgumentError(absl::StrCat("BPE: ", array.status().message()));
  if (!array->allValues([&](uint32_t id) { return id < index.size() && !index.text(id).empty(); }))
    return absl::InvalidArgumentError("BPE: a token that is found whole is not in the vocabulary");
  if (!array->empty() && kind == Symbols::Bytes)
    return absl::UnimplementedError("BPE: tokens that are found whole are not supported over bytes");
  wholeTokens = *std::move(array);
  return absl::OkStatus();
}

void BytePairEncoding::findOutWhetherWordsStandAlone(const BytePairEncodingModel &model) {
  // The space has to be a symbol, so that unknown characters on both sides of it are apart.
  if (kind == Symbols::Bytes || ignoreMerges || !prefix.empty() || !suffix.empty() || !index.find(kSpace))
    return;
  wordsStandAlone = std::none_of(model.merged().begin(), model.merged().end(), [&](uint32_t id) {
    absl::string_view token = index.text(id);
    while (absl::ConsumePrefix(&token, kSpace)) {
    }
    return absl::StrContains(token, kSpace);
  });
}

const BytePairEncoding::Merge &BytePairEncoding::findMerge(uint32_t left, uint32_t right) const {
  uint64_t pair = pairOf(left, right);
  size_t mask = merges.size() - 1;
  size_t slot = slotOf(pair, mask);
  while (merges[slot].pair != pair && merges[slot].pair != kNoPair)
    slot = (slot + 1) & mask;
  return merges[slot];
}

void BytePairEncoding::encode(absl::string_view piece, std::vector<int32_t> &ids,
                              std::vector<ByteRange> *ranges) const {
  if (wholeTokens.empty())
    return encodeWords(piece, 0, ids, ranges);
  size_t done = 0;
  for (size_t at = 0; at < piece.size();) {
    DoubleArray::Match match = wholeTokens.longestPrefix(piece.substr(at));
    if (match.length == 0) {
      at += decodeFront(piece.substr(at)).length;
      continue;
    }
    encodeWords(piece.substr(done, at - done), done, ids, ranges);
    ids.push_back(static_cast<int32_t>(match.value));
    if (ranges)
      ranges->push_back({at, at + match.length});
    at += match.length;
    done = at;
  }
  encodeWords(piece.substr(done), done, ids, ranges);
}

void BytePairEncoding::encodeWords(absl::string_view text, size_t at, std::vector<int32_t> &ids,
                                   std::vector<ByteRange> *ranges) const {
  while (wordsStandAlone) {
    size_t end = 0;
    while (absl::StartsWith(text.substr(end), kSpace))
      end += kSpace.size();
    end = text.find(kSpace, end);
    if (end == absl::string_view::npos)
      break;
    encodePiece(text.substr(0, end), at, ids, ranges);
    text.remove_prefix(end);
    at += end;
  }
  if (!text.empty())
    encodePiece(text, at, ids, ranges);
}

void BytePairEncoding::encodePiece(absl::string_view piece, size_t at, std::vector<int32_t> &ids,
                                   std::vector<ByteRange> *ranges) const {
  // The cache knows tokens only.
  if (!ranges && cache->find(piece, ids))
    return;
  std::string visible;
  absl::string_view text = piece;
  if (kind == Symbols::Bytes && (ignoreMerges || !everyByteHasToken)) {
    appendByteLevel(visible, piece);
    text = visible;
  }
  if (ignoreMerges)
    if (std::optional<uint32_t> whole = index.find(text)) {
      auto id = static_cast<int32_t>(*whole);
      ids.push_back(id);
      if (ranges)
        ranges->push_back({at, at + piece.size()});
      cache->insert(piece, &id, 1);
      return;
    }
  std::vector<int32_t> symbols;
  std::vector<ByteRange> parts, *partsIfWanted = ranges ? &parts : nullptr;
  if (everyByteHasToken) {
    symbols.reserve(piece.size());
    for (char byte : piece)
      symbols.push_back(byteTokens[static_cast<unsigned char>(byte)]);
    for (size_t byte = 0; ranges && byte < piece.size(); ++byte)
      parts.push_back({byte, byte + 1});
  } else {
    initialSymbols(text, symbols, partsIfWanted);
    if (ranges && kind == Symbols::Bytes)
      toBytes(text, parts);
  }
  if (symbols.size() <= kShortPiece)
    mergeShort(symbols, partsIfWanted);
  else
    mergeLong(symbols, partsIfWanted);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  for (ByteRange part : parts)
    ranges->push_back({at + part.begin, at + part.end});
  cache->insert(piece, symbols.data(), symbols.size());
}

void BytePairEncoding::initialSymbols(absl::string_view piece, std::vector<int32_t> &symbols,
                                      std::vector<ByteRange> *ranges) const {
  int32_t pendingUnknown = -1;
  ByteRange unknown = {};
  auto flush = [&] {
    if (pendingUnknown >= 0)
      symbols.push_back(pendingUnknown);
    if (pendingUnknown >= 0 && ranges)
      ranges->push_back(unknown);
    pendingUnknown = -1;
  };
  std::string symbol;
  for (size_t at = 0; at < piece.size();) {
    const size_t begin = at;
    absl::string_view character = piece.substr(at, decodeFront(piece.substr(at)).length);
    symbol.clear();
    absl::StrAppend(&symbol, at == 0 ? "" : prefix, character);
    at += character.size();
    if (at == piece.size())
      symbol += suffix;
    if (std::optional<uint32_t> id = index.find(symbol)) {
      flush();
      symbols.push_back(static_cast<int32_t>(*id));
      if (ranges)
        ranges->push_back({begin, at});
      continue;
    }
    // As in the reference, an unknown token that waits to be fused is not flushed by bytes.
    if (byteFallback && appendByteFallback(symbol, symbols)) {
      // Each of the character's bytes stands for the character.
      if (ranges)
        ranges->resize(symbols.size(), {begin, at});
      continue;
    }
    if (!unkId)
      continue;
    if (!fuseUnk)
      flush();
    unknown = {pendingUnknown < 0 ? begin : unknown.begin, at};
    pendingUnknown = static_cast<int32_t>(*unkId);
  }
  flush();
}

bool BytePairEncoding::appendByteFallback(absl::string_view character, std::vector<int32_t> &symbols) const {
  size_t before = symbols.size();
  for (char byte : character) {
    std::optional<uint32_t> id = index.find(absl::StrFormat("<0x%02X>", static_cast<unsigned char>(byte)));
    if (!id) {
      symbols.resize(before);
      return false;
    }
    symbols.push_back(static_cast<int32_t>(*id));
  }
  return true;
}

void BytePairEncoding::mergeShort(std::vector<int32_t> &symbols, std::vector<ByteRange> *ranges) const {
  size_t count = symbols.size();
  // Merge i is of symbols i and i + 1.
  Merge found[kShortPiece];
  for (size_t i = 0; i + 1 < count; ++i)
    found[i] = findMerge(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (found[i].rank < found[best].rank)
        best = i;
    if (found[best].rank == kNoRank)
      break;
    symbols[best] = static_cast<int32_t>(found[best].merged);
    std::copy(symbols.begin() + best + 2, symbols.begin() + count, symbols.begin() + best + 1);
    if (ranges) {
      (*ranges)[best].end = (*ranges)[best + 1].end;
      ranges->erase(ranges->begin() + best + 1);
    }
    std::copy(found + best + 1, found + count - 1, found + best);
    --count;
    if (best > 0)
      found[best - 1] = findMerge(symbols[best - 1], symbols[best]);
    if (best + 1 < count)
      found[best] = findMerge(symbols[best], symbols[best + 1]);
  }
  symbols.resize(count);
}

void BytePairEncoding::mergeLong(std::vector<int32_t> &symbols, std::vector<ByteRange> *ranges) const {
  struct Link {
    int32_t previous; // -1 at the front
    int32_t next;     // -1 at the back
  };
  struct Candidate {
    uint32_t rank;
    int32_t at;
    bool operator>(const Candidate &other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  auto count = static_cast<int32_t>(symbols.size());
  std::vector<Link> links(count);
  std::vector<Candidate> heap;
  constexpr int32_t kMerged = -1;
  auto consider = [&](int32_t at, int32_t next) {
    const Merge &merge = findMerge(symbols[at], symbols[next]);
    if (merge.rank == kNoRank)
      return;
    heap.push_back({merge.rank, at});
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  for (int32_t i = 0; i < count; ++i) {
    links[i] = {i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 < count)
      consider(i, i + 1);
  }
  while (!heap.empty()) {
    auto [rank, at] = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    int32_t next = links[at].next;
    if (symbols[at] == kMerged || next < 0)
      continue;
    // The neighbours may have changed since.
    const Merge &merge = findMerge(symbols[at], symbols[next]);
    if (merge.rank != rank)
      continue;
    symbols[at] = static_cast<int32_t>(merge.merged);
    symbols[next] = kMerged;
    if (ranges)
      (*ranges)[at].end = (*ranges)[next].end;
    links[at].next = links[next].next;
    if (links[at].next >= 0) {
      links[links[at].next].previous = at;
      consider(at, links[at].next);
    }
    if (links[at].previous >= 0)
      consider(links[at].previous, at);
  }
  if (ranges) {
    size_t kept = 0;
    for (int32_t i = 0; i < count; ++i)
      if (symbols[i] != kMerged)
        (*ranges)[kept++] = (*ranges)[i];
    ranges->resize(kept);
  }
  std::erase(symbols, kMerged);
}

} // namespace llmc::text
