//===- Schedule.h - the learning rate of each step ------------------------------------------------------===//
#ifndef LLMC_TRAIN_SCHEDULE_H
#define LLMC_TRAIN_SCHEDULE_H

#include "train/recipe.pb.h"

#include <cstdint>

namespace llmc::train {

/// The learning rate of step `step`, the first being 0.
double learningRate(const Run &run, uint64_t step);

} // namespace llmc::train

#endif // LLMC_TRAIN_SCHEDULE_H
