//===- Philox.h - random numbers by counter -------------------------------------------------------------===//
#ifndef LLMC_TRAIN_PHILOX_H
#define LLMC_TRAIN_PHILOX_H

#include <array>
#include <cstdint>

namespace llmc::train {

/// Philox4x32-10 (Salmon et al., 2011): four random words for each counter and key, in any order.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The place of `index` in a permutation of 0 .. count - 1 that `key` chooses, in constant memory: a network
/// of Feistel over a power of four, walked until it is in range (Black and Rogaway, 2002).
uint64_t permute(uint64_t index, uint64_t count, uint64_t key);

} // namespace llmc::train

#endif // LLMC_TRAIN_PHILOX_H
