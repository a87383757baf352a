//===- Checkpoint.h - the state of a run on disk --------------------------------------------------------===//
//
// A checkpoint is a folder `checkpoint-STEP` that transformers reads: config.json, model.safetensors and the
// tokenizer's files; beside them what goes on from there needs: NAME.safetensors for each state of the
// optimizer, and trainer.json, which has checksums of all of them. It appears under its name once it is
// complete.
//
//===----------------------------------------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_CHECKPOINT_H
#define LLMC_TRAIN_CHECKPOINT_H

#include "train/Batches.h"
#include "train/LossScale.h"
#include "train/Program.h"

#include <limits>
#include <optional>

namespace llmc::train {

/// What a run has come to, beside parameters and states.
struct Progress {
  uint64_t step = 0; ///< steps that were made
  StreamPosition data;
  double bestLoss = std::numeric_limits<double>::infinity(); ///< on held-out data
  uint64_t bestStep = 0;
  LossScale lossScale;
};

/// The folder of the checkpoint of step `step` in `output`.
std::string checkpointPath(absl::string_view output, uint64_t step);

/// Steps of the checkpoints in `output`, rising.
std::vector<uint64_t> listCheckpoints(absl::string_view output);

absl::Status saveCheckpoint(absl::string_view output, Program &program, const Progress &progress);

/// Reads a checkpoint into `program`. DataLoss, with the file's name, where one is not as it was saved.
absl::StatusOr<Progress> loadCheckpoint(absl::string_view folder, Program &program);

void removeCheckpoint(absl::string_view output, uint64_t step);

/// Removes what earlier runs left half written, and all but the last `keep` checkpoints and that of step
/// `best`.
void removeOldCheckpoints(absl::string_view output, uint64_t keep, uint64_t best);

} // namespace llmc::train

#endif // LLMC_TRAIN_CHECKPOINT_H
