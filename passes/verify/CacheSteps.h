//===- CacheSteps.h - whether caches serve the steps that follow ---------------------------------------===//
#ifndef LLMC_PASSES_VERIFY_CACHESTEPS_H
#define LLMC_PASSES_VERIFY_CACHESTEPS_H

#include "passes/NumericBound.h"
#include "passes/verify/Execution.h"

namespace llmc {

/// Feeds the rows of `whole`, an execution of a function of `module` from empty caches, in two steps, the
/// second with the caches that the first returns. Describes where the outputs lie outside of `bound` around
/// those of all rows at once; empty where they do not. Functions whose outputs depend on later rows, which no
/// steps can give, and those whose rows cannot be told apart are left out.
std::string describeStepDeparture(mlir::ModuleOp module, nn::ParameterSource &parameters,
                                  const Execution<float> &whole, const NumericBound &bound);

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_CACHESTEPS_H
