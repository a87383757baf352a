#include "runtime/cuda/StepRunner.h"

#include <cstring>

namespace llmc::runtime::cuda {

namespace {

/// Lists of a step's inputs: tokens, positions, types of tokens, rows that are wanted.
constexpr int64_t kLists = 4;

} // namespace

absl::StatusOr<std::unique_ptr<StepRunner>> StepRunner::create(const Program &program,
                                                               const Manifest &manifest, int64_t maxRows) {
  std::unique_ptr<StepRunner> runner(new StepRunner(program, maxRows, manifest.output_width()));
  if (absl::Status status = runner->allocate(manifest); !status.ok())
    return status;
  return runner;
}

StepRunner::~StepRunner() {
  (void)program.use();
  if (queue != nullptr)
    program.driver().StreamSynchronize(queue->stream());
  for (auto [function, graph] : graphs)
    program.driver().GraphExecDestroy(graph);
}

absl::Status StepRunner::allocate(const Manifest &manifest) {
  if (absl::Status status = program.use(); !status.ok())
    return status;
  absl::StatusOr<std::unique_ptr<Queue>> made = Queue::create(program);
  if (!made.ok())
    return made.status();
  queue = *std::move(made);
  const Driver &driver = program.driver();
  const struct {
    DeviceMemory &memory;
    uint64_t bytes;
    absl::string_view purpose;
  } wanted[] = {{arena, manifest.arena_bytes(), "activations"},
                {cache, manifest.cache_bytes(), "the cache"},
                {inputs, kLists * maxRows * sizeof(int32_t), "inputs"}};
  for (const auto &[memory, bytes, purpose] : wanted) {
    absl::StatusOr<DeviceMemory> allocated = DeviceMemory::allocate(driver, bytes, purpose);
    if (!allocated.ok())
      return allocated.status();
    memory = *std::move(allocated);
  }
  absl::StatusOr<PinnedMemory> pinned =
      PinnedMemory::allocate(driver, kLists * maxRows * sizeof(int32_t), "inputs");
  if (!pinned.ok())
    return pinned.status();
  stagedInputs = *std::move(pinned);
  return ensureOutput(1);
}

absl::Status StepRunner::ensureOutput(int64_t rows) {
  if (rows <= outputRows)
    return absl::OkStatus();
  // Recorded steps know where the output lay.
  for (auto [function, graph] : graphs)
    program.driver().GraphExecDestroy(graph);
  graphs.clear();
  const uint64_t bytes = static_cast<uint64_t>(rows) * outputWidth * sizeof(float);
  absl::StatusOr<DeviceMemory> memory = DeviceMemory::allocate(program.driver(), bytes, "outputs");
  absl::StatusOr<PinnedMemory> pinned = PinnedMemory::allocate(program.driver(), bytes, "outputs");
  if (!memory.ok() || !pinned.ok())
    return memory.ok() ? pinned.status() : memory.status();
  output = *std::move(memory);
  stagedOutput = *std::move(pinned);
  outputRows = rows;
  return absl::OkStatus();
}

LlmcStep StepRunner::onDevice(const LlmcStep &step) const {
  LlmcStep device = {};
  device.rows = step.rows;
  device.output_rows = step.output_rows;
  device.tokens = inputs.as<int32_t>();
  device.positions = device.tokens + maxRows;
  device.token_types = device.positions + maxRows;
  device.output_ids = device.token_types + maxRows;
  device.weights = program.weights().as<uint8_t>();
  device.arena = arena.as<uint8_t>();
  device.cache = cache.as<uint8_t>();
  device.output = output.as<float>();
  return device;
}

void StepRunner::enqueue(LlmcStepFunction function, const LlmcStep &step) {
  const Driver &driver = program.driver();
  const bool isSmall = step.rows == 1;
  // All lists at once, unless they are long.
  const uint64_t stride = maxRows * sizeof(int32_t);
  if (isSmall)
    for (int64_t list = 0; list < kLists; ++list)
      queue->note(driver.MemcpyHtoDAsync(inputs.pointer() + list * stride,
                                         stagedInputs.data() + list * stride, sizeof(int32_t),
                                         queue->stream()),
                  "copying inputs");
  else
    queue->note(
        driver.MemcpyHtoDAsync(inputs.pointer(), stagedInputs.data(), stagedInputs.size(), queue->stream()),
        "copying inputs");
  const LlmcStep device = onDevice(step);
  function(&device, reinterpret_cast<LlmcWorker *>(queue.get()));
  if (step.output_rows > 0)
    queue->note(driver.MemcpyDtoHAsync(stagedOutput.data(), output.pointer(),
                                       static_cast<uint64_t>(step.output_rows) * outputWidth * sizeof(float),
                                       queue->stream()),
                "copying the output");
}

absl::Status StepRunner::record(LlmcStepFunction function, const LlmcStep &step, GraphExec &recorded) {
  const Driver &driver = program.driver();
  queue->note(driver.StreamBeginCapture(queue->stream(), static_cast<int>(CaptureMode::ThreadLocal)),
              "recording a step");
  enqueue(function, step);
  Graph graph = nullptr;
  queue->note(driver.StreamEndCapture(queue->stream(), &graph), "recording a step");
  if (absl::Status status = queue->takeStatus(); !status.ok())
    return status;
  absl::Status status =
      driver.check(driver.GraphInstantiate(&recorded, graph, 0), "preparing a recorded step");
  driver.GraphDestroy(graph);
  return status;
}

absl::Status StepRunner::run(LlmcStepFunction function, const LlmcStep &step) {
  const Driver &driver = program.driver();
  if (absl::Status status = program.use(); !status.ok())
    return status;
  if (absl::Status status = ensureOutput(step.output_rows); !status.ok())
    return status;
  auto stage = [&](int64_t list, const int32_t *values, int64_t count) {
    if (values != nullptr)
      std::memcpy(stagedInputs.data() + list * maxRows * sizeof(int32_t), values, count * sizeof(int32_t));
  };
  stage(0, step.tokens, step.rows);
  stage(1, step.positions, step.rows);
  stage(2, step.token_types, step.rows);
  stage(3, step.output_ids, step.output_rows);
  if (step.rows == 1 && step.output_rows == 1) {
    GraphExec &graph = graphs[function];
    if (graph == nullptr)
      if (absl::Status status = record(function, step, graph); !status.ok())
        return status;
    queue->note(driver.GraphLaunch(graph, queue->stream()), "launching a recorded step");
  } else {
    enqueue(function, step);
  }
  queue->note(driver.StreamSynchronize(queue->stream()), "running a step");
  if (absl::Status status = queue->takeStatus(); !status.ok())
    return status;
  std::memcpy(step.output, stagedOutput.data(),
              static_cast<uint64_t>(step.output_rows) * outputWidth * sizeof(float));
  return absl::OkStatus();
}

} // namespace llmc::runtime::cuda
