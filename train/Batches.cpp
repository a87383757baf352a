#include "train/Batches.h"

#include "dialects/random/Philox.h"
#include "train/Permutation.h"

#include <algorithm>

namespace llmc::train {

/// What is shuffled: documents, or groups of them.
int64_t TokenStream::units() const {
  return areGrouped() ? file.documents() / file.groupSize() : file.documents();
}

int64_t TokenStream::unitAt(uint64_t epoch, int64_t index) const {
  if (options.order == Order::AsStored)
    return index;
  const std::array<uint32_t, 4> key =
      philox({static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32), 0, 1},
             {static_cast<uint32_t>(options.seed), static_cast<uint32_t>(options.seed >> 32)});
  return static_cast<int64_t>(permute(index, units(), key[0] | uint64_t{key[1]} << 32));
}

bool TokenStream::canBeAt(const StreamPosition &position) const {
  if (position.document < 0 || position.document >= units() || position.token < 0)
    return false;
  if (areGrouped())
    return position.token == 0;
  const int64_t document = unitAt(position.epoch, position.document);
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
  case Predicted::Partner:
  case Predicted::Target: // nextPairs()
    return 0;
  case Predicted::Preference:
    for (int64_t i = 0; i + 1 < count; ++i)
      targets[i] = file.label(begin + i + 1) < 0 ? -1 : file.token(begin + i + 1);
    return 0;
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

void TokenStream::advance() {
  at.token = 0;
  if (++at.document == units()) {
    at.document = 0;
    ++at.epoch;
  }
}

void TokenStream::nextGroups(int64_t sequences, int64_t length, Batch &batch) {
  const bool isPreference = options.predicted == Predicted::Preference;
  const int64_t size = file.groupSize();
  // A group that is there twice would have to be told apart from itself.
  if (!options.once && at.document + sequences / size > units())
    at = {.epoch = at.epoch + 1};
  const StreamPosition start = at;
  for (int64_t sequence = 0; sequence < sequences; sequence += size) {
    const int64_t index = start.document + sequence / size, past = index - units();
    batch.choices.push_back(past >= 0 ? -1 : isPreference ? 0 : static_cast<int32_t>(sequence / size));
    if (past >= start.document) { // all groups are there
      for (int64_t member = 0; member < size; ++member)
        pad(batch, (sequence + member) * length, length);
      continue;
    }
    const int64_t group = unitAt(start.epoch, past >= 0 ? past : index);
    for (int64_t member = 0; member < size; ++member) {
      const int64_t document = group * size + member, row = (sequence + member) * length;
      const int64_t begin = file.documentBegin(document), end = file.documentEnd(document);
      const int64_t count = std::min(end - begin, length);
      // What is preferred stands behind a prompt.
      place(batch, row, document, isPreference ? end - count : begin, count);
      batch.tokens[row + count - 1] = file.token(end - 1);
      pad(batch, row + count, length - count);
    }
    if (past < 0) {
      ++batch.targetCount;
      advance();
    }
  }
}

void TokenStream::nextPairs(int64_t sequences, int64_t length, Batch &batch) {
  const int64_t sourceLength = options.sourceLength;
  for (std::vector<int32_t> *column : {&batch.sourceTokens, &batch.sourcePositions, &batch.sourceSegments})
    column->resize(sequences * sourceLength);
  const uint64_t epoch = at.epoch;
  for (int64_t sequence = 0; sequence < sequences; ++sequence) {
    int64_t row = sequence * length, sourceRow = sequence * sourceLength;
    const int64_t end = row + length, sourceEnd = sourceRow + sourceLength;
    while (!options.once || at.epoch == epoch) {
      const int64_t source = unitAt(at.epoch, at.document) * file.groupSize(), target = source + 1;
      auto lengthOf = [&](int64_t document, int64_t most) {
        return std::min(file.documentEnd(document) - file.documentBegin(document), most);
      };
      // One that is cut keeps its last token.
      auto tokenOf = [&](int64_t document, int64_t i, int64_t count) {
        return i + 1 < count ? file.token(file.documentBegin(document) + i)
                             : file.token(file.documentEnd(document) - 1);
      };
      const int64_t sourceCount = lengthOf(source, sourceLength), count = lengthOf(target, length);
      if (sourceRow + sourceCount > sourceEnd || row + count > end)
        break;
      const auto segment = static_cast<int32_t>(row);
      for (int64_t i = 0; i < sourceCount; ++i, ++sourceRow) {
        batch.sourceTokens[sourceRow] = tokenOf(source, i, sourceCount);
        batch.sourcePositions[sourceRow] = static_cast<int32_t>(i);
        batch.sourceSegments[sourceRow] = segment;
      }
      for (int64_t i = 0; i < count; ++i, ++row) {
        batch.tokens[row] = i == 0 ? options.startToken : tokenOf(target, i - 1, count);
        batch.positions[row] = static_cast<int32_t>(i);
        batch.segments[row] = segment;
        batch.targets[row] = tokenOf(target, i, count);
      }
      batch.targetCount += count;
      batch.tokenCount += sourceCount + count;
      advance();
    }
    // No target's segment.
    const auto padding = static_cast<int32_t>(-1 - sequence);
    auto fill = [](std::vector<int32_t> &column, int64_t begin, int64_t end, int32_t value) {
      std::fill(column.begin() + begin, column.begin() + end, value);
    };
    fill(batch.tokens, row, end, 0);
    fill(batch.positions, row, end, 0);
    fill(batch.segments, row, end, padding);
    fill(batch.sourceTokens, sourceRow, sourceEnd, 0);
    fill(batch.sourcePositions, sourceRow, sourceEnd, 0);
    fill(batch.sourceSegments, sourceRow, sourceEnd, padding);
  }
}

void TokenStream::next(int64_t sequences, int64_t length, Batch &batch) {
  const int64_t rows = sequences * length;
  for (std::vector<int32_t> *column : {&batch.tokens, &batch.positions, &batch.segments})
    column->resize(rows);
  batch.targets.assign(rows, -1);
  batch.numbers.assign(options.predicted == Predicted::Number ? rows : 0, 0);
  batch.choices.clear();
  batch.targetCount = batch.tokenCount = 0;
  if (options.packing == Packing::Groups)
    return nextGroups(sequences, length, batch);
  if (options.packing == Packing::Pairs)
    return nextPairs(sequences, length, batch);
  const uint64_t epoch = at.epoch;
  for (int64_t row = 0; row < rows;) {
    const int64_t document = unitAt(at.epoch, at.document);
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
    if (isCut || begin + count == end)
      advance();
  }
}

} // namespace llmc::train
