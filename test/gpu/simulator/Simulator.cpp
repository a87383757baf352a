//===- Simulator.cpp - blocks of threads, simulated on the host ----------------------------------------===//
//
// A thread of a block is a fiber: it runs until it waits for others. Operations of a warp (shuffles, matrix
// products) happen when the last of its lanes arrives. What is copied asynchronously arrives when it is
// waited for, and shared memory holds no numbers before it is written, so that a missing wait or barrier
// shows in results. Memory that products of warpgroups read may not be written before they are waited for.
//
//===------------------------------------------------------------------------------------------------===//

#include "test/gpu/simulator/Simulator.h"

#include "codegen/cuda/SimtAbi.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <sys/mman.h>
#include <unordered_map>
#include <utility>
#include <vector>

namespace llmc::simt {

//===--------------------------------------------------------------------===//
// Memory
//===--------------------------------------------------------------------===//

namespace {
constexpr size_t kRedZone = 4096;
constexpr uint8_t kPoison = 0xff;
} // namespace

void *Memory::allocate(size_t bytes) {
  const size_t whole = (bytes + 2 * kRedZone + 4095) / 4096 * 4096;
  void *base =
      mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return nullptr;
  auto *start = static_cast<uint8_t *>(base) + kRedZone;
  constexpr size_t kLargestPoisoned = size_t{1} << 30;
  if (bytes <= kLargestPoisoned)
    std::memset(start, kPoison, bytes);
  allocations[reinterpret_cast<uint64_t>(start)] = {bytes};
  return start;
}

bool Memory::free(void *address) {
  auto it = allocations.find(reinterpret_cast<uint64_t>(address));
  if (it == allocations.end())
    return false;
  munmap(static_cast<uint8_t *>(address) - kRedZone, (it->second.bytes + 2 * kRedZone + 4095) / 4096 * 4096);
  allocations.erase(it);
  return true;
}

const Memory::Allocation *Memory::find(uint64_t address) const {
  auto it = allocations.upper_bound(address);
  if (it == allocations.begin())
    return nullptr;
  --it;
  return address < it->first + it->second.bytes ? &it->second : nullptr;
}

bool Memory::holds(uint64_t address, uint64_t bytes) const {
  auto it = allocations.upper_bound(address);
  if (it == allocations.begin())
    return false;
  --it;
  return address + bytes <= it->first + it->second.bytes;
}

void Memory::noteWriter(uint64_t address) {
  if (const Allocation *found = find(address))
    const_cast<Allocation *>(found)->hasWriter = true;
}

bool Memory::hasWriter(uint64_t address) const {
  const Allocation *found = find(address);
  return found != nullptr && found->hasWriter;
}

//===--------------------------------------------------------------------===//
// Fibers
//===--------------------------------------------------------------------===//

extern "C" void llmc_simt_switch(void **from, void *to);
#if defined(__x86_64__)
asm(R"(
.text
.globl llmc_simt_switch
llmc_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#else
#error "the simulator switches stacks on x86-64 only"
#endif

namespace {

constexpr unsigned kWarp = 32;
constexpr size_t kStackBytes = 256 << 10;
constexpr size_t kSharedWindow = 256 << 10;

/// A part of shared memory.
struct Range {
  uint32_t first, bytes;
  bool meets(const Range &other) const {
    return first < other.first + other.bytes && other.first < first + bytes;
  }
};

struct Copy {
  uint8_t *target;
  const uint8_t *source;
  size_t bytes, given; ///< of the target, and of the source: the others are zeros
};

struct Fiber {
  void *stack = nullptr; ///< where it goes on
  uint8_t *memory = nullptr;
  bool done = false;
  std::vector<Copy> pending;             ///< copies since the last group
  std::vector<std::vector<Copy>> groups; ///< that nobody has waited for
  std::vector<Copy> unfenced;            ///< that products of warpgroups do not see
  bool isFenced = false;                 ///< products of warpgroups may use its registers
  bool hasWaited = false;                ///< for the launches before this one
  std::vector<Range> products;           ///< what products of warpgroups read that are not in a group
  std::vector<std::vector<Range>> productGroups;
};

/// A copy by the copy engine, of a box of a matrix or, without a map, of bytes.
struct EngineCopy {
  TensorMap map;
  uint8_t *target;
  int64_t row, column;
  const uint8_t *source = nullptr;
  uint32_t size = 0;
  bool isBox() const { return source == nullptr; }
  uint32_t bytes() const { return isBox() ? static_cast<uint32_t>(map.boxRows * map.boxColumns * 2) : size; }
};

struct PhaseBarrier {
  uint64_t expected = 0, pending = 0; ///< threads
  int64_t bytes = 0;                  ///< that were announced and are not there
  uint64_t phase = 0;
  std::vector<EngineCopy> copies;
};

/// Four warps whose products happen together, and are seen only when they are waited for.
struct Warpgroup {
  std::array<uint64_t *, 4 * kWarp> cells;
  unsigned arrived = 0;
  uint64_t generation = 0;
};

struct Warp {
  std::array<uint64_t *, kWarp> cells;
  unsigned arrived = 0, alive = 0;
  uint64_t generation = 0;
};

class Block;
Block *running = nullptr;

/// The block that runs.
class Block {
public:
  Block(const Launch &launch, Memory &memory, const Schedule &schedule)
      : launch(launch), memory(memory), schedule(schedule), fibers(launch.threads),
        warps((launch.threads + kWarp - 1) / kWarp),
        warpgroups((launch.threads + 4 * kWarp - 1) / (4 * kWarp)), random(schedule.seed) {
    shared = static_cast<uint8_t *>(std::aligned_alloc(kSharedWindow, kSharedWindow));
    stacks = static_cast<uint8_t *>(mmap(nullptr, kStackBytes * launch.threads, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  }
  ~Block() {
    std::free(shared);
    munmap(stacks, kStackBytes * launch.threads);
  }

  std::string run(unsigned x, unsigned y) {
    blockX = x;
    blockY = y;
    std::memset(shared, kPoison, kSharedWindow);
    waiting = 0;
    alive = launch.threads;
    warpgroups.assign(warpgroups.size(), {});
    phaseBarriers.clear();
    for (unsigned w = 0; w < warps.size(); ++w) {
      warps[w] = {};
      warps[w].alive = std::min(kWarp, launch.threads - w * kWarp);
    }
    for (unsigned t = 0; t < launch.threads; ++t)
      start(t);
    running = this;
    while (alive > 0 && problem.empty()) {
      const uint64_t before = progress;
      runAll();
      if (progress == before && problem.empty())
        fail("threads wait for others for ever");
    }
    for (const Fiber &fiber : fibers)
      if (problem.empty() && (!fiber.pending.empty() || !fiber.groups.empty()))
        fail("ends before its asynchronous copies are waited for");
    for (const Fiber &fiber : fibers)
      if (problem.empty() && (!fiber.products.empty() || !fiber.productGroups.empty()))
        fail("ends before its products of warpgroups are waited for");
    for (const auto &[place, barrier] : phaseBarriers)
      if (problem.empty() && !barrier.copies.empty())
        fail("ends before what the copy engine brings is waited for");
    return problem;
  }

  //===--- Calls of the kernel, on the stack of the current fiber ---===//

  unsigned thread() const { return current; }
  unsigned blocksX() const { return launch.blocksX; }
  unsigned blockX = 0, blockY = 0;
  uint8_t *shared;

  void barrier() {
    const uint64_t generation = barrierGeneration;
    ++progress;
    if (++waiting == alive) {
      waiting = 0;
      ++barrierGeneration;
      return;
    }
    while (barrierGeneration == generation)
      yield();
  }

  /// Runs `operation` on the cells of all lanes when the last of them is here.
  void together(uint64_t *cells, const std::function<void(std::array<uint64_t *, kWarp> &)> &operation) {
    Warp &warp = warps[current / kWarp];
    warp.cells[current % kWarp] = cells;
    const uint64_t generation = warp.generation;
    ++progress;
    if (++warp.arrived == warp.alive) {
      warp.arrived = 0;
      operation(warp.cells);
      ++warp.generation;
      return;
    }
    while (warp.generation == generation)
      yield();
  }

  /// Runs `operation` on the cells of all threads of a warpgroup when the last of them is here.
  void togetherInWarpgroup(uint64_t *cells,
                           const std::function<void(std::array<uint64_t *, 4 * kWarp> &)> &operation) {
    Warpgroup &group = warpgroups[current / (4 * kWarp)];
    group.cells[current % (4 * kWarp)] = cells;
    const uint64_t generation = group.generation;
    ++progress;
    if (++group.arrived == 4 * kWarp) {
      group.arrived = 0;
      operation(group.cells);
      ++group.generation;
      return;
    }
    while (group.generation == generation)
      yield();
  }

  Fiber &fiber() { return fibers[current]; }
  /// What a thread has copied is seen by products of warpgroups once it says so; all have to before a
  /// barrier.
  void fenceProxy() { fibers[current].unfenced.clear(); }

  void copyLater(uint8_t *target, const uint8_t *source, size_t bytes, size_t given) {
    check(reinterpret_cast<uint64_t>(target), bytes, "target of an asynchronous copy", bytes);
    check(reinterpret_cast<uint64_t>(source), given, "source of an asynchronous copy", bytes);
    checkRead(reinterpret_cast<uint64_t>(source), "source of an asynchronous copy");
    checkUnread(target, bytes);
    fibers[current].pending.push_back({target, source, bytes, std::min(bytes, given)});
  }

  //===--- Barriers with phases, and copies of boxes ---===//

  void initBarrier(uint64_t address, uint64_t threads) {
    check(address, 8, "barrier", 8);
    PhaseBarrier &made = phaseBarriers[address];
    made.expected = made.pending = threads;
  }
  void arriveAt(uint64_t address, int64_t bytes) {
    PhaseBarrier &barrier = barrierAt(address);
    if (barrier.pending == 0)
      stop("more threads arrive at a barrier than it expects");
    --barrier.pending;
    barrier.bytes += bytes;
    ++progress;
    endPhase(barrier);
  }
  void waitAt(uint64_t address, uint64_t parity) {
    barrierAt(address);
    while (phaseBarriers[address].phase % 2 == parity) {
      // What is copied comes as late as it can: when somebody waits.
      PhaseBarrier &barrier = phaseBarriers[address];
      for (const EngineCopy &copy : std::exchange(barrier.copies, {})) {
        copyNow(copy);
        barrier.bytes -= copy.bytes();
        ++progress;
      }
      endPhase(barrier);
      if (barrier.phase % 2 == parity)
        yield();
    }
  }
  void copyBox(uint8_t *target, const TensorMap &map, int64_t row, int64_t column, uint64_t address) {
    if (map.magic != TensorMap::kMagic)
      stop("copy of a box without a tensor map");
    checkRead(map.address, "copy of a box");
    constexpr uint64_t kAlignment = 1024;
    startCopy({map, target, row, column}, kAlignment, address);
  }
  void copyBytes(uint8_t *target, const uint8_t *source, uint64_t bytes, uint64_t address) {
    constexpr uint64_t kAlignment = 16;
    if (bytes % kAlignment != 0)
      stop("copy of bytes that are no multiple of 16");
    check(reinterpret_cast<uint64_t>(source), bytes, "source of a copy of bytes", kAlignment);
    checkRead(reinterpret_cast<uint64_t>(source), "source of a copy of bytes");
    startCopy({{}, target, 0, 0, source, static_cast<uint32_t>(bytes)}, kAlignment, address);
  }
  void waitForLaunches() { fiber().hasWaited = true; }
  /// Nothing may be read that earlier launches write, or be written, before they are waited for.
  void checkRead(uint64_t address, const char *place) {
    if (launch.overlaps && !fiber().hasWaited && !isShared(address) && memory.hasWriter(address))
      stop(std::string("reads what earlier launches may write, for which it has not waited: ") + place);
  }
  void checkWrite(uint64_t address, const char *place) {
    if (isShared(address))
      return;
    if (launch.overlaps && !fiber().hasWaited)
      stop(std::string("writes before it has waited for earlier launches: ") + place);
    memory.noteWriter(address);
  }
  void syncWarp() {
    together(nullptr, [](std::array<uint64_t *, kWarp> &) {});
  }
  /// Nobody may write what products of warpgroups still read.
  void checkUnread(const uint8_t *target, size_t bytes) {
    if (target < shared || target >= shared + kSharedWindow)
      return;
    const Range range{static_cast<uint32_t>(target - shared), static_cast<uint32_t>(bytes)};
    auto meets = [&](const Range &other) { return range.meets(other); };
    for (unsigned t = 0; t < fibers.size(); t += kWarp) { // warps wait as one
      const Fiber &reader = fibers[t];
      bool read = std::any_of(reader.products.begin(), reader.products.end(), meets);
      for (const std::vector<Range> &group : reader.productGroups)
        read |= std::any_of(group.begin(), group.end(), meets);
      if (read)
        stop("copy to shared memory that products of warpgroups read");
    }
  }
  void commitGroup() { fibers[current].groups.push_back(std::exchange(fibers[current].pending, {})); }
  void waitGroup(size_t left) {
    std::vector<std::vector<Copy>> &groups = fibers[current].groups;
    while (groups.size() > left) {
      for (const Copy &copy : groups.front()) {
        std::memcpy(copy.target, copy.source, copy.given);
        std::memset(copy.target + copy.given, 0, copy.bytes - copy.given);
      }
      fibers[current].unfenced.insert(fibers[current].unfenced.end(), groups.front().begin(),
                                      groups.front().end());
      groups.erase(groups.begin());
    }
  }

  void check(uint64_t address, uint64_t bytes, const char *place, uint64_t alignment) {
    const uint64_t window = reinterpret_cast<uint64_t>(shared);
    const bool inShared = address >= window && address + bytes <= window + launch.sharedBytes;
    if (!inShared && !memory.holds(address, bytes))
      stop(std::string("out of bounds: ") + place);
    if (address % alignment != 0)
      stop(std::string("address is no multiple of ") + std::to_string(alignment) + ": " + place);
  }

  [[noreturn]] void stop(const std::string &what) {
    fail(what + ", thread " + std::to_string(current));
    leave();
  }
  /// Whether any thread has copies to `bytes` of shared memory from `first` on that products of warpgroups do
  /// not see.
  bool hasUnfencedCopies(uint32_t first, uint32_t bytes) const {
    return std::any_of(fibers.begin(), fibers.end(), [&](const Fiber &fiber) {
      return std::any_of(fiber.unfenced.begin(), fiber.unfenced.end(), [&](const Copy &copy) {
        return copy.target + copy.bytes > shared + first && copy.target < shared + first + bytes;
      });
    });
  }

private:
  bool isShared(uint64_t address) const {
    const uint64_t window = reinterpret_cast<uint64_t>(shared);
    return address >= window && address < window + launch.sharedBytes;
  }
  void startCopy(const EngineCopy &copy, uint64_t alignment, uint64_t barrier) {
    check(reinterpret_cast<uint64_t>(copy.target), copy.bytes(), "target of the copy engine", alignment);
    checkUnread(copy.target, copy.bytes());
    std::memset(copy.target, kPoison, copy.bytes());
    barrierAt(barrier).copies.push_back(copy);
  }
  PhaseBarrier &barrierAt(uint64_t address) {
    auto found = phaseBarriers.find(address);
    if (found == phaseBarriers.end())
      stop("barrier that was not initialized");
    return found->second;
  }
  static void endPhase(PhaseBarrier &barrier) {
    if (barrier.pending > 0 || barrier.bytes != 0)
      return;
    ++barrier.phase;
    barrier.pending = barrier.expected;
  }
  /// Rows of 128 bytes, whose chunks of 16 bytes lie at places that follow from their address (PTX ISA,
  /// "Swizzling Modes"). Outside of the matrix there are zeros.
  void copyNow(const EngineCopy &copy) {
    if (!copy.isBox()) {
      std::memcpy(copy.target, copy.source, copy.size);
      return;
    }
    constexpr uint64_t kRowBytes = 128;
    const TensorMap &map = copy.map;
    for (uint64_t r = 0; r < map.boxRows; ++r)
      for (uint64_t c = 0; c < map.boxColumns; ++c) {
        const int64_t row = copy.row + static_cast<int64_t>(r),
                      column = copy.column + static_cast<int64_t>(c);
        uint16_t element = 0;
        if (row >= 0 && row < static_cast<int64_t>(map.rows) && column >= 0 &&
            column < static_cast<int64_t>(map.columns)) {
          const uint64_t from =
              map.address + static_cast<uint64_t>(row) * map.rowBytes + 2 * static_cast<uint64_t>(column);
          if (!memory.holds(from, 2))
            stop("out of bounds: matrix of a tensor map");
          std::memcpy(&element, reinterpret_cast<const void *>(from), 2);
        }
        uint64_t place = static_cast<uint64_t>(copy.target - shared) + r * kRowBytes + 2 * c;
        place ^= (place >> 7 & 7) << 4;
        std::memcpy(shared + place, &element, 2);
      }
  }

  static void entry() {
    Block &block = *running;
    block.launch.kernel(block.launch.arguments);
    if (block.launch.overlaps && !block.fiber().hasWaited)
      block.stop("ends before it has waited for earlier launches");
    block.finish();
  }

  void start(unsigned t) {
    Fiber &fiber = fibers[t];
    fiber.memory = stacks + kStackBytes * t;
    fiber.done = false;
    fiber.pending.clear();
    fiber.groups.clear();
    fiber.unfenced.clear();
    fiber.isFenced = false;
    fiber.hasWaited = false;
    fiber.products.clear();
    fiber.productGroups.clear();
    auto *top = reinterpret_cast<void **>(fiber.memory + kStackBytes);
    top -= 2; // the stack is a multiple of 16 before a call
    top[0] = reinterpret_cast<void *>(&Block::entry);
    top -= 6; // registers
    fiber.stack = top;
  }

  void finish() {
    Fiber &fiber = fibers[current];
    fiber.done = true;
    ++progress;
    --alive;
    --warps[current / kWarp].alive;
    // Who is left waits for nobody else any more.
    if (alive > 0 && waiting == alive) {
      waiting = 0;
      ++barrierGeneration;
    }
    leave();
  }

  void runAll() {
    std::vector<unsigned> order(warps.size());
    for (unsigned w = 0; w < order.size(); ++w)
      order[w] = w;
    if (schedule.seed != 0)
      std::shuffle(order.begin(), order.end(), random);
    const uint64_t before = progress;
    for (unsigned w : order)
      if (static_cast<int64_t>(w) != schedule.starved)
        runWarp(w);
    if (progress == before && schedule.starved >= 0 && schedule.starved < static_cast<int64_t>(warps.size()))
      runWarp(static_cast<unsigned>(schedule.starved));
  }

  void runWarp(unsigned w) {
    for (unsigned lane = 0; lane < kWarp && w * kWarp + lane < launch.threads; ++lane) {
      current = w * kWarp + lane;
      if (!fibers[current].done && problem.empty())
        llmc_simt_switch(&scheduler, fibers[current].stack);
    }
  }

  void yield() { llmc_simt_switch(&fibers[current].stack, scheduler); }
  [[noreturn]] void leave() {
    void *ignored;
    llmc_simt_switch(&ignored, scheduler);
    std::abort(); // nobody goes on with it
  }
  void fail(const std::string &what) {
    problem = "kernel '" + launch.name + "', block " + std::to_string(blockX) + "," + std::to_string(blockY) +
              ": " + what;
  }

  const Launch &launch;
  Memory &memory;
  const Schedule &schedule;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<Warpgroup> warpgroups;
  std::unordered_map<uint64_t, PhaseBarrier> phaseBarriers; ///< by their addresses
  std::mt19937 random;
  uint8_t *stacks;
  void *scheduler = nullptr;
  unsigned current = 0, waiting = 0, alive = 0;
  uint64_t barrierGeneration = 0, progress = 0;
  std::string problem;
};

//===--------------------------------------------------------------------===//
// What kernels call
//===--------------------------------------------------------------------===//

float floatOf(uint64_t cell) { return std::bit_cast<float>(static_cast<uint32_t>(cell)); }
uint64_t cellOf(float value) { return std::bit_cast<uint32_t>(value); }
float bf16Of(uint32_t half) { return std::bit_cast<float>(half << 16); }

void threadX(uint64_t *cells) { cells[0] = running->thread(); }
void blockX(uint64_t *cells) { cells[0] = running->blockX; }
void blockY(uint64_t *cells) { cells[0] = running->blockY; }
void blocksX(uint64_t *cells) { cells[0] = running->blocksX(); }
void sharedMemory(uint64_t *cells) { cells[0] = reinterpret_cast<uint64_t>(running->shared); }
void barrier(uint64_t *) { running->barrier(); }
void exp2Of(uint64_t *cells) { cells[0] = cellOf(std::exp2(floatOf(cells[0]))); }

void shuffle(uint64_t *cells) {
  running->together(cells, [](std::array<uint64_t *, kWarp> &lanes) {
    std::array<uint64_t, kWarp> values;
    for (unsigned l = 0; l < kWarp; ++l)
      values[l] = lanes[l][0];
    for (unsigned l = 0; l < kWarp; ++l)
      lanes[l][0] = values[(l ^ lanes[l][1]) % kWarp];
  });
}

/// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
void mmaBf16(uint64_t *cells) {
  running->together(cells, [](std::array<uint64_t *, kWarp> &lanes) {
    float a[16][16], b[16][8];
    for (unsigned l = 0; l < kWarp; ++l) {
      const unsigned g = l / 4, t = l % 4;
      for (unsigned half = 0; half < 2; ++half) {
        for (unsigned r = 0; r < 4; ++r)
          a[g + r % 2 * 8][2 * t + half + r / 2 * 8] = bf16Of(lanes[l][r] >> (16 * half) & 0xffff);
        for (unsigned r = 0; r < 2; ++r)
          b[2 * t + half + r * 8][g] = bf16Of(lanes[l][4 + r] >> (16 * half) & 0xffff);
      }
    }
    for (unsigned l = 0; l < kWarp; ++l) {
      const unsigned g = l / 4, t = l % 4;
      std::array<float, 4> sums;
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned row = g + i / 2 * 8, column = 2 * t + i % 2;
        sums[i] = floatOf(lanes[l][6 + i]);
        for (unsigned k = 0; k < 16; ++k)
          sums[i] += a[row][k] * b[k][column];
      }
      for (unsigned i = 0; i < 4; ++i)
        lanes[l][i] = cellOf(sums[i]);
    }
  });
}

void ldMatrix(uint64_t *cells) {
  running->check(cells[0], 16, "row of ldmatrix", 16);
  running->together(cells, [](std::array<uint64_t *, kWarp> &lanes) {
    const auto count = static_cast<unsigned>(lanes[0][1]);
    std::array<const uint8_t *, kWarp> rows;
    std::array<std::array<uint32_t, 4>, kWarp> words;
    for (unsigned l = 0; l < kWarp; ++l)
      rows[l] = reinterpret_cast<const uint8_t *>(lanes[l][0]);
    for (unsigned l = 0; l < kWarp; ++l)
      for (unsigned m = 0; m < count; ++m) {
        // Two elements of row l / 4; of a transposed matrix, of column l / 4.
        const bool transposed = lanes[0][2] != 0;
        uint32_t word = 0;
        for (unsigned half = 0; half < 2; ++half) {
          const unsigned near = l / 4, far = l % 4 * 2 + half;
          uint16_t element;
          std::memcpy(&element, rows[m * 8 + (transposed ? far : near)] + 2 * (transposed ? near : far), 2);
          word |= uint32_t{element} << (16 * half);
        }
        words[l][m] = word;
      }
    for (unsigned l = 0; l < kWarp; ++l)
      for (unsigned m = 0; m < count; ++m)
        lanes[l][m] = words[l][m];
  });
}

/// A matrix in shared memory with a swizzle of 128 bytes, as a descriptor says it lies: PTX ISA,
/// "Asynchronous Warpgroup Level Matrix Instructions".
class DescribedMatrix {
public:
  DescribedMatrix(uint64_t descriptor, bool transposed, unsigned rows)
      : start((descriptor & 0x3fff) * 16), panelStride((descriptor >> 16 & 0x3fff) * 16),
        transposed(transposed) {
    if (descriptor >> 62 != 1 || (descriptor >> 32 & 0x3fff) * 16 != kEightRows)
      running->stop("descriptor of a matrix without the swizzle of 128 bytes");
    const uint32_t first = start / kEightRows * kEightRows;
    if (!transposed)
      ranges.push_back({first, rows * kRowBytes});
    for (unsigned panel = 0; transposed && panel * kPanel < rows; ++panel)
      ranges.push_back({first + panel * panelStride, kInputs * kRowBytes});
    for (const Range &range : ranges)
      if (running->hasUnfencedCopies(range.first, range.bytes))
        running->stop("product of a warpgroup of copies that no fence.proxy.async has made seen");
  }

  const std::vector<Range> &memory() const { return ranges; }

  float at(unsigned row, unsigned k) const {
    uint32_t place = start;
    if (transposed)
      place += row / kPanel * panelStride + k / 8 * kEightRows + k % 8 * kRowBytes + row % kPanel * 2;
    else
      place += row / 8 * kEightRows + row % 8 * kRowBytes + k * 2;
    place ^= (place >> 7 & 7) << 4;
    uint16_t element;
    std::memcpy(&element, running->shared + place, 2);
    return bf16Of(element);
  }

  static constexpr unsigned kInputs = 16;

private:
  static constexpr uint32_t kRowBytes = 128, kEightRows = 1024, kPanel = 64;
  const uint32_t start, panelStride;
  const bool transposed;
  std::vector<Range> ranges;
};

using GroupThreads = std::array<uint64_t *, 4 * kWarp>;

/// Sums of m64nNk16, which begin at cell `first` of each thread and go to its first cells.
void warpgroupProduct(GroupThreads &threads, const std::vector<float> &a, const DescribedMatrix &matrix,
                      unsigned columns, unsigned first) {
  constexpr unsigned kInputs = DescribedMatrix::kInputs;
  std::vector<float> b(columns * kInputs);
  for (unsigned c = 0; c < columns; ++c)
    for (unsigned k = 0; k < kInputs; ++k)
      b[c * kInputs + k] = matrix.at(c, k);
  for (unsigned i = 0; i < 4 * kWarp; ++i) {
    const unsigned row = i / kWarp * 16 + i % kWarp / 4, t = i % 4;
    for (unsigned s = 0; s < columns / 2; ++s) {
      const unsigned at = row + s / 2 % 2 * 8, column = s / 4 * 8 + 2 * t + s % 2;
      float sum = floatOf(threads[i][first + s]);
      for (unsigned k = 0; k < kInputs; ++k)
        sum += a[at * kInputs + k] * b[column * kInputs + k];
      threads[i][s] = cellOf(sum); // behind what is read of this thread
    }
  }
}

void checkFenced() {
  if (!running->fiber().isFenced)
    running->stop("product of a warpgroup without wgmma.fence before it");
}

/// Notes that this thread's warp reads `matrix` until it waits.
void noteReader(const DescribedMatrix &matrix) {
  std::vector<Range> &products = running->fiber().products;
  products.insert(products.end(), matrix.memory().begin(), matrix.memory().end());
}

/// A in registers, B in shared memory.
void warpgroupBf16(uint64_t *cells) {
  checkFenced();
  if (running->thread() % kWarp == 0)
    noteReader(DescribedMatrix(cells[6], cells[1] != 0, static_cast<unsigned>(cells[0])));
  running->togetherInWarpgroup(cells, [](GroupThreads &threads) {
    const auto columns = static_cast<unsigned>(threads[0][0]);
    const DescribedMatrix b(threads[0][6], threads[0][1] != 0, columns);
    std::vector<float> a(64 * DescribedMatrix::kInputs);
    for (unsigned i = 0; i < 4 * kWarp; ++i) {
      const unsigned row = i / kWarp * 16 + i % kWarp / 4, t = i % 4;
      for (unsigned r = 0; r < 4; ++r)
        for (unsigned half = 0; half < 2; ++half)
          a[(row + r % 2 * 8) * 16 + 2 * t + half + r / 2 * 8] =
              bf16Of(threads[i][2 + r] >> (16 * half) & 0xffff);
    }
    warpgroupProduct(threads, a, b, columns, 7);
  });
}

/// Both in shared memory.
void warpgroupBf16Shared(uint64_t *cells) {
  checkFenced();
  if (running->thread() % kWarp == 0) {
    noteReader(DescribedMatrix(cells[2], cells[1] & 1, 64));
    noteReader(DescribedMatrix(cells[3], cells[1] & 2, static_cast<unsigned>(cells[0])));
  }
  running->togetherInWarpgroup(cells, [](GroupThreads &threads) {
    const auto columns = static_cast<unsigned>(threads[0][0]);
    const uint64_t transposed = threads[0][1];
    const DescribedMatrix left(threads[0][2], transposed & 1, 64),
        right(threads[0][3], transposed & 2, columns);
    std::vector<float> a(64 * DescribedMatrix::kInputs);
    for (unsigned row = 0; row < 64; ++row)
      for (unsigned k = 0; k < DescribedMatrix::kInputs; ++k)
        a[row * DescribedMatrix::kInputs + k] = left.at(row, k);
    warpgroupProduct(threads, a, right, columns, 4);
  });
}

void warpgroupFence(uint64_t *) { running->fiber().isFenced = true; }
void warpgroupCommit(uint64_t *) {
  running->fiber().productGroups.push_back(std::exchange(running->fiber().products, {}));
}
void warpgroupWait(uint64_t *cells) {
  Fiber &fiber = running->fiber();
  while (fiber.productGroups.size() > cells[0])
    fiber.productGroups.erase(fiber.productGroups.begin());
  fiber.isFenced = false; // registers may be written again
}
void fenceProxy(uint64_t *) { running->fenceProxy(); }

void barrierInit(uint64_t *cells) { running->initBarrier(cells[0], cells[1]); }
void barrierArrive(uint64_t *cells) { running->arriveAt(cells[0], 0); }
void barrierExpect(uint64_t *cells) { running->arriveAt(cells[0], static_cast<int64_t>(cells[1])); }
void barrierWait(uint64_t *cells) { running->waitAt(cells[0], cells[1]); }
void copyBox(uint64_t *cells) {
  running->copyBox(reinterpret_cast<uint8_t *>(cells[0]), *reinterpret_cast<const TensorMap *>(cells[1]),
                   static_cast<int64_t>(cells[3]), static_cast<int64_t>(cells[2]), cells[4]);
}

void copyBytes(uint64_t *cells) {
  running->copyBytes(reinterpret_cast<uint8_t *>(cells[0]), reinterpret_cast<const uint8_t *>(cells[1]),
                     cells[2], cells[3]);
}
void syncWarp(uint64_t *) { running->syncWarp(); }
void waitForLaunches(uint64_t *) { running->waitForLaunches(); }

void copyAsync(uint64_t *cells) {
  running->copyLater(reinterpret_cast<uint8_t *>(cells[0]), reinterpret_cast<const uint8_t *>(cells[1]),
                     cells[2], cells[3]);
}
void commitGroup(uint64_t *) { running->commitGroup(); }
void waitGroup(uint64_t *cells) { running->waitGroup(cells[0]); }
void checkLoad(uint64_t *cells) {
  const char *place = reinterpret_cast<const char *>(cells[2]);
  running->check(cells[0], cells[1], place, cells[3]);
  running->checkRead(cells[0], place);
}
void checkStore(uint64_t *cells) {
  const char *place = reinterpret_cast<const char *>(cells[2]);
  running->check(cells[0], cells[1], place, cells[3]);
  running->checkWrite(cells[0], place);
}

} // namespace

void fillTable(void **table) {
  const std::pair<Call, void (*)(uint64_t *)> entries[] = {{ThreadX, threadX},
                                                           {BlockX, blockX},
                                                           {BlockY, blockY},
                                                           {BlocksX, blocksX},
                                                           {Shared, sharedMemory},
                                                           {Barrier, barrier},
                                                           {Shuffle, shuffle},
                                                           {Exp2, exp2Of},
                                                           {MmaBf16, mmaBf16},
                                                           {LdMatrix, ldMatrix},
                                                           {CopyAsync, copyAsync},
                                                           {CommitGroup, commitGroup},
                                                           {WaitGroup, waitGroup},
                                                           {WarpgroupBf16, warpgroupBf16},
                                                           {WarpgroupBf16Shared, warpgroupBf16Shared},
                                                           {WarpgroupFence, warpgroupFence},
                                                           {WarpgroupCommit, warpgroupCommit},
                                                           {WarpgroupWait, warpgroupWait},
                                                           {FenceProxy, fenceProxy},
                                                           {BarrierInit, barrierInit},
                                                           {BarrierArrive, barrierArrive},
                                                           {BarrierExpect, barrierExpect},
                                                           {BarrierWait, barrierWait},
                                                           {CopyBox, copyBox},
                                                           {CopyBytes, copyBytes},
                                                           {SyncWarp, syncWarp},
                                                           {WaitForLaunches, waitForLaunches},
                                                           {CheckLoad, checkLoad},
                                                           {CheckStore, checkStore}};
  static_assert(std::size(entries) == kCalls);
  for (auto [call, function] : entries)
    table[call] = reinterpret_cast<void *>(function);
  // A fault, to see that it is found: what is asked for does not happen.
  const std::pair<const char *, Call> omissible[] = {{"barrier", Barrier},
                                                     {"copy-wait", WaitGroup},
                                                     {"proxy-fence", FenceProxy},
                                                     {"product-fence", WarpgroupFence},
                                                     {"product-wait", WarpgroupWait},
                                                     {"phase-wait", BarrierWait},
                                                     {"phase-arrival", BarrierArrive},
                                                     {"phase-bytes", BarrierExpect},
                                                     {"phase-start", BarrierInit},
                                                     {"launch-wait", WaitForLaunches}};
  if (const char *omitted = std::getenv("LLMC_SIMT_OMIT"))
    for (auto [name, call] : omissible)
      if (std::strcmp(name, omitted) == 0)
        table[call] = reinterpret_cast<void *>(+[](uint64_t *) {});
}

std::string run(const Launch &launch, Memory &memory, const Schedule &schedule) {
  Block block(launch, memory, schedule);
  for (unsigned y = 0; y < launch.blocksY; ++y)
    for (unsigned x = 0; x < launch.blocksX; ++x)
      if (std::string problem = block.run(x, y); !problem.empty())
        return problem;
  return "";
}

} // namespace llmc::simt
