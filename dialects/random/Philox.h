//===- Philox.h - random numbers by counter -------------------------------------------------------------===//
#ifndef LLMC_DIALECTS_RANDOM_PHILOX_H
#define LLMC_DIALECTS_RANDOM_PHILOX_H

#include <array>
#include <cstdint>

namespace llmc {

/// The constants of Philox4x32 (Salmon et al., 2011).
struct Philox {
  static constexpr int kRounds = 10;
  static constexpr uint32_t kMultiplierA = 0xD2511F53, kMultiplierB = 0xCD9E8D57;
  static constexpr uint32_t kWeylA = 0x9E3779B9, kWeylB = 0xBB67AE85;
};

/// Philox4x32-10: four random words for each counter and key, in any order.
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < Philox::kRounds; ++round) {
    const uint64_t a = uint64_t{Philox::kMultiplierA} * counter[0],
                   b = uint64_t{Philox::kMultiplierB} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += Philox::kWeylA;
    key[1] += Philox::kWeylB;
  }
  return counter;
}

} // namespace llmc

#endif // LLMC_DIALECTS_RANDOM_PHILOX_H
