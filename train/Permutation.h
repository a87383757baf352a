//===- Permutation.h - orders by counter ----------------------------------------------------------------===//
#ifndef LLMC_TRAIN_PERMUTATION_H
#define LLMC_TRAIN_PERMUTATION_H

#include <cstdint>

namespace llmc::train {

/// The place of `index` in a permutation of 0 .. count - 1 that `key` chooses, in constant memory: a network
/// of Feistel over a power of four, walked until it is in range (Black and Rogaway, 2002).
uint64_t permute(uint64_t index, uint64_t count, uint64_t key);

} // namespace llmc::train

#endif // LLMC_TRAIN_PERMUTATION_H
