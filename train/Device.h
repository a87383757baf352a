//===- Device.h - a trainer's steps on a GPU ------------------------------------------------------------===//
#ifndef LLMC_TRAIN_DEVICE_H
#define LLMC_TRAIN_DEVICE_H

#include "runtime/cuda/Program.h"

#include "absl/container/flat_hash_map.h"

#include <memory>
#include <string>
#include <vector>

namespace llmc::train {

/// Memory of a GPU beside that of the host, and the steps that work on it. A step is recorded when it runs
/// first and then launched as a whole (a CUDA graph).
class Device {
public:
  /// `findImage` gives the address of a symbol of the artifact's code.
  static absl::StatusOr<std::unique_ptr<Device>>
  open(const runtime::Manifest &manifest, absl::FunctionRef<const void *(const std::string &)> findImage);
  ~Device();

  /// Makes memory of the device for what lies at `host`, whose contents copyIn() and copyOut() copy.
  absl::Status mirror(void *host, uint64_t bytes, absl::string_view purpose);
  absl::Status copyIn(const void *host);
  absl::Status copyOut(const void *host);
  /// Where on the device `host`, in a piece of memory with a mirror, is.
  void *addressOf(const void *host) const;

  /// Runs a step whose operands are the host's. What lies in the piece of memory at `staged` is copied to the
  /// device before, and back afterwards; null: nothing is.
  absl::Status run(LlmcStepFunction function, const std::vector<void *> &operands, const void *staged);

  /// Takes the times of kernels from now on. Steps are not recorded then.
  void startProfile() { queue->startProfile(); }
  absl::StatusOr<std::vector<runtime::cuda::KernelTime>> takeProfile() { return queue->takeProfile(); }

  const std::string &name() const { return program->deviceName(); }

private:
  struct Piece {
    void *host;
    uint64_t bytes;
    runtime::cuda::DeviceMemory memory;
  };
  struct Recorded {
    std::vector<void *> operands; ///< on the device
    runtime::cuda::GraphExec graph = nullptr;
  };

  Device() = default;
  const Piece &pieceOf(const void *host) const;
  void launch(LlmcStepFunction function, const Recorded &step);
  absl::Status record(LlmcStepFunction function, Recorded &step);

  std::unique_ptr<runtime::cuda::Program> program;
  std::unique_ptr<runtime::cuda::Queue> queue;
  runtime::cuda::DeviceMemory arena;
  std::vector<Piece> pieces;
  absl::flat_hash_map<LlmcStepFunction, Recorded> steps;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_DEVICE_H
