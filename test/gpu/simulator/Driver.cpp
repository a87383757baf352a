//===- Driver.cpp - a CUDA driver whose device is the host ---------------------------------------------===//
//
// What runtime/cuda/Driver.h uses of the driver's interface. The environment chooses: LLMC_SIMT_SCHEDULE=seed
// or seed,starved warp; LLMC_SIMT_OMIT=what no kernel gets, a fault. Errors of kernels go to the standard
// error stream and come back as launch failures.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/SimtAbi.h"
#include "test/gpu/simulator/Simulator.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <set>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace llmc;

namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kInvalidImage = 200, kNotFound = 500,
              kLaunchFailed = 719;

struct Function {
  void (*entry)(void **);
  std::string name;
  std::vector<int64_t> argumentBytes;
};

/// CUlaunchAttribute and CUlaunchConfig.
struct LaunchAttribute {
  int id;
  alignas(8) int value;
  char rest[60];
};
constexpr int kProgrammaticSerialization = 6;
struct LaunchConfig {
  unsigned blocksX, blocksY, blocksZ, threadsX, threadsY, threadsZ, sharedBytes;
  void *stream;
  const LaunchAttribute *attributes;
  unsigned attributeCount;
};

struct Graph {
  std::vector<std::function<int()>> nodes;
};

struct Stream {
  Graph *capture = nullptr;
  /// Does `work`, or records it.
  int order(std::function<int()> work) {
    if (capture == nullptr)
      return work();
    capture->nodes.push_back(std::move(work));
    return kSuccess;
  }
};

simt::Memory &deviceMemory() {
  static auto *memory = new simt::Memory;
  return *memory;
}

simt::Schedule schedule() {
  simt::Schedule chosen;
  if (const char *text = std::getenv("LLMC_SIMT_SCHEDULE")) {
    int starved = -1;
    std::sscanf(text, "%u,%d", &chosen.seed, &starved);
    chosen.starved = starved;
  }
  return chosen;
}

} // namespace

extern "C" {

int cuGetErrorName(int, const char **name) { return *name = "simulated", kSuccess; }
int cuGetErrorString(int result, const char **text) {
  *text = result == kLaunchFailed  ? "a kernel did what it may not"
          : result == kOutOfMemory ? "out of memory"
                                   : "failed";
  return kSuccess;
}
int cuInit(unsigned) { return kSuccess; }
int cuDeviceGetCount(int *count) { return *count = 1, kSuccess; }
int cuDeviceGet(int *device, int) { return *device = 0, kSuccess; }
int cuDeviceGetName(char *name, int size, int) { return std::snprintf(name, size, "simulator"), kSuccess; }
/// A device of two multiprocessors, whatever else it is asked for.
int cuDeviceGetAttribute(int *value, int attribute, int) {
  constexpr int kMultiprocessorCount = 16;
  return *value = attribute == kMultiprocessorCount ? 2 : 0, kSuccess;
}
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &deviceMemory(), kSuccess; }
int cuDevicePrimaryCtxRelease_v2(int) { return kSuccess; }
int cuCtxSetCurrent(void *) { return kSuccess; }

int cuModuleLoadData(void **module, const void *image) {
  // The size is where the section headers of an ELF file end.
  const auto *bytes = static_cast<const uint8_t *>(image);
  if (std::memcmp(bytes,
                  "\x7f"
                  "ELF",
                  4) != 0)
    return kInvalidImage;
  uint64_t sections;
  uint16_t entrySize, count;
  std::memcpy(&sections, bytes + 0x28, 8);
  std::memcpy(&entrySize, bytes + 0x3a, 2);
  std::memcpy(&count, bytes + 0x3c, 2);
  const int file = memfd_create("kernels", 0);
  const size_t size = sections + size_t{entrySize} * count;
  if (file < 0 || write(file, bytes, size) != static_cast<ssize_t>(size))
    return kInvalidImage;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    std::fprintf(stderr, "simulator: %s\n", dlerror());
  close(file);
  void *table = library ? dlsym(library, simt::kTable) : nullptr;
  if (table == nullptr)
    return kInvalidImage;
  simt::fillTable(static_cast<void **>(table));
  return *module = library, kSuccess;
}
int cuModuleUnload(void *) { return kSuccess; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  void *entry = dlsym(module, (std::string(simt::kKernelPrefix) + name).c_str());
  const void *count = dlsym(module, (std::string(simt::kArgumentsPrefix) + name).c_str());
  if (entry == nullptr || count == nullptr)
    return kNotFound;
  const auto *sizes = static_cast<const int64_t *>(count);
  *function =
      new Function{reinterpret_cast<void (*)(void **)>(entry), name, {sizes + 1, sizes + 1 + sizes[0]}};
  return kSuccess;
}
int cuFuncSetAttribute(void *, int, int) { return kSuccess; }

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  void *memory = deviceMemory().allocate(bytes);
  *address = reinterpret_cast<uint64_t>(memory);
  return memory != nullptr ? kSuccess : kOutOfMemory;
}
int cuMemFree_v2(uint64_t address) {
  return deviceMemory().free(reinterpret_cast<void *>(address)) ? kSuccess : kInvalidValue;
}
int cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  return (*address = std::malloc(bytes)) != nullptr ? kSuccess : kOutOfMemory;
}
int cuMemFreeHost(void *address) { return std::free(address), kSuccess; }

int cuMemcpyHtoDAsync_v2(uint64_t target, const void *source, size_t bytes, void *stream) {
  return static_cast<Stream *>(stream)->order([=] {
    if (!deviceMemory().holds(target, bytes))
      return kInvalidValue;
    std::memcpy(reinterpret_cast<void *>(target), source, bytes);
    return kSuccess;
  });
}
int cuMemcpyDtoHAsync_v2(void *target, uint64_t source, size_t bytes, void *stream) {
  return static_cast<Stream *>(stream)->order([=] {
    if (!deviceMemory().holds(source, bytes))
      return kInvalidValue;
    std::memcpy(target, reinterpret_cast<const void *>(source), bytes);
    return kSuccess;
  });
}

int cuStreamCreate(void **stream, unsigned) { return *stream = new Stream, kSuccess; }
int cuStreamDestroy_v2(void *stream) { return delete static_cast<Stream *>(stream), kSuccess; }
int cuStreamSynchronize(void *) { return kSuccess; }
int cuEventCreate(void **event, unsigned) {
  return *event = new std::chrono::steady_clock::time_point, kSuccess;
}
int cuEventDestroy_v2(void *event) {
  return delete static_cast<std::chrono::steady_clock::time_point *>(event), kSuccess;
}
int cuEventRecord(void *event, void *stream) {
  if (static_cast<Stream *>(stream)->capture != nullptr)
    return kInvalidValue;
  *static_cast<std::chrono::steady_clock::time_point *>(event) = std::chrono::steady_clock::now();
  return kSuccess;
}
int cuEventElapsedTime(float *milliseconds, void *from, void *to) {
  const auto taken = *static_cast<std::chrono::steady_clock::time_point *>(to) -
                     *static_cast<std::chrono::steady_clock::time_point *>(from);
  return *milliseconds = std::chrono::duration<float, std::milli>(taken).count(), kSuccess;
}
int cuStreamBeginCapture_v2(void *stream, int) {
  static_cast<Stream *>(stream)->capture = new Graph;
  return kSuccess;
}
int cuStreamEndCapture(void *stream, void **graph) {
  *graph = std::exchange(static_cast<Stream *>(stream)->capture, nullptr);
  return kSuccess;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
  return *executable = new Graph(*static_cast<Graph *>(graph)), kSuccess;
}
int cuGraphLaunch(void *executable, void *) {
  for (const std::function<int()> &node : static_cast<Graph *>(executable)->nodes)
    if (int result = node(); result != kSuccess)
      return result;
  return kSuccess;
}
int cuGraphExecDestroy(void *executable) { return delete static_cast<Graph *>(executable), kSuccess; }
int cuGraphDestroy(void *graph) { return delete static_cast<Graph *>(graph), kSuccess; }

int cuTensorMapEncodeTiled(void *map, int, unsigned rank, void *matrix, const uint64_t *sizes,
                           const uint64_t *strides, const unsigned *box, const unsigned *, int, int swizzle,
                           int, int) {
  constexpr unsigned kMostBoxRows = 256;
  constexpr int kSwizzle128 = 3;
  const auto address = reinterpret_cast<uint64_t>(matrix);
  if (reinterpret_cast<uint64_t>(map) % 64 != 0 || rank != 2 || address % 16 != 0 || strides[0] % 16 != 0 ||
      box[0] != 64 || box[1] == 0 || box[1] > kMostBoxRows || swizzle != kSwizzle128)
    return kInvalidValue;
  std::memset(map, 0, simt::TensorMap::kBytes);
  const simt::TensorMap made{
      simt::TensorMap::kMagic, address, sizes[1], sizes[0], strides[0], box[1], box[0]};
  std::memcpy(map, &made, sizeof(made));
  return kSuccess;
}

int cuLaunchKernelEx(const LaunchConfig *config, void *function, void **arguments, void **) {
  constexpr unsigned kMostThreads = 1024;
  if (config->blocksX == 0 || config->blocksY == 0 || config->blocksY > 65535 || config->blocksZ != 1 ||
      config->threadsX == 0 || config->threadsX > kMostThreads || config->threadsY != 1 ||
      config->threadsZ != 1)
    return kInvalidValue;
  bool overlaps = false;
  for (unsigned i = 0; i < config->attributeCount; ++i) {
    if (config->attributes[i].id != kProgrammaticSerialization)
      return kInvalidValue;
    overlaps = config->attributes[i].value != 0;
  }
  // Arguments are copied when a kernel is launched.
  const auto *kernel = static_cast<const Function *>(function);
  std::vector<std::vector<uint8_t>> values;
  for (size_t i = 0; i < kernel->argumentBytes.size(); ++i) {
    const auto *bytes = static_cast<const uint8_t *>(arguments[i]);
    values.emplace_back(bytes, bytes + kernel->argumentBytes[i]);
  }
  return static_cast<Stream *>(config->stream)->order([=, grid = *config]() mutable {
    std::vector<void *> pointers(values.size());
    for (size_t i = 0; i < values.size(); ++i)
      pointers[i] = values[i].data();
    const simt::Launch launch{kernel->entry, kernel->name,     grid.blocksX, grid.blocksY,
                              grid.threadsX, grid.sharedBytes, overlaps,     pointers.data()};
    const std::string problem = simt::run(launch, deviceMemory(), schedule());
    if (problem.empty())
      return kSuccess;
    std::fprintf(stderr, "simulator: %s\n", problem.c_str());
    return kLaunchFailed;
  });
}

} // extern "C"
