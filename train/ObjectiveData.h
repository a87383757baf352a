//===- ObjectiveData.h - what an objective asks of its data -----------------------------------------------===//
#ifndef LLMC_TRAIN_OBJECTIVEDATA_H
#define LLMC_TRAIN_OBJECTIVEDATA_H

#include "train/Batches.h"
#include "train/recipe.pb.h"

namespace llmc::train {

/// What a model with this objective predicts.
Predicted predictedBy(const Objective &objective);

/// Whether a file has what is to be predicted; errors say how it would be packed.
absl::Status checkLabelKind(const TokenFile &file, const Objective &objective);

/// Whether a file to train with has as many groups as a batch of `sequences`.
absl::Status checkGroupCount(const TokenFile &file, const Objective &objective, int64_t sequences);

/// Whether the labels of a file are among those of the objective, which has them all.
absl::Status checkLabelNames(const TokenFile &file, const Objective &objective);

/// The numbers that the model has for the labels of a file, whose names were checked.
std::vector<int32_t> labelNumbers(const TokenFile &file, const Objective &objective);

} // namespace llmc::train

#endif // LLMC_TRAIN_OBJECTIVEDATA_H
