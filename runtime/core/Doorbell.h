//===- Doorbell.h - wait for a condition: poll for a while, then sleep --------------------------------===//
#ifndef LLMC_RUNTIME_CORE_DOORBELL_H
#define LLMC_RUNTIME_CORE_DOORBELL_H

#include <atomic>
#include <chrono>
#include <cstdint>

namespace llmc::runtime {

/// Tells the CPU that this thread polls.
inline void relaxCpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// Lets threads wait until a condition on atomics holds. Whoever makes the condition true does so with a
/// sequentially consistent operation and then calls `ring`; the condition reads with the same order. Ringing
/// costs one load when nobody sleeps.
class Doorbell {
public:
  /// Returns when `holds()` does. Polls for about `spin`, then sleeps in the kernel.
  template <typename Condition> void wait(Condition holds, std::chrono::microseconds spin) {
    if (holds() || poll(holds, spin))
      return;
    // Either the ringer sees this count or the condition below sees what the ringer did before it looked.
    sleepers.fetch_add(1);
    while (true) {
      uint32_t seen = rings.load();
      if (holds())
        break;
      sleepUnlessRung(seen);
    }
    sleepers.fetch_sub(1);
  }

  /// Wakes all that wait, to look at their conditions again.
  void ring() {
    if (sleepers.load() != 0)
      wakeAll();
  }

private:
  template <typename Condition> static bool poll(Condition &holds, std::chrono::microseconds spin) {
    constexpr int kPollsPerClockRead = 64;
    if (spin.count() == 0)
      return false;
    const auto deadline = std::chrono::steady_clock::now() + spin;
    do {
      for (int i = 0; i < kPollsPerClockRead; ++i) {
        relaxCpu();
        if (holds())
          return true;
      }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
  }

  void sleepUnlessRung(uint32_t seen);
  void wakeAll();

  std::atomic<uint32_t> rings{0}; ///< the futex word
  std::atomic<uint32_t> sleepers{0};
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_DOORBELL_H
