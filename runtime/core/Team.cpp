//===- Team.cpp ---------------------------------------------------------------------------------------===//
//
// How chunks are claimed, and why a late thread cannot do harm.
//
// All chunks of all regions of all steps since the team exists are numbered 0, 1, 2, ... in 64 bits: a region
// of C chunks that begins at number B has the numbers [B, B + C). Every worker computes the same B, because
// every worker passes the same sequence of regions, and B at the start of a step travels with the step. B is
// therefore the region's sequence number; it does not repeat (2^64 chunks last for thousands of years).
//
//  - Worker w's range of the region is the chunks c with c * N / C = w: [B + ceil(w * C / N), B + ceil((w +
//  1) *
//    C / N)). `LlmcWorker::nextChunk` of w is a number below which no chunk of w's ranges is left. A chunk of
//    the range [b, e) is claimed by a compare-exchange of nextChunk from v to max(v, b) + 1, which needs v <
//    e. nextChunk only grows, so there is no ABA.
//  - `chunksDone` counts the chunks that are done. Each worker adds what it did in a region once, when it
//  finds no
//    chunk to claim any more. The region is done when chunksDone reaches B + C: no chunk of a later region is
//    counted before, because a worker enters the next region only once this one is done.
//
// No memory is set up for a region, and none is set back after it: the next region simply has higher numbers.
// A worker that was asleep and is still in a finished region [B, B + C) can claim nothing there: every chunk
// of the region was claimed through a nextChunk, which is at or beyond the end of that range since. It sees
// chunksDone >= B + C and walks on, region by region, without a wait and without a write. So any number of
// regions and steps may pass while a worker sleeps, and no ring of region records is needed.
//
// Memory order: a worker adds to chunksDone (release) after its chunks, and leaves a region having read
// (acquire) a value that includes all of them; additions are read-modify-writes, so the release sequence is
// not broken. Hence everything written or read in a region happens before everything in the next. Claims
// order nothing and are relaxed: who claims has left the previous region.
//
// A step reaches the workers as a sequence lock whose words are atomics: the words are stored with release
// and loaded with acquire, so a reader that sees any word of a newer step also sees that the version has
// moved, drops what it read and takes the newer step. Each worker runs on its own copy, which stays readable
// however late it is.
//
//===------------------------------------------------------------------------------------------------===//
#include "runtime/core/Team.h"

#include "runtime/core/Cpus.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstring>
#include <system_error>

using llmc::runtime::RegionSpan;
using llmc::runtime::Team;

/// One worker of a team. The first line is shared with thieves, the rest is its own.
struct alignas(64) LlmcWorker {
  std::atomic<uint64_t> nextChunk{0}; ///< see the head of this file
  std::atomic<bool> inStep{false};    ///< may be inside of a step function
  alignas(64) Team *team = nullptr;
  int index = 0;
  int teamSize = 1;
  LlmcWorker *victim = nullptr;             ///< whose range is claimed from now; null: not in a region
  int rangesLeft = 0;                       ///< ranges not yet found empty, the victim's included
  uint64_t regionBegin = 0;                 ///< number of the first chunk of this region
  uint64_t rangeBegin = 0, rangeEnd = 0;    ///< the victim's range
  uint64_t claimed = 0;                     ///< chunks claimed in this region
  std::vector<RegionSpan> *spans = nullptr; ///< where its regions are recorded; null: nowhere
  RegionSpan span{};                        ///< of this region, or the next one
};

namespace {

/// The recording of one worker's regions. Each method does nothing where nothing is recorded.
void recordEntry(LlmcWorker &worker) {
  if (worker.spans != nullptr)
    worker.span.enter = worker.span.done = RegionSpan::Clock::now();
}
void recordChunk(LlmcWorker &worker) {
  if (worker.spans == nullptr)
    return;
  ++worker.span.chunks;
  worker.span.done = RegionSpan::Clock::now();
}
void recordExit(LlmcWorker &worker) {
  if (worker.spans == nullptr)
    return;
  worker.span.leave = RegionSpan::Clock::now();
  worker.spans->push_back(worker.span);
  worker.span.chunks = 0;
  ++worker.span.region;
}

void enterRange(LlmcWorker &worker, LlmcWorker &victim, uint64_t chunks) {
  const uint64_t size = worker.teamSize, index = victim.index;
  worker.victim = &victim;
  worker.rangeBegin = worker.regionBegin + (index * chunks + size - 1) / size;
  worker.rangeEnd = worker.regionBegin + ((index + 1) * chunks + size - 1) / size;
}

/// Claims a chunk of the victim's range; false when none is left.
bool claim(LlmcWorker &worker, int64_t &chunk) {
  std::atomic<uint64_t> &next = worker.victim->nextChunk;
  uint64_t seen = next.load(std::memory_order_relaxed);
  while (true) {
    const uint64_t number = std::max(seen, worker.rangeBegin);
    if (number >= worker.rangeEnd)
      return false;
    if (next.compare_exchange_weak(seen, number + 1, std::memory_order_relaxed)) {
      chunk = static_cast<int64_t>(number - worker.regionBegin);
      return true;
    }
  }
}

/// Even ranges end at about the same time. A thief that looks at once takes the line of `nextChunk` from a
/// worker that is about to need it for the next region; waiting for about one cache-line round trip halves
/// the cost of a region of two threads (0.45 to 0.2 us where the round trip takes 0.28 us).
template <typename Condition> bool pollBriefly(Condition holds) {
  constexpr int kPolls = 16;
  for (int i = 0; i < kPolls; ++i) {
    llmc::runtime::relaxCpu();
    if (holds())
      return true;
  }
  return false;
}

} // namespace

namespace llmc::runtime {

Team::Team(const TeamOptions &options) : regionSpin(options.regionSpin), stepSpin(options.stepSpin) {
  const int size = options.threads > 0 ? options.threads : availablePhysicalCpus();
  if (size > availableLogicalCpus())
    regionSpin = stepSpin = std::chrono::microseconds(0);
  for (int index = 0; index < size; ++index) {
    auto worker = std::make_unique<LlmcWorker>();
    worker->team = this;
    worker->index = index;
    worker->teamSize = size;
    workers.push_back(std::move(worker));
  }
}

absl::StatusOr<std::unique_ptr<Team>> Team::create(const TeamOptions &options) {
  std::unique_ptr<Team> team(new Team(options));
  // Those that did start end with the team.
  if (absl::Status status = team->startThreads(); !status.ok())
    return status;
  return team;
}

absl::Status Team::startThreads() {
  threads.reserve(size() - 1);
  for (int index = 1; index < size(); ++index) {
    try {
      threads.emplace_back([this, index] { workerLoop(*workers[index]); });
    } catch (const std::system_error &error) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot start ", size(), " threads, only ", index, ": ", error.code().message()));
    }
  }
  return absl::OkStatus();
}

Team::~Team() {
  quit.store(true);
  publish({});
  for (std::thread &thread : threads)
    thread.join();
}

void Team::publish(const Assignment &assignment) {
  const uint64_t last = version.load(std::memory_order_relaxed);
  uint64_t words[kAssignmentWords];
  std::memcpy(words, &assignment, sizeof(words));
  version.store(last + 1, std::memory_order_relaxed);
  for (size_t i = 0; i < kAssignmentWords; ++i)
    assignmentWords[i].store(words[i], std::memory_order_release);
  version.store(last + 2);
  stepBell.ring();
}

/// Copies the published assignment; false when its version is not `expected` any more.
bool Team::readAssignment(uint64_t expected, Assignment &assignment) const {
  uint64_t words[kAssignmentWords];
  for (size_t i = 0; i < kAssignmentWords; ++i)
    words[i] = assignmentWords[i].load(std::memory_order_acquire);
  std::memcpy(&assignment, words, sizeof(words));
  return version.load(std::memory_order_relaxed) == expected;
}

void Team::workerLoop(LlmcWorker &worker) {
  uint64_t seen = 0; // the version 0 is the empty assignment that a new team has
  Assignment assignment;
  while (true) {
    const auto isNew = [&] {
      const uint64_t now = version.load();
      return now != seen && now % 2 == 0;
    };
    stepBell.wait(isNew, stepSpin);
    // Set before the version is read: either `settle` sees the flag, or this sees the version of `settle`.
    worker.inStep.store(true);
    const uint64_t current = version.load();
    if (current % 2 == 0 && readAssignment(current, assignment)) {
      seen = current;
      if (assignment.function != nullptr) {
        worker.regionBegin = assignment.firstChunk;
        worker.span = {.step = static_cast<uint32_t>(assignment.recorded)};
        assignment.function(&assignment.step, &worker);
      }
    }
    worker.inStep.store(false);
    if (quit.load())
      return;
  }
}

void Team::run(LlmcStepFunction function, const LlmcStep &step) {
  LlmcWorker &caller = *workers[0];
  if (profile)
    recordStep(function, step);
  if (size() > 1)
    publish({function, caller.regionBegin, caller.span.step, step});
  function(&step, &caller);
}

void Team::recordStep(LlmcStepFunction function, const LlmcStep &step) {
  workers[0]->span = {.step = static_cast<uint32_t>(profile->steps.size())};
  Profile::Step recorded{function, step.rows, step.output_rows, {}, {}, {}};
  if (step.positions != nullptr)
    recorded.positions.assign(step.positions, step.positions + step.rows);
  if (step.token_types != nullptr)
    recorded.tokenTypes.assign(step.token_types, step.token_types + step.rows);
  if (step.cache_offsets != nullptr)
    recorded.cacheOffsets.assign(step.cache_offsets, step.cache_offsets + step.rows);
  profile->steps.push_back(std::move(recorded));
}

void Team::startProfile() {
  settle();
  profile = std::make_unique<Profile>();
  profile->workers.resize(workers.size());
  for (size_t i = 0; i < workers.size(); ++i)
    workers[i]->spans = &profile->workers[i];
}

Profile Team::takeProfile() {
  settle();
  for (const std::unique_ptr<LlmcWorker> &worker : workers)
    worker->spans = nullptr;
  std::unique_ptr<Profile> taken = std::move(profile);
  return taken ? std::move(*taken) : Profile();
}

void Team::settle() {
  if (size() == 1)
    return;
  publish({});
  for (const std::unique_ptr<LlmcWorker> &worker : workers)
    while (worker->inStep.load())
      std::this_thread::yield();
}

} // namespace llmc::runtime

extern "C" __attribute__((visibility("default"), used)) int64_t llmc_region_next(LlmcWorker *self,
                                                                                 int64_t chunks) {
  LlmcWorker &worker = *self;
  Team &team = *worker.team;
  if (chunks <= 0) {
    recordEntry(worker);
    recordExit(worker);
    return -1;
  }
  const uint64_t count = static_cast<uint64_t>(chunks), regionEnd = worker.regionBegin + count;
  const auto isDone = [&] { return team.chunksDone.load() >= regionEnd; };

  bool done = false;
  if (worker.victim == nullptr) {
    recordEntry(worker);
    done = isDone();
    worker.rangesLeft = worker.teamSize;
    enterRange(worker, worker, count);
  } else {
    recordChunk(worker);
  }
  while (!done) {
    int64_t chunk;
    if (claim(worker, chunk)) {
      ++worker.claimed;
      return chunk;
    }
    // Counted before this worker looks for more: the last worker of a region then needs no look at other
    // ranges.
    if (worker.claimed != 0) {
      const uint64_t sum = team.chunksDone.fetch_add(worker.claimed) + worker.claimed;
      worker.claimed = 0;
      if (sum == regionEnd) {
        team.regionBell.ring();
        break;
      }
    }
    if (worker.rangesLeft == worker.teamSize && pollBriefly(isDone))
      break;
    if (--worker.rangesLeft == 0) {
      team.regionBell.wait(isDone, team.regionSpin);
      break;
    }
    const int next = worker.victim->index + 1;
    enterRange(worker, *team.workers[next == worker.teamSize ? 0 : next], count);
  }
  worker.victim = nullptr;
  worker.regionBegin = regionEnd;
  recordExit(worker);
  return -1;
}
