//===- Team.h - the threads that run a compiled step --------------------------------------------------===//
//
// A team of N threads that runs SPMD step functions (runtime/core/StepAbi.h). The thread that calls `run` is
// worker 0. Every worker walks the same sequence of parallel regions and claims the chunks of each; a region
// is over when its chunks are done, not when every thread has arrived, so a thread that the system has taken
// away delays at most the chunk that it holds.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_TEAM_H
#define LLMC_RUNTIME_CORE_TEAM_H

#include "runtime/core/Doorbell.h"
#include "runtime/core/Profile.h"
#include "runtime/core/StepAbi.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace llmc::runtime {

/// How many threads a team has, and how long they poll. Polling saves the microseconds of a wake-up and costs
/// a busy CPU.
struct TeamOptions {
  /// Number of threads, the caller included. 0: one for each physical core that this process may use.
  int threads = 0;
  /// How long a worker polls for the end of a region before it sleeps.
  std::chrono::microseconds regionSpin{50};
  /// How long a worker polls for the next step before it sleeps.
  std::chrono::microseconds stepSpin{300};
};

/// Threads that are started once and run one compiled step after the other, for one caller at a time. Owns
/// its threads; buffers and code of the steps are the caller's.
class Team {
public:
  /// Starts the threads. They never poll (both spin times are taken as zero) where the process has fewer CPUs
  /// than the team has threads. No affinity is set. ResourceExhausted where the system gives fewer threads:
  /// a container may limit their number, and each needs memory for its stack.
  static absl::StatusOr<std::unique_ptr<Team>> create(const TeamOptions &options = {});

  /// Waits for every worker to leave its step function and joins the threads.
  ~Team();

  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;

  /// Number of workers, the caller included; at least 1.
  int size() const { return static_cast<int>(workers.size()); }

  /// Runs one step on all workers and returns when all of its regions are done; what they wrote is visible to
  /// the caller. One call at a time. Other workers may still be on their way out of `function` when this
  /// returns. They write to no buffer any more, but may read the step's arena and weights until `settle`.
  ///
  /// Every worker gets its own copy of `step`. Outside of the chunks of its regions `function` may read only
  /// the fields of that copy and, of what they point to, the arena and the weights. A late worker finds
  /// anything in the arena there, so what it computes of that may be used in chunks that it claims only: it
  /// gets none when it is late.
  void run(LlmcStepFunction function, const LlmcStep &step);

  /// Waits until no worker is inside of a step function. Call it before the code of one is unloaded.
  void settle();

  /// Records from now on when workers enter regions, end chunks and leave: a look at the clock each, and a
  /// copy of each step's positions.
  void startProfile();
  /// Ends the recording.
  Profile takeProfile();

private:
  friend int64_t(::llmc_region_next)(LlmcWorker *, int64_t);

  /// What a step is made of, as the words that carry it from the caller to the workers.
  struct Assignment {
    LlmcStepFunction function; ///< null: nothing to do
    uint64_t firstChunk;       ///< number of the first chunk of the step's first region
    uint64_t recorded;         ///< number of the step in the profile
    LlmcStep step;
  };
  static constexpr size_t kAssignmentWords = sizeof(Assignment) / sizeof(uint64_t);
  static_assert(sizeof(Assignment) % sizeof(uint64_t) == 0);

  explicit Team(const TeamOptions &options);
  absl::Status startThreads();
  void publish(const Assignment &assignment);
  bool readAssignment(uint64_t version, Assignment &assignment) const;
  void workerLoop(LlmcWorker &worker);
  void recordStep(LlmcStepFunction function, const LlmcStep &step);

  /// Chunks done since the team exists. See Team.cpp for what follows from it never going back.
  alignas(64) std::atomic<uint64_t> chunksDone{0};
  Doorbell regionBell; ///< rung when a region is done
  /// Even: the published assignment has this version. Odd: an assignment is being written.
  alignas(64) std::atomic<uint64_t> version{0};
  std::atomic<uint64_t> assignmentWords[kAssignmentWords] = {};
  std::atomic<bool> quit{false};
  Doorbell stepBell; ///< rung when `version` changes
  std::vector<std::unique_ptr<LlmcWorker>> workers;
  std::vector<std::thread> threads; ///< threads[i] is worker i + 1
  std::chrono::microseconds regionSpin, stepSpin;
  std::unique_ptr<Profile> profile; ///< null: nothing is recorded
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_TEAM_H
