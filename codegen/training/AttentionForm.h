//===- AttentionForm.h - sizes of attention over whole sequences ---------------------------------------===//
#ifndef LLMC_CODEGEN_TRAINING_ATTENTIONFORM_H
#define LLMC_CODEGEN_TRAINING_ATTENTIONFORM_H

#include "dialects/nn/NN.h"
#include <optional>

namespace llmc::codegen {

/// Attention in training. Rows are sequences one behind the other, of as many rows as `nn.sequence_rows` says
/// (else one sequence), that do not see each other: their segments differ. Keys are as many sequences, maybe
/// of other lengths.
struct AttentionForm {
  int64_t rows, sequence;       ///< of queries: all, and those of one sequence
  int64_t keyRows, keySequence; ///< of keys
  int64_t heads, kvHeads;
  int64_t group;           ///< heads that share keys
  int64_t size, valueSize; ///< of a head
  double scale;
  bool causal;
  std::optional<int64_t> window;
  std::optional<double> softcap;
  std::optional<int64_t> reach; ///< of a bias by distance

  int64_t sequences() const { return rows / sequence; }
  bool operator==(const AttentionForm &) const = default;
};

/// The form of `op`; refuses what training has no kernels for.
mlir::FailureOr<AttentionForm> attentionFormOf(nn::AttentionOp op);
mlir::FailureOr<AttentionForm> attentionFormOf(nn::AttentionGradientOp op);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_TRAINING_ATTENTIONFORM_H
