//===- Simulator.h - blocks of threads, simulated on the host ------------------------------------------===//
#ifndef LLMC_TEST_GPU_SIMULATOR_SIMULATOR_H
#define LLMC_TEST_GPU_SIMULATOR_SIMULATOR_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace llmc::simt {

/// Memory of the simulated device. Every allocation has room around it that no access may touch.
class Memory {
public:
  /// Poisoned: bytes of 0xff, which are no numbers of any float type.
  void *allocate(size_t bytes);
  bool free(void *address);
  /// Whether `bytes` from `address` on lie in one allocation.
  bool holds(uint64_t address, uint64_t bytes) const;
  /// Notes that a kernel writes to the allocation that `address` is in, and whether any did.
  void noteWriter(uint64_t address);
  bool hasWriter(uint64_t address) const;

private:
  struct Allocation {
    uint64_t bytes;
    bool hasWriter = false;
  };
  const Allocation *find(uint64_t address) const;
  std::map<uint64_t, Allocation> allocations; ///< by their beginnings
};

/// In which order the warps of a block run between their barriers.
struct Schedule {
  uint32_t seed = 0;    ///< 0: round robin; else warps in random order
  int64_t starved = -1; ///< a warp that runs only when nothing else can
};

/// One launch of a kernel.
struct Launch {
  void (*kernel)(void **arguments);
  std::string name;
  unsigned blocksX, blocksY, threads;
  size_t sharedBytes;
  bool overlaps; ///< begins before earlier launches end
  void **arguments;
};

/// The functions of SimtAbi.h, in the order of simt::Call.
void fillTable(void **table);

/// Runs all blocks, one after the other. Returns an empty string, or what the kernel did that no kernel may:
/// accesses out of bounds or not aligned, threads that wait for ever, copies that nobody waits for, accesses
/// to what earlier launches may still write.
std::string run(const Launch &launch, Memory &memory, const Schedule &schedule);

} // namespace llmc::simt

#endif // LLMC_TEST_GPU_SIMULATOR_SIMULATOR_H
