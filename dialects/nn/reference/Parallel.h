//===- Parallel.h - a loop on all processors ---------------------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_PARALLEL_H
#define LLMC_DIALECTS_NN_REFERENCE_PARALLEL_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>

namespace llmc::nn::reference {

/// Calls `body` once for each index below `count`, on several threads if the loop has at least `operations`
/// worth a thread's start. The order of the calls must not matter: results are the same for any number of
/// threads.
void parallelFor(int64_t count, double operations, llvm::function_ref<void(int64_t)> body);

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_PARALLEL_H
