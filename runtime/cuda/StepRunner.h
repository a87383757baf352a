//===- StepRunner.h - the steps of one session on a GPU ------------------------------------------------===//
#ifndef LLMC_RUNTIME_CUDA_STEPRUNNER_H
#define LLMC_RUNTIME_CUDA_STEPRUNNER_H

#include "runtime/cuda/Program.h"

#include <map>

namespace llmc::runtime::cuda {

/// The memory of a session on the device, and its steps. Steps of one row are recorded once and then launched
/// as a whole (a CUDA graph): whatever changes from one to the next lies in memory.
class StepRunner {
public:
  /// For steps of at most `maxRows` rows of an artifact with `manifest`.
  static absl::StatusOr<std::unique_ptr<StepRunner>> create(const Program &program, const Manifest &manifest,
                                                            int64_t maxRows);
  ~StepRunner();
  StepRunner(const StepRunner &) = delete;
  StepRunner &operator=(const StepRunner &) = delete;

  /// Runs a step whose inputs and output are the host's; `step` needs no other memory.
  absl::Status run(LlmcStepFunction function, const LlmcStep &step);

private:
  StepRunner(const Program &program, int64_t maxRows, int64_t outputWidth)
      : program(program), maxRows(maxRows), outputWidth(outputWidth) {}

  absl::Status allocate(const Manifest &manifest);
  absl::Status ensureOutput(int64_t rows);
  /// Copies inputs, launches kernels, copies the output.
  void enqueue(LlmcStepFunction function, const LlmcStep &step);
  absl::Status record(LlmcStepFunction function, const LlmcStep &step, GraphExec &recorded);
  LlmcStep onDevice(const LlmcStep &step) const;

  const Program &program;
  const int64_t maxRows, outputWidth;
  std::unique_ptr<Queue> queue;
  DeviceMemory arena, cache, inputs, output;
  PinnedMemory stagedInputs, stagedOutput;
  int64_t outputRows = 0;                       ///< that there is memory for
  std::map<LlmcStepFunction, GraphExec> graphs; ///< of steps of one row with one output
};

} // namespace llmc::runtime::cuda

#endif // LLMC_RUNTIME_CUDA_STEPRUNNER_H
