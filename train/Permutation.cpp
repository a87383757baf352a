#include "train/Permutation.h"

#include "dialects/random/Philox.h"

namespace llmc::train {

uint64_t permute(uint64_t index, uint64_t count, uint64_t key) {
  int half = 1; // bits
  while ((uint64_t{1} << (2 * half)) < count)
    ++half;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = index >> half, right = index & mask;
    for (uint32_t round = 0; round < 4; ++round) {
      const std::array<uint32_t, 4> random =
          philox({static_cast<uint32_t>(right), static_cast<uint32_t>(right >> 32), round, 0},
                 {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
      const uint64_t mixed = left ^ ((random[0] | uint64_t{random[1]} << 32) & mask);
      left = right;
      right = mixed;
    }
    index = left << half | right;
  } while (index >= count);
  return index;
}

} // namespace llmc::train
