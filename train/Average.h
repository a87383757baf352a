//===- Average.h - averages of parameters --------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_AVERAGE_H
#define LLMC_TRAIN_AVERAGE_H

#include "train/Program.h"

namespace llmc::train {

/// Makes averages the parameters. The step `update` goes on with them.
absl::Status beginAverages(Program &program);

/// Exchanges parameters and averages.
absl::Status swapAverages(Program &program);

} // namespace llmc::train

#endif // LLMC_TRAIN_AVERAGE_H
