//===- Initialize.h - parameters to begin with ----------------------------------------------------------===//
#ifndef LLMC_TRAIN_INITIALIZE_H
#define LLMC_TRAIN_INITIALIZE_H

#include "absl/strings/string_view.h"

#include <cstdint>

namespace llmc::train {

/// Fills `data` with numbers of a normal distribution around 0. They depend on the seed, the name and their
/// place only, not on the number of threads.
void fillNormal(float *data, int64_t elements, double deviation, uint64_t seed, absl::string_view name,
                int threads);

} // namespace llmc::train

#endif // LLMC_TRAIN_INITIALIZE_H
