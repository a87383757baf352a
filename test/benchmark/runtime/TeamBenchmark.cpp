// The cost of a parallel region. `Region/THREADS/CHUNKS/PAUSES` runs steps of 300 regions, each of CHUNKS
// chunks in which a thread executes PAUSES pause instructions; `region_ns` is the time of one region,
// `chunk_ns` the time of one chunk alone, so that region_ns - CHUNKS * chunk_ns / THREADS is what the team
// costs.
#include "runtime/core/Team.h"

#include "benchmark/benchmark.h"

#include <atomic>
#include <chrono>
#include <thread>

using namespace llmc::runtime;

namespace {

constexpr int kRegions = 300;

void work(int64_t pauses) {
  for (int64_t i = 0; i < pauses; ++i)
    relaxCpu();
}

/// rows: chunks of a region; output_rows: pauses in a chunk.
void step(const LlmcStep *step, LlmcWorker *worker) {
  const int64_t chunks = step->rows, pauses = step->output_rows;
  for (int region = 0; region < kRegions; ++region)
    while (llmc_region_next(worker, chunks) >= 0)
      work(pauses);
}

double secondsOfChunk(int64_t pauses) {
  constexpr int kRepeats = 20000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRepeats; ++i)
    work(pauses);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kRepeats;
}

void regions(benchmark::State &state) {
  std::unique_ptr<Team> team = *Team::create({.threads = static_cast<int>(state.range(0))});
  LlmcStep argument = {};
  argument.rows = state.range(1);
  argument.output_rows = state.range(2);
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state)
    team->run(step, argument);
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  state.counters["region_ns"] = elapsed.count() / (static_cast<double>(state.iterations()) * kRegions);
  const double chunk = secondsOfChunk(state.range(2)) * 1e9;
  state.counters["chunk_ns"] = chunk;
  state.counters["cost_ns"] = state.counters["region_ns"] - chunk * state.range(1) / state.range(0);
}

/// How long a cache line takes to another thread and back: the unit in which synchronisation is paid.
void roundTrip(benchmark::State &state) {
  alignas(64) static std::atomic<int64_t> ping{0};
  alignas(64) static std::atomic<int64_t> pong{0};
  ping = pong = 0;
  std::thread echo([] {
    for (int64_t seen = 0; seen >= 0;)
      if (int64_t now = ping.load(std::memory_order_acquire); now != seen)
        pong.store(seen = now, std::memory_order_release);
  });
  int64_t ball = 0;
  for (auto _ : state) {
    ping.store(++ball, std::memory_order_release);
    while (pong.load(std::memory_order_acquire) != ball) {
    }
  }
  ping = -1;
  echo.join();
}
BENCHMARK(roundTrip)->Name("CacheLineRoundTrip")->UseRealTime();

BENCHMARK(regions)
    ->Name("Region")
    ->ArgNames({"threads", "chunks", "pauses"})
    ->ArgsProduct({{1, 2}, {2, 8, 16}, {0, 20, 200}})
    ->UseRealTime();

} // namespace

BENCHMARK_MAIN();
