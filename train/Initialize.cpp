#include "train/Initialize.h"

#include "dialects/random/Philox.h"
#include "runtime/core/ArtifactFormat.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

namespace llmc::train {

void fillNormal(float *data, int64_t elements, double deviation, uint64_t seed, absl::string_view name,
                int threads) {
  const uint64_t stream =
      runtime::checksumOf(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(name.data()), name.size()));
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const auto scale = static_cast<float>(deviation);
  // Four numbers a counter, two by two (Box and Muller, 1958).
  const auto fill = [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const std::array<uint32_t, 4> random =
          philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                  static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
                 key);
      float numbers[4];
      for (int pair = 0; pair < 2; ++pair) {
        constexpr float kUnit = 1.0F / 4294967296.0F;
        const float u = (static_cast<float>(random[2 * pair]) + 1.0F) * kUnit;
        const float angle = static_cast<float>(2 * M_PI) * static_cast<float>(random[2 * pair + 1]) * kUnit;
        const float radius = scale * std::sqrt(-2.0F * std::log(std::min(u, 1.0F)));
        numbers[2 * pair] = radius * std::cos(angle);
        numbers[2 * pair + 1] = radius * std::sin(angle);
      }
      for (int64_t i = 0; i < 4 && 4 * block + i < elements; ++i)
        data[4 * block + i] = numbers[i];
    }
  };
  const int64_t blocks = (elements + 3) / 4, part = (blocks + threads - 1) / threads;
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads && thread * part < blocks; ++thread)
    others.emplace_back(fill, thread * part, std::min(blocks, (thread + 1) * part));
  fill(0, std::min(blocks, part));
  for (std::thread &other : others)
    other.join();
}

} // namespace llmc::train
