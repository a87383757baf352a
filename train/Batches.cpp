#include "train/Batches.h"

#include "train/Philox.h"

#include <algorithm>

namespace llmc::train {

int64_t TokenStream::documentAt(uint64_t epoch, int64_t index) const {
  if (order == Order::AsStored)
    return index;
  const std::array<uint32_t, 4> key =
      philox({static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32), 0, 1},
             {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return static_cast<int64_t>(permute(index, file.documents(), key[0] | uint64_t{key[1]} << 32));
}

bool TokenStream::canBeAt(const StreamPosition &position) const {
  if (position.document < 0 || position.document >= file.documents() || position.token < 0)
    return false;
  const int64_t document = documentAt(position.epoch, position.document);
  return position.token < file.documentEnd(document) - file.documentBegin(document);
}

void TokenStream::next(int64_t sequences, int64_t length, Batch &batch) {
  const int64_t rows = sequences * length;
  for (std::vector<int32_t> *column : {&batch.tokens, &batch.positions, &batch.segments, &batch.targets})
    column->resize(rows);
  batch.targetCount = 0;
  for (int64_t row = 0; row < rows;) {
    const int64_t document = documentAt(at.epoch, at.document);
    const int64_t begin = file.documentBegin(document) + at.token, end = file.documentEnd(document);
    const int64_t count = std::min(end - begin, length - row % length);
    for (int64_t i = 0; i < count; ++i) {
      batch.tokens[row + i] = file.token(begin + i);
      batch.positions[row + i] = static_cast<int32_t>(i);
      batch.segments[row + i] = static_cast<int32_t>(row);
      const bool hasNext = begin + i + 1 < end;
      batch.targets[row + i] = hasNext ? file.token(begin + i + 1) : -1;
      batch.targetCount += hasNext;
    }
    row += count;
    at.token += count;
    if (begin + count == end) {
      at.token = 0;
      if (++at.document == file.documents()) {
        at.document = 0;
        ++at.epoch;
      }
    }
  }
}

} // namespace llmc::train
