//===- AttentionBuffers.h - what kernels of attention read besides their operands ---------------------===//
#ifndef LLMC_CODEGEN_CPU_TRAINING_ATTENTIONBUFFERS_H
#define LLMC_CODEGEN_CPU_TRAINING_ATTENTIONBUFFERS_H

#include "codegen/cpu/training/TrainingKernel.h"
#include "codegen/training/AttentionForm.h"

namespace llmc::codegen {

/// Segments of rows, or nulls. Those of keys have room for whole vectors behind the last.
struct AttentionSegments {
  mlir::Value ofQueries, ofKeys;
};

/// Memory around the kernels of one attention: operands in other layouts, scores, and sums over sequences.
class AttentionBuffers {
public:
  /// Queries whose scores exist at one time, and vectors of keys that are computed together.
  static constexpr int64_t queries = 32, vectors = 2;

  AttentionBuffers(CpuTrainingLowering &lowering, mlir::Location loc, const AttentionForm &form)
      : sequences(form.sequences()), lowering(lowering), loc(loc), form(form), lanes(lowering.target.lanes),
        keysPadded(padTo(form.keySequence, vectors * lanes)), distances(form.sequence - 1 + keysPadded) {}

  /// `matrix`, of keys or values, with rows and columns exchanged, and room behind the last column for whole
  /// vectors.
  mlir::Value transpose(mlir::Value matrix);

  /// Memory for the scores of one chunk's queries.
  mlir::Value allocateScores(int64_t chunks);
  /// That of this chunk: [queries, keys].
  mlir::Value scoresOf(TrainingKernel &kernel, mlir::Value scores);

  /// The buffers of segments, which may be null. Keys without their own have those of queries.
  AttentionSegments segmentsOf(mlir::Value segments, mlir::Value keySegments);

  /// `bias` [heads, 2 * reach + 1] as a row of distances for each head, from that of the last query and the
  /// first key on: [heads, distances].
  mlir::Value layOutBias(mlir::Value bias);
  /// Memory for the gradients of each sequence's bias, in its layout: zeros.
  mlir::Value allocateBiasGradient();
  /// `gradient` [heads, 2 * reach + 1] is the sum of those of all sequences.
  void sumBiasGradient(mlir::Value parts, mlir::Value gradient);

  const int64_t sequences;

private:
  /// The column of a bias for a place in the layout of distances.
  mlir::Value withinReach(KernelBuilder &b, mlir::Value place) const;

  CpuTrainingLowering &lowering;
  const mlir::Location loc;
  const AttentionForm &form;
  const int64_t lanes, keysPadded, distances;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_TRAINING_ATTENTIONBUFFERS_H
