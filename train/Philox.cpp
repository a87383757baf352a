#include "train/Philox.h"

namespace llmc::train {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplierA = 0xD2511F53, kMultiplierB = 0xCD9E8D57;
  constexpr uint32_t kWeylA = 0x9E3779B9, kWeylB = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kMultiplierA * counter[0], b = kMultiplierB * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += kWeylA;
    key[1] += kWeylB;
  }
  return counter;
}

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
