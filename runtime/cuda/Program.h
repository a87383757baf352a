//===- Program.h - kernels and weights of an artifact on a GPU -----------------------------------------===//
#ifndef LLMC_RUNTIME_CUDA_PROGRAM_H
#define LLMC_RUNTIME_CUDA_PROGRAM_H

#include "runtime/core/ArtifactFile.h"
#include "runtime/core/StepAbi.h"
#include "runtime/cuda/Driver.h"

#include "absl/functional/function_ref.h"

#include <memory>
#include <string>
#include <vector>

namespace llmc::runtime::cuda {

/// Memory of the device.
class DeviceMemory {
public:
  /// `purpose` names the memory in the error.
  static absl::StatusOr<DeviceMemory> allocate(const Driver &driver, uint64_t bytes,
                                               absl::string_view purpose);
  DeviceMemory() = default;
  DeviceMemory(DeviceMemory &&other) noexcept { *this = std::move(other); }
  DeviceMemory &operator=(DeviceMemory &&other) noexcept;
  ~DeviceMemory();

  /// As kernels take it; null if there are no bytes.
  template <typename T> T *as() const { return reinterpret_cast<T *>(address); }
  DevicePointer pointer() const { return address; }

private:
  const Driver *driver = nullptr;
  DevicePointer address = 0;
};

/// Memory of the host that the device can copy to and from while others work.
class PinnedMemory {
public:
  static absl::StatusOr<PinnedMemory> allocate(const Driver &driver, uint64_t bytes,
                                               absl::string_view purpose);
  PinnedMemory() = default;
  PinnedMemory(PinnedMemory &&other) noexcept { *this = std::move(other); }
  PinnedMemory &operator=(PinnedMemory &&other) noexcept;
  ~PinnedMemory();

  uint8_t *data() const { return start; }
  uint64_t size() const { return length; }

private:
  const Driver *driver = nullptr;
  uint8_t *start = nullptr;
  uint64_t length = 0;
};

/// A context on the first device, the kernels of an artifact and its weights. Immutable: sessions share it.
class Program {
public:
  /// Loads the image that suits the device best, machine code before text. `findImage` gives the address of a
  /// symbol of the artifact's code.
  static absl::StatusOr<std::unique_ptr<Program>>
  load(const Gpu &gpu, absl::Span<const uint8_t> weights,
       absl::FunctionRef<const void *(const std::string &)> findImage);
  ~Program();
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  const Driver &driver() const { return *cuda; }
  const std::string &deviceName() const { return name; }
  /// In the order of kernels().
  const std::vector<std::string> &kernelNames() const { return names; }
  int64_t multiprocessors() const { return processors; }
  /// Whether kernels wait for earlier ones themselves.
  bool overlapsLaunches() const { return overlaps; }
  /// Null where the device has no use for a kernel.
  const std::vector<Function> &kernels() const { return functions; }
  const DeviceMemory &weights() const { return parameters; }
  /// Makes the device that of the calling thread.
  absl::Status use() const { return cuda->check(cuda->CtxSetCurrent(context), "choosing the device"); }

private:
  Program() = default;
  absl::Status openDevice();
  absl::Status loadKernels(const Gpu &gpu, absl::FunctionRef<const void *(const std::string &)> findImage);
  absl::Status upload(absl::Span<const uint8_t> weights);

  const Driver *cuda = nullptr;
  Device device = 0;
  int capability = 0; ///< e.g. 90
  int processors = 0;
  bool overlaps = false;
  std::string name;
  Context context = nullptr;
  Module module = nullptr;
  std::vector<std::string> names;
  std::vector<Function> functions;
  DeviceMemory parameters;
};

/// What launches of a kernel took.
struct KernelTime {
  std::string kernel;
  int64_t launches;
  double seconds; ///< of all of them
};

/// Adds `more` to `times`, which are then sorted, the longest first.
void addTimes(const std::vector<KernelTime> &more, std::vector<KernelTime> &times);

/// The order in which a session's launches and copies happen on the device. What compiled steps know as their
/// worker.
class Queue {
public:
  static absl::StatusOr<std::unique_ptr<Queue>> create(const Program &program);
  ~Queue();
  Queue(const Queue &) = delete;
  Queue &operator=(const Queue &) = delete;

  Stream stream() const { return order; }
  /// Remembers the first failure.
  void note(Result result, absl::string_view doing);
  /// The first failure since the last call.
  absl::Status takeStatus();
  void launch(int64_t kernel, int64_t blocksX, int64_t blocksY, int64_t threads, int64_t sharedBytes,
              bool isPersistent, void **arguments);
  void makeTensorMap(int64_t kernel, void *map, void *matrix, int64_t rows, int64_t columns, int64_t rowBytes,
                     int64_t boxRows);
  const Program &program() const { return owner; }

  /// Takes the time of each launch from now on, which cannot be recorded then.
  void startProfile() { profiles = true; }
  bool isProfiling() const { return profiles; }
  /// The times of all launches since the last call, by kernel. Waits for them.
  absl::StatusOr<std::vector<KernelTime>> takeProfile();

private:
  /// A launch, between two events.
  struct Timed {
    int64_t kernel;
    Event before, after;
  };

  explicit Queue(const Program &program) : owner(program) {}
  Event recordEvent();
  void destroyEvents(const Timed &launch);

  const Program &owner;
  Stream order = nullptr;
  absl::Status failure;
  bool profiles = false;
  std::vector<Timed> timed;
};

} // namespace llmc::runtime::cuda

#endif // LLMC_RUNTIME_CUDA_PROGRAM_H
