//===- StepInputs.h - what a batch is to a step ------------------------------------------------------------===//
#ifndef LLMC_TRAIN_STEPINPUTS_H
#define LLMC_TRAIN_STEPINPUTS_H

#include "train/Batches.h"
#include "train/Program.h"

namespace llmc::train {

/// Sets the operands of `step` that tell about a batch. Which there are is up to the recipe
/// (frontend/recipe).
void setInputs(Program &program, const std::string &step, const Batch &batch);

/// Sets what dropout depends on, of batch `index` of step number `number`: a batch's rows have other numbers
/// than those of other batches.
void setDraw(Program &program, uint64_t seed, uint64_t number, int64_t index);

} // namespace llmc::train

#endif // LLMC_TRAIN_STEPINPUTS_H
