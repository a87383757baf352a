//===- MachineLimits.cpp - what this machine can do at most ---------------------------------------------===//

#include "tools/llmc/MachineLimits.h"

#include "runtime/core/CpuFeatures.h"

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llmc::tool {

namespace {

using Clock = std::chrono::steady_clock;

/// Seconds that `threads` threads take to run `work(thread)`, all at the same time, in the best of some turns
/// after one that warms up and in which each thread touches its memory first.
template <typename Work> double secondsOf(int threads, Work work) {
  constexpr int kTurns = 5;
  double best = 0;
  std::barrier meeting(threads);
  std::vector<Clock::time_point> starts(threads);
  auto run = [&](int thread) {
    for (int turn = -1; turn < kTurns; ++turn) {
      meeting.arrive_and_wait();
      starts[thread] = Clock::now(); // some may begin before others are awake
      work(thread);
      meeting.arrive_and_wait();
      const double seconds =
          std::chrono::duration<double>(Clock::now() - *absl::c_min_element(starts)).count();
      meeting.arrive_and_wait();
      if (thread == 0 && turn >= 0)
        best = turn == 0 ? seconds : std::min(best, seconds);
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread)
    others.emplace_back(run, thread);
  run(0);
  for (std::thread &other : others)
    other.join();
  return best;
}

constexpr size_t kReadBytes = size_t(256) << 20; ///< more than most caches hold

uint64_t readAll(const uint64_t *begin, const uint64_t *end) {
  uint64_t sums[16] = {};
  for (; begin != end; begin += 16)
    for (int i = 0; i < 16; ++i)
      sums[i] += begin[i];
  uint64_t sum = 0;
  for (uint64_t part : sums)
    sum += part;
  return sum;
}

#if defined(__x86_64__)

constexpr int64_t kTurns = 5'000'000; ///< of each loop: some ten milliseconds
constexpr int kSums = 12;             ///< independent ones, so that no product waits for another

// Keeps the compiler from knowing a vector, so that it leaves out no work. A macro: a function would be for
// other processors than its caller.
#define LLMC_HIDE(vector) asm volatile("" : "+v"(vector))

// A loop each: `kSums` products a turn. Functions of their own, since each is for other processors.

__attribute__((target("avx2,fma"))) void multiplyF32x8() {
  __m256 sums[kSums] = {}, a = _mm256_setzero_ps(), b = a;
  LLMC_HIDE(a);
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m256 &sum : sums) {
      sum = _mm256_fmadd_ps(a, b, sum);
      LLMC_HIDE(sum);
    }
}

__attribute__((target("avx512f"))) void multiplyF32x16() {
  __m512 sums[kSums] = {}, a = _mm512_setzero_ps(), b = a;
  LLMC_HIDE(a);
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m512 &sum : sums) {
      sum = _mm512_fmadd_ps(a, b, sum);
      LLMC_HIDE(sum);
    }
}

__attribute__((target("avx2"))) void multiplyPairs32() {
  __m256i sums[kSums] = {}, a = _mm256_setzero_si256(), b = a;
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m256i &sum : sums) {
      LLMC_HIDE(a);
      sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b));
      LLMC_HIDE(sum);
    }
}

__attribute__((target("avx512bw"))) void multiplyPairs64() {
  __m512i sums[kSums] = {}, a = _mm512_setzero_si512(), b = a;
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m512i &sum : sums) {
      LLMC_HIDE(a);
      sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(a, b));
      LLMC_HIDE(sum);
    }
}

__attribute__((target("avxvnni"))) void multiplyBytes32() {
  __m256i sums[kSums] = {}, a = _mm256_setzero_si256(), b = a;
  LLMC_HIDE(a);
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m256i &sum : sums) {
      sum = _mm256_dpbusd_avx_epi32(sum, a, b);
      LLMC_HIDE(sum);
    }
}

__attribute__((target("avx512f,avx512vnni"))) void multiplyBytes64() {
  __m512i sums[kSums] = {}, a = _mm512_setzero_si512(), b = a;
  LLMC_HIDE(a);
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m512i &sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, b);
      LLMC_HIDE(sum);
    }
}

__attribute__((target("avx512f,avx512bf16"))) void multiplyBf16x32() {
  __m512 sums[kSums] = {};
  __m512bh a = {}, b = {};
  LLMC_HIDE(a);
  LLMC_HIDE(b);
  for (int64_t turn = 0; turn < kTurns; ++turn)
#pragma clang loop unroll(full)
    for (__m512 &sum : sums) {
      sum = _mm512_dpbf16_ps(sum, a, b);
      LLMC_HIDE(sum);
    }
}

/// Eight tiles of 16 rows of 64 bytes.
struct TileConfiguration {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr int64_t kTileTurns = 1'000'000;
constexpr int kTileSums = 4;

__attribute__((target("amx-int8"))) void multiplyByteTiles() {
  TileConfiguration configuration;
  _tile_loadconfig(&configuration);
  for (int64_t turn = 0; turn < kTileTurns; ++turn) {
    _tile_dpbusd(0, 4, 5);
    _tile_dpbusd(1, 4, 5);
    _tile_dpbusd(2, 4, 5);
    _tile_dpbusd(3, 4, 5);
  }
  _tile_release();
}

__attribute__((target("amx-bf16"))) void multiplyBf16Tiles() {
  TileConfiguration configuration;
  _tile_loadconfig(&configuration);
  for (int64_t turn = 0; turn < kTileTurns; ++turn) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_release();
}

/// A loop of products.
struct Loop {
  const char *unit;
  const char *features[2]; ///< that it needs
  void (*run)();
  int64_t products; ///< of a multiply and an add, in all
};

/// The wider one of a unit comes first.
constexpr Loop kLoops[] = {
    {"f32", {"avx512f", nullptr}, multiplyF32x16, kTurns * kSums * 16},
    {"f32", {"avx2", "fma"}, multiplyF32x8, kTurns * kSums * 8},
    {"bf16", {"avx512bf16", nullptr}, multiplyBf16x32, kTurns * kSums * 32},
    {"int8", {"avx512vnni", nullptr}, multiplyBytes64, kTurns * kSums * 64},
    {"int8", {"avxvnni", nullptr}, multiplyBytes32, kTurns * kSums * 32},
    {"int8 pairs", {"avx512bw", nullptr}, multiplyPairs64, kTurns * kSums * 64},
    {"int8 pairs", {"avx2", nullptr}, multiplyPairs32, kTurns * kSums * 32},
    {"int8 tiles", {"amx-int8", nullptr}, multiplyByteTiles, kTileTurns * kTileSums * 16 * 16 * 64},
    {"bf16 tiles", {"amx-bf16", nullptr}, multiplyBf16Tiles, kTileTurns * kTileSums * 16 * 16 * 32},
};

std::map<std::string, double> measurePeaks(int threads) {
  const std::vector<absl::string_view> features = runtime::hostFeatures();
  const bool mayUseTiles = runtime::requestMatrixTiles();
  std::map<std::string, double> peaks;
  for (const Loop &loop : kLoops) {
    const bool isThere = absl::c_all_of(loop.features, [&](const char *feature) {
      return feature == nullptr || (absl::c_linear_search(features, feature) &&
                                    (mayUseTiles || !absl::StartsWith(feature, "amx-")));
    });
    if (isThere && !peaks.contains(loop.unit))
      peaks[loop.unit] =
          2.0 * static_cast<double>(loop.products) * threads / secondsOf(threads, [&](int) { loop.run(); });
  }
  return peaks;
}

#else

std::map<std::string, double> measurePeaks(int) { return {}; }

#endif

} // namespace

absl::StatusOr<MachineLimits> measureMachineLimits(int threads) {
  MachineLimits limits;
  constexpr size_t words = kReadBytes / sizeof(uint64_t);
  std::unique_ptr<uint64_t, void (*)(void *)> memory(
      static_cast<uint64_t *>(std::aligned_alloc(4096, kReadBytes)), std::free);
  if (!memory)
    return absl::ResourceExhaustedError("there are no 256 MiB of memory to measure how fast it is read");
  std::vector<char> touched(threads, false);
  const double seconds = secondsOf(threads, [&](int thread) {
    constexpr size_t unit = 16;
    const size_t begin = words / unit * thread / threads * unit,
                 end = words / unit * (thread + 1) / threads * unit;
    if (!touched[thread]) { // by the thread that reads it, so that it is near
      std::memset(memory.get() + begin, 1, (end - begin) * sizeof(uint64_t));
      touched[thread] = true;
    }
    volatile uint64_t sum = readAll(memory.get() + begin, memory.get() + end);
    static_cast<void>(sum);
  });
  limits.readBandwidth = static_cast<double>(kReadBytes) / seconds;
  limits.peaks = measurePeaks(threads);
  return limits;
}

} // namespace llmc::tool
