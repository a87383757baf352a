//===- Trainer.h - a run of training --------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_TRAINER_H
#define LLMC_TRAIN_TRAINER_H

#include "train/Checkpoint.h"
#include "train/Program.h"
#include "train/Recipe.h"

#include <atomic>

namespace llmc::train {

/// What the command line of a trainer asks for.
struct RunOptions {
  bool restart = false; ///< begin anew where there are checkpoints
  bool quiet = false;   ///< no progress on the terminal
  /// Steps whose kernels' times are printed; nothing is saved then. 0: none.
  uint64_t profiledSteps = 0;
};

/// Why a run ended.
enum class Ending { Complete, Stopped };

/// Runs the recipe of `program` with the settings `run`: from its last checkpoint, if there is one, to its
/// last step. When `stop` becomes true it saves a checkpoint and ends. Errors are one line; what was saved
/// before stays.
absl::StatusOr<Ending> train(Program &program, const Recipe &recipe, const Run &run,
                             const RunOptions &options, const std::atomic<bool> &stop);

} // namespace llmc::train

#endif // LLMC_TRAIN_TRAINER_H
