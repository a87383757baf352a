//===- Batches.h - token files as batches ---------------------------------------------------------------===//
#ifndef LLMC_TRAIN_BATCHES_H
#define LLMC_TRAIN_BATCHES_H

#include "train/TokenFile.h"

#include <cstdint>
#include <vector>

namespace llmc::train {

/// Where a stream of documents is. Enough to go on from.
struct StreamPosition {
  uint64_t epoch = 0;
  int64_t document = 0; ///< in the order of the epoch
  int64_t token = 0;    ///< of the document
};

/// In which order documents come.
enum class Order { AsStored, Shuffled };

/// Rows of one step: sequences of the same length one behind the other, each packed with (parts of)
/// documents.
struct Batch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions; ///< from 0 in each part of a document
  std::vector<int32_t> segments;  ///< differ between parts of documents, and rise
  std::vector<int32_t> targets;   ///< the next token of the document; -1: there is none
  int64_t targetCount = 0;        ///< targets that are not -1
};

/// The documents of a file, epoch after epoch, each in another order. The order depends on the seed and on
/// nothing else.
class TokenStream {
public:
  TokenStream(const TokenFile &file, Order order, uint64_t seed) : file(file), order(order), seed(seed) {}

  /// Fills `batch` with `sequences` sequences of `length` tokens.
  void next(int64_t sequences, int64_t length, Batch &batch);

  /// Whether a stream of this file can be at `position`.
  bool canBeAt(const StreamPosition &position) const;

  const StreamPosition &position() const { return at; }
  void setPosition(const StreamPosition &position) { at = position; }

private:
  int64_t documentAt(uint64_t epoch, int64_t index) const;

  const TokenFile &file;
  const Order order;
  const uint64_t seed;
  StreamPosition at;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_BATCHES_H
