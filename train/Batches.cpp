#include "train/Batches.h"

#include "dialects/random/Philox.h"
#include "train/Permutation.h"

#include <algorithm>

namespace llmc::train {

int64_t TokenStream::documentAt(uint64_t epoch, int64_t index) const {
  if (options.order == Order::AsStored)
    return index;
  const std::array<uint32_t, 4> key =
      philox({static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32), 0, 1},
             {static_cast<uint32_t>(options.seed), static_cast<uint32_t>(options.seed >> 32)});
  return static_cast<int64_t>(permute(index, file.documents(), key[0] | uint64_t{key[1]} << 32));
}

bool TokenStream::canBeAt(const StreamPosition &position) const {
  if (position.document < 0 || position.document >= file.documents() || position.token < 0)
    return false;
  const int64_t document = documentAt(position.epoch, position.document);
  return position.token < file.documentEnd(document) - file.documentBegin(document);
}

void TokenStream::pad(Batch &batch, int64_t row, int64_t count) const {
  std::fill_n(batch.tokens.begin() + row, count, 0);
  std::fill_n(batch.positions.begin() + row, count, 0);
  std::fill_n(batch.segments.begin() + row, count, static_cast<int32_t>(row));
}

/// Sets the targets of a part of a document, and returns how many there are.
int64_t TokenStream::setTargets(Batch &batch, int64_t row, int64_t document, int64_t begin,
                                int64_t count) const {
  const int64_t end = file.documentEnd(document);
  int32_t *const targets = batch.targets.data() + row;
  switch (options.predicted) {
  case Predicted::NextToken:
    for (int64_t i = 0; i < count; ++i)
      targets[i] = begin + i + 1 < end ? file.token(begin + i + 1) : -1;
    return count - (begin + count == end ? 1 : 0);
  case Predicted::MaskedTokens:
    return options.masking->apply(at.epoch, begin, absl::MakeSpan(batch.tokens).subspan(row, count),
                                  {targets, static_cast<size_t>(count)});
  case Predicted::DocumentLabel:
    targets[0] = numberOf(file.label(document));
    return 1;
  case Predicted::Number:
    targets[0] = 0;
    batch.numbers[row] = file.number(document);
    return 1;
  case Predicted::TokenLabels:
    for (int64_t i = 0; i < count; ++i)
      targets[i] = numberOf(file.label(i + 1 < count || begin + count == end ? begin + i : end - 1));
    return std::count_if(targets, targets + count, [](int32_t label) { return label >= 0; });
  }
  return 0;
}

void TokenStream::place(Batch &batch, int64_t row, int64_t document, int64_t begin, int64_t count) const {
  for (int64_t i = 0; i < count; ++i) {
    batch.tokens[row + i] = file.token(begin + i);
    batch.positions[row + i] = static_cast<int32_t>(i);
    batch.segments[row + i] = static_cast<int32_t>(row);
  }
  batch.targetCount += setTargets(batch, row, document, begin, count);
  batch.tokenCount += count;
}

void TokenStream::next(int64_t sequences, int64_t length, Batch &batch) {
  const int64_t rows = sequences * length;
  for (std::vector<int32_t> *column : {&batch.tokens, &batch.positions, &batch.segments})
    column->resize(rows);
  batch.targets.assign(rows, -1);
  batch.numbers.assign(options.predicted == Predicted::Number ? rows : 0, 0);
  batch.targetCount = batch.tokenCount = 0;
  const uint64_t epoch = at.epoch;
  for (int64_t row = 0; row < rows;) {
    const int64_t document = documentAt(at.epoch, at.document);
    const int64_t begin = file.documentBegin(document) + at.token, end = file.documentEnd(document);
    const int64_t room = length - row % length;
    const bool whole = options.packing == Packing::Whole;
    if (const bool ended = options.once && at.epoch != epoch;
        ended || (whole && end - begin > room && room < length)) {
      pad(batch, row, room);
      row += room;
      continue;
    }
    const int64_t count = std::min(end - begin, room);
    place(batch, row, document, begin, count);
    const bool isCut = whole && begin + count < end;
    if (isCut)
      batch.tokens[row + count - 1] = file.token(end - 1);
    row += count;
    at.token += count;
    if (isCut || begin + count == end) {
      at.token = 0;
      if (++at.document == file.documents()) {
        at.document = 0;
        ++at.epoch;
      }
    }
  }
}

} // namespace llmc::train
