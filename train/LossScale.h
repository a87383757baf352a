//===- LossScale.h - losses of half precision ---------------------------------------------------------------===//
#ifndef LLMC_TRAIN_LOSSSCALE_H
#define LLMC_TRAIN_LOSSSCALE_H

#include <algorithm>
#include <cstdint>

namespace llmc::train {

/// What losses are multiplied by so that gradients are neither too small for half precision nor too large
/// (Micikevicius et al., 2018): half as much after a step whose gradients are not finite, which is skipped,
/// and twice as much after many that were. Powers of two, so that scaling rounds nothing.
struct LossScale {
  static constexpr uint64_t kFirst = 65536, kLargest = uint64_t{1} << 30, kStepsToGrow = 2000;

  uint64_t scale = 1;
  uint64_t steps = 0;   ///< since it changed
  uint64_t skipped = 0; ///< steps of the run

  void grow() {
    if (++steps < kStepsToGrow)
      return;
    scale = std::min(2 * scale, kLargest);
    steps = 0;
  }
  /// False: it can be no smaller.
  bool shrink() {
    if (scale == 1)
      return false;
    scale /= 2;
    steps = 0;
    ++skipped;
    return true;
  }
};

} // namespace llmc::train

#endif // LLMC_TRAIN_LOSSSCALE_H
