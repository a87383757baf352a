#include "runtime/core/Team.h"
#include "NoMoreThreads.h"

#include "gtest/gtest.h"

#include <atomic>
#include <chrono>
#include <random>
#include <set>
#include <thread>
#include <vector>

using namespace llmc::runtime;

namespace {

constexpr int kMaxChunks = 40;
constexpr int kSteps = 600;

uint64_t mix(uint64_t x) {
  x ^= x >> 31;
  x *= 0x9e3779b97f4a7c15u;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9u;
  return x ^ (x >> 32);
}

/// Chunks of a region of the step with this seed. Every worker has to compute the same number.
int chunksOf(uint64_t seed, int region) {
  const uint64_t random = mix(seed * 1000 + region);
  switch (random % 4) {
  case 0:
    return 1;
  case 1:
    return static_cast<int>(random / 4 % 4); // zero chunks are allowed
  default:
    return static_cast<int>(random / 4 % kMaxChunks);
  }
}

/// Plain memory: two regions that overlapped, or a chunk that ran twice, would be a data race here.
struct Trace {
  std::vector<std::vector<uint64_t>> values; // [regions][chunks]
  std::vector<std::vector<int>> runs;        // [regions][chunks]

  explicit Trace(int regions)
      : values(regions, std::vector<uint64_t>(kMaxChunks)), runs(regions, std::vector<int>(kMaxChunks)) {}
};

void sleepSometimes(int oneIn, int maxMicroseconds) {
  thread_local std::minstd_rand random(
      static_cast<unsigned>(std::hash<std::thread::id>()(std::this_thread::get_id())));
  if (oneIn != 0 && random() % oneIn == 0)
    std::this_thread::sleep_for(std::chrono::microseconds(random() % maxMicroseconds));
}

/// The value of a chunk depends on all chunks of the region before it.
uint64_t valueOf(uint64_t seed, int region, int chunk, const std::vector<uint64_t> *previous,
                 int previousChunks) {
  uint64_t value = mix(seed + region * 131 + chunk);
  for (int i = 0; i < previousChunks; ++i)
    value = mix(value + (*previous)[i]);
  return value;
}

/// rows: regions; output_rows: seed; arena: the Trace; positions: one chunk in so many sleeps.
void randomStep(const LlmcStep *step, LlmcWorker *worker) {
  const uint64_t seed = step->output_rows;
  for (int region = 0; region < step->rows; ++region) {
    // A worker that oversleeps here wakes up regions or steps later.
    sleepSometimes(60, 400);
    const int chunks = chunksOf(seed, region);
    for (int64_t chunk; (chunk = llmc_region_next(worker, chunks)) >= 0;) {
      Trace &trace = *reinterpret_cast<Trace *>(step->arena);
      sleepSometimes(100, 50);
      const bool first = region == 0;
      trace.values[region][chunk] = valueOf(seed, region, chunk, first ? nullptr : &trace.values[region - 1],
                                            first ? 0 : chunksOf(seed, region - 1));
      ++trace.runs[region][chunk];
    }
  }
}

class TeamStressTest : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(TeamStressTest, EveryChunkRunsOnceAfterTheRegionBefore) {
  const auto [threads, spinMicroseconds] = GetParam();
  std::unique_ptr<Team> team = *Team::create({.threads = threads,
                                              .regionSpin = std::chrono::microseconds(spinMicroseconds),
                                              .stepSpin = std::chrono::microseconds(spinMicroseconds)});
  ASSERT_EQ(team->size(), threads);
  std::minstd_rand random(threads);
  for (int stepNumber = 0; stepNumber < kSteps; ++stepNumber) {
    const int regions = 1 + random() % 20;
    const uint64_t seed = random();
    // The memory of a step is gone when its `run` has returned: a late worker must not touch it.
    auto trace = std::make_unique<Trace>(regions);
    LlmcStep step = {};
    step.rows = regions;
    step.output_rows = static_cast<int64_t>(seed);
    step.arena = reinterpret_cast<uint8_t *>(trace.get());
    team->run(randomStep, step);
    for (int region = 0; region < regions; ++region) {
      const int chunks = chunksOf(seed, region);
      for (int chunk = 0; chunk < kMaxChunks; ++chunk)
        ASSERT_EQ(trace->runs[region][chunk], chunk < chunks ? 1 : 0)
            << "step " << stepNumber << " region " << region << " chunk " << chunk << " of " << chunks;
      for (int chunk = 0; chunk < chunks; ++chunk)
        ASSERT_EQ(trace->values[region][chunk],
                  valueOf(seed, region, chunk, region ? &trace->values[region - 1] : nullptr,
                          region ? chunksOf(seed, region - 1) : 0));
    }
    if (stepNumber % 16 == 0)
      team->settle();
    sleepSometimes(30, 1000);
  }
}

INSTANTIATE_TEST_SUITE_P(ThreadsAndSpin, TeamStressTest,
                         testing::Combine(testing::Range(1, 9), testing::Values(0, 20)));

// With two chunks a region and two workers, each of which waits for the other inside its chunk, a region can
// only end when both workers take part.
void meetingStep(const LlmcStep *step, LlmcWorker *worker) {
  for (int region = 0; region < 50; ++region)
    while (llmc_region_next(worker, step->rows) >= 0) {
      auto &arrivals = *reinterpret_cast<std::atomic<int64_t> *>(step->arena);
      ++arrivals;
      while (arrivals < (region + 1) * step->rows)
        std::this_thread::yield();
    }
}

TEST(TeamTest, AllWorkersTakePart) {
  for (int threads = 1; threads <= 4; ++threads) {
    std::unique_ptr<Team> team = *Team::create({.threads = threads});
    std::atomic<int64_t> arrivals{0};
    LlmcStep step = {};
    step.rows = threads;
    step.arena = reinterpret_cast<uint8_t *>(&arrivals);
    team->run(meetingStep, step);
    EXPECT_EQ(arrivals, 50 * threads);
  }
}

// Each worker holds its first chunk until all workers have one, so nobody can steal: chunk c has to be the
// first of the range of worker c * N / chunks.
struct FirstChunks {
  std::atomic<int> arrivals{0};
  std::atomic<int> workers{0};
  std::vector<std::atomic<bool>> first;
  explicit FirstChunks(int chunks) : first(chunks) {}
};

void firstChunksStep(const LlmcStep *step, LlmcWorker *worker) {
  bool isFirst = true;
  for (int64_t chunk; (chunk = llmc_region_next(worker, step->rows)) >= 0; isFirst = false) {
    auto &record = *reinterpret_cast<FirstChunks *>(step->arena);
    if (!isFirst)
      continue;
    record.first[chunk] = true;
    ++record.arrivals;
    while (record.arrivals < record.workers)
      std::this_thread::yield();
  }
}

TEST(TeamTest, WorkersStartInTheirOwnRange) {
  for (int threads : {2, 3, 4}) {
    for (int chunks : {threads, threads + 1, 17, 32}) {
      std::unique_ptr<Team> team = *Team::create({.threads = threads});
      FirstChunks record(chunks);
      record.workers = threads;
      LlmcStep step = {};
      step.rows = chunks;
      step.arena = reinterpret_cast<uint8_t *>(&record);
      team->run(firstChunksStep, step);
      std::set<int> found, expected;
      for (int chunk = 0; chunk < chunks; ++chunk) {
        if (record.first[chunk])
          found.insert(chunk);
        if (chunk == 0 || chunk * threads / chunks != (chunk - 1) * threads / chunks)
          expected.insert(chunk);
      }
      EXPECT_EQ(found, expected) << threads << " threads, " << chunks << " chunks";
    }
  }
}

// A worker that is held in a chunk of an empty-handed region delays only that chunk: the others steal the
// rest of its range meanwhile.
struct Held {
  std::atomic<int> others{0};
};

void heldStep(const LlmcStep *step, LlmcWorker *worker) {
  for (int64_t chunk; (chunk = llmc_region_next(worker, 32)) >= 0;) {
    auto &held = *reinterpret_cast<Held *>(step->arena);
    if (chunk != 0) {
      ++held.others;
      continue;
    }
    while (held.others < 31)
      std::this_thread::yield();
  }
}

TEST(TeamTest, OthersStealTheRangeOfAHeldWorker) {
  std::unique_ptr<Team> team = *Team::create({.threads = 2});
  for (int i = 0; i < 20; ++i) {
    Held held;
    LlmcStep step = {};
    step.arena = reinterpret_cast<uint8_t *>(&held);
    team->run(heldStep, step); // would not return if worker 0's range waited for chunk 0
    EXPECT_EQ(held.others, 31);
  }
}

std::atomic<int> insideLateStep{0};

void lateStep(const LlmcStep *step, LlmcWorker *worker) {
  ++insideLateStep;
  while (llmc_region_next(worker, 1) >= 0) {
  }
  if (step->rows == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  --insideLateStep;
}

TEST(TeamTest, SettleWaitsUntilNobodyIsInAStep) {
  std::unique_ptr<Team> team = *Team::create({.threads = 4});
  for (int i = 0; i < 10; ++i) {
    team->run(lateStep, LlmcStep{});
    team->settle();
    EXPECT_EQ(insideLateStep, 0);
  }
}

TEST(TeamTest, RecordsTheWayThroughEachRegion) {
  std::unique_ptr<Team> team = *Team::create({.threads = 3});
  Trace trace(8);
  LlmcStep step = {};
  step.rows = 8;
  step.arena = reinterpret_cast<uint8_t *>(&trace);
  const auto runTwice = [&] {
    for (int64_t seed : {1, 2}) {
      step.output_rows = seed;
      const std::vector<int32_t> positions(8, static_cast<int32_t>(seed));
      step.positions = positions.data();
      team->run(randomStep, step);
    }
  };
  runTwice();
  team->startProfile();
  runTwice();
  const Profile profile = team->takeProfile();
  runTwice(); // of which nothing is recorded
  ASSERT_EQ(profile.steps.size(), 2u);
  ASSERT_EQ(profile.workers.size(), 3u);
  std::vector<std::vector<int>> chunks(2, std::vector<int>(8));
  for (size_t worker = 0; worker < 3; ++worker) {
    std::pair<uint32_t, uint32_t> last;
    RegionSpan::Clock::time_point left;
    for (const RegionSpan &span : profile.workers[worker]) {
      ASSERT_LT(span.step, 2u);
      ASSERT_LT(span.region, 8u);
      EXPECT_LE(left, span.enter);
      EXPECT_LE(span.enter, span.done);
      EXPECT_LE(span.done, span.leave);
      if (left != RegionSpan::Clock::time_point()) {
        EXPECT_LT(last, std::pair(span.step, span.region));
      }
      last = {span.step, span.region};
      left = span.leave;
      chunks[span.step][span.region] += static_cast<int>(span.chunks);
    }
  }
  // The caller goes through all steps.
  EXPECT_EQ(profile.workers[0].size(), 16u);
  for (int number : {0, 1}) {
    EXPECT_EQ(profile.steps[number].function, randomStep);
    EXPECT_EQ(profile.steps[number].positions, std::vector<int32_t>(8, number + 1));
    for (int region = 0; region < 8; ++region)
      EXPECT_EQ(chunks[number][region], chunksOf(number + 1, region)) << number << ' ' << region;
  }
}

TEST(TeamTest, TakesOneThreadForEachCoreByDefault) {
  std::unique_ptr<Team> team = *Team::create();
  EXPECT_GE(team->size(), 1);
  EXPECT_LE(team->size(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(TeamTest, SaysThatThreadsCannotStart) {
  test::NoMoreThreads limit;
  absl::Status status = Team::create({.threads = 4}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "cannot start 4 threads, only 1: Resource temporarily unavailable");
  EXPECT_TRUE(Team::create({.threads = 1}).ok()) << "a team of the caller alone starts none";
}

} // namespace
