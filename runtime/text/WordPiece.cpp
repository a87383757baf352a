//===- WordPiece.cpp - words to tokens by longest match -------------------===//

#include "runtime/text/WordPiece.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "runtime/text/Unicode.h"

namespace llmc::text {

absl::StatusOr<std::unique_ptr<WordPiece>> WordPiece::create(const WordPieceModel &model,
                                                             const TokenIndex &index) {
  if (model.unk_id() >= index.size() || index.text(model.unk_id()).empty())
    return absl::InvalidArgumentError(
        absl::StrFormat("WordPiece: the unknown token is %d, which the vocabulary lacks", model.unk_id()));
  std::unique_ptr<WordPiece> wordPiece(new WordPiece(index));
  wordPiece->prefix = model.continuing_subword_prefix();
  wordPiece->maxCharacters = model.max_input_chars_per_word();
  wordPiece->unkId = static_cast<int32_t>(model.unk_id());
  return wordPiece;
}

void WordPiece::encode(absl::string_view word, std::vector<int32_t> &ids,
                       std::vector<ByteRange> *ranges) const {
  const size_t before = ids.size(), rangesBefore = ranges ? ranges->size() : 0;
  auto characters = static_cast<size_t>(std::count_if(
      word.begin(), word.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
  if (characters <= maxCharacters && cover(word, ids, ranges))
    return;
  ids.resize(before);
  ids.push_back(unkId);
  if (ranges) {
    ranges->resize(rangesBefore);
    ranges->push_back({0, word.size()});
  }
}

bool WordPiece::cover(absl::string_view word, std::vector<int32_t> &ids,
                      std::vector<ByteRange> *ranges) const {
  std::string candidate;
  for (size_t start = 0; start < word.size();) {
    candidate.assign(start == 0 ? "" : prefix);
    size_t prefixBytes = candidate.size();
    if (prefixBytes >= index.longestToken())
      return false;
    size_t end = std::min(word.size(), start + index.longestToken() - prefixBytes);
    while (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80)
      --end;
    candidate.append(word.data() + start, end - start);
    std::optional<uint32_t> id;
    while (candidate.size() > prefixBytes && !(id = index.find(candidate)))
      candidate.resize(candidate.size() - decodeBack(candidate).length);
    if (!id)
      return false;
    ids.push_back(static_cast<int32_t>(*id));
    const size_t covered = candidate.size() - prefixBytes;
    if (ranges)
      ranges->push_back({start, start + covered});
    start += covered;
  }
  return true;
}

} // namespace llmc::text
