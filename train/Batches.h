//===- Batches.h - token files as batches ---------------------------------------------------------------===//
#ifndef LLMC_TRAIN_BATCHES_H
#define LLMC_TRAIN_BATCHES_H

#include "train/Masking.h"
#include "train/TokenFile.h"

#include <cstdint>
#include <vector>

namespace llmc::train {

/// Where a stream of documents is. Enough to go on from.
struct StreamPosition {
  uint64_t epoch = 0;
  int64_t document = 0; ///< or group, in the order of the epoch
  int64_t token = 0;    ///< of the document
};

/// In which order documents come.
enum class Order { AsStored, Shuffled };

/// What becomes of a document that does not fit into the rest of a sequence.
enum class Packing {
  Split,  ///< it goes on in the next sequence
  Whole,  ///< it begins in the next one; one that is longer than a sequence is cut, and keeps its last token
  Groups, ///< each has one, beside the others of its group; one that is longer keeps its last token, or its
          ///< end. Batches are of different groups, and what is left of an epoch is dropped
  Pairs ///< of two, the first one goes to the sequence of sources beside the second one's. Both begin in the
        ///< next sequences if one does not fit; one that is longer is cut, and keeps its last token
};

/// What is to be predicted.
enum class Predicted {
  NextToken,
  MaskedTokens,
  DocumentLabel,
  TokenLabels,
  Number,
  Partner,
  Preference,
  Target ///< the second text of a pair
};

/// How a file becomes batches.
struct StreamOptions {
  Order order = Order::AsStored;
  uint64_t seed = 0;
  Predicted predicted = Predicted::NextToken;
  Packing packing = Packing::Split;
  bool once = false;                 ///< behind the last document there is padding, not the next epoch;
                                     ///< behind the last group the first ones, without a choice
  std::vector<int32_t> labelNumbers; ///< the model's, by the file's
  const Masking *masking = nullptr;  ///< of Predicted::MaskedTokens
  int64_t sourceLength = 0;          ///< of Packing::Pairs: tokens of a sequence of sources
  int32_t startToken = 0;            ///< of Packing::Pairs: what a target's tokens begin with
};

/// Rows of one step: sequences of the same length one behind the other, each packed with (parts of)
/// documents, and with padding, which is like documents without targets.
struct Batch {
  std::vector<int32_t> tokens;    ///< of Packing::Pairs: those before the targets
  std::vector<int32_t> positions; ///< from 0 in each part of a document
  std::vector<int32_t> segments;  ///< differ between parts of documents
  std::vector<int32_t> targets;   ///< the token or label that is to be predicted; -1: none
  std::vector<float> numbers;     ///< of Predicted::Number, of rows with a target
  std::vector<int32_t> choices;   ///< of Packing::Groups: the right one of each group's candidates; -1: none
  /// The same of sources, of Packing::Pairs, whose segments are those of their targets.
  std::vector<int32_t> sourceTokens, sourcePositions, sourceSegments;
  int64_t targetCount = 0; ///< choices, or targets, that are not -1
  int64_t tokenCount = 0;  ///< rows that are not padding, with those of sources
};

/// The documents of a file, epoch after epoch, each in another order. The order depends on the seed and on
/// nothing else.
class TokenStream {
public:
  TokenStream(const TokenFile &file, const StreamOptions &options) : file(file), options(options) {}

  /// Fills `batch` with `sequences` sequences of `length` tokens.
  void next(int64_t sequences, int64_t length, Batch &batch);

  /// Whether a stream of this file can be at `position`.
  bool canBeAt(const StreamPosition &position) const;

  const StreamPosition &position() const { return at; }
  void setPosition(const StreamPosition &position) { at = position; }

private:
  void nextGroups(int64_t sequences, int64_t length, Batch &batch);
  void nextPairs(int64_t sequences, int64_t length, Batch &batch);
  void advance();
  bool areGrouped() const { return options.packing == Packing::Groups || options.packing == Packing::Pairs; }
  int64_t units() const;
  int64_t unitAt(uint64_t epoch, int64_t index) const;
  void pad(Batch &batch, int64_t row, int64_t count) const;
  void place(Batch &batch, int64_t row, int64_t document, int64_t begin, int64_t count) const;
  int32_t numberOf(int32_t label) const { return label < 0 ? label : options.labelNumbers[label]; }
  int64_t setTargets(Batch &batch, int64_t row, int64_t document, int64_t begin, int64_t count) const;

  const TokenFile &file;
  const StreamOptions options;
  StreamPosition at;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_BATCHES_H
