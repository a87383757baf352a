#include "train/Device.h"

#include <algorithm>
#include <cassert>

namespace llmc::train {

namespace cuda = runtime::cuda;

absl::StatusOr<std::unique_ptr<Device>>
Device::open(const runtime::Manifest &manifest,
             absl::FunctionRef<const void *(const std::string &)> findImage) {
  std::unique_ptr<Device> device(new Device);
  absl::StatusOr<std::unique_ptr<cuda::Program>> program = cuda::Program::load(manifest.gpu(), {}, findImage);
  if (!program.ok())
    return program.status();
  device->program = *std::move(program);
  absl::StatusOr<std::unique_ptr<cuda::Queue>> queue = cuda::Queue::create(*device->program);
  if (!queue.ok())
    return queue.status();
  device->queue = *std::move(queue);
  absl::StatusOr<cuda::DeviceMemory> arena =
      cuda::DeviceMemory::allocate(device->program->driver(), manifest.arena_bytes(), "activations");
  if (!arena.ok())
    return arena.status();
  device->arena = *std::move(arena);
  return device;
}

Device::~Device() {
  if (queue != nullptr)
    program->driver().StreamSynchronize(queue->stream());
  for (auto &[function, step] : steps)
    if (step.graph != nullptr)
      program->driver().GraphExecDestroy(step.graph);
}

absl::Status Device::mirror(void *host, uint64_t bytes, absl::string_view purpose) {
  absl::StatusOr<cuda::DeviceMemory> memory = cuda::DeviceMemory::allocate(program->driver(), bytes, purpose);
  if (!memory.ok())
    return memory.status();
  pieces.push_back({host, bytes, *std::move(memory)});
  return copyIn(host);
}

const Device::Piece &Device::pieceOf(const void *host) const {
  const auto *address = static_cast<const uint8_t *>(host);
  auto piece = std::find_if(pieces.begin(), pieces.end(), [&](const Piece &candidate) {
    const auto *start = static_cast<const uint8_t *>(candidate.host);
    return address >= start && address < start + candidate.bytes;
  });
  assert(piece != pieces.end() && "memory that the device has no part in");
  return *piece;
}

void *Device::addressOf(const void *host) const {
  const Piece &piece = pieceOf(host);
  return piece.memory.as<uint8_t>() +
         (static_cast<const uint8_t *>(host) - static_cast<const uint8_t *>(piece.host));
}

absl::Status Device::copyIn(const void *host) {
  const Piece &piece = pieceOf(host);
  const cuda::Driver &driver = program->driver();
  queue->note(driver.MemcpyHtoDAsync(piece.memory.pointer(), piece.host, piece.bytes, queue->stream()),
              "copying to the device");
  queue->note(driver.StreamSynchronize(queue->stream()), "copying to the device");
  return queue->takeStatus();
}

absl::Status Device::copyOut(const void *host) {
  const Piece &piece = pieceOf(host);
  const cuda::Driver &driver = program->driver();
  queue->note(driver.MemcpyDtoHAsync(piece.host, piece.memory.pointer(), piece.bytes, queue->stream()),
              "copying from the device");
  queue->note(driver.StreamSynchronize(queue->stream()), "copying from the device");
  return queue->takeStatus();
}

void Device::launch(LlmcStepFunction function, const Recorded &step) {
  LlmcStep inputs = {};
  inputs.arena = arena.as<uint8_t>();
  inputs.operands = step.operands.data();
  function(&inputs, reinterpret_cast<LlmcWorker *>(queue.get()));
}

absl::Status Device::record(LlmcStepFunction function, Recorded &step) {
  const cuda::Driver &driver = program->driver();
  queue->note(driver.StreamBeginCapture(queue->stream(), static_cast<int>(cuda::CaptureMode::ThreadLocal)),
              "recording a step");
  launch(function, step);
  cuda::Graph graph = nullptr;
  queue->note(driver.StreamEndCapture(queue->stream(), &graph), "recording a step");
  if (absl::Status status = queue->takeStatus(); !status.ok())
    return status;
  absl::Status status =
      driver.check(driver.GraphInstantiate(&step.graph, graph, 0), "preparing a recorded step");
  driver.GraphDestroy(graph);
  return status;
}

absl::Status Device::run(LlmcStepFunction function, const std::vector<void *> &operands, const void *staged) {
  if (staged != nullptr)
    if (absl::Status status = copyIn(staged); !status.ok())
      return status;
  Recorded &step = steps[function];
  if (step.operands.empty())
    for (const void *operand : operands)
      step.operands.push_back(addressOf(operand));
  if (step.graph == nullptr && !queue->isProfiling())
    if (absl::Status status = record(function, step); !status.ok())
      return status;
  const cuda::Driver &driver = program->driver();
  if (queue->isProfiling())
    launch(function, step);
  else
    queue->note(driver.GraphLaunch(step.graph, queue->stream()), "launching a recorded step");
  queue->note(driver.StreamSynchronize(queue->stream()), "running a step");
  if (absl::Status status = queue->takeStatus(); !status.ok())
    return status;
  return staged != nullptr ? copyOut(staged) : absl::OkStatus();
}

} // namespace llmc::train
