//===- Driver.h - the CUDA driver, found where a program runs ------------------------------------------===//
//
// What is used of the driver's interface (CUDA Driver API reference, docs.nvidia.com/cuda/cuda-driver-api),
// declared here so that neither building nor loading needs anything of CUDA.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CUDA_DRIVER_H
#define LLMC_RUNTIME_CUDA_DRIVER_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstddef>
#include <cstdint>

namespace llmc::runtime::cuda {

using Result = int; ///< CUresult: 0 is success
using Device = int;
using DevicePointer = uint64_t;
using Context = struct ContextState *;
using Module = struct ModuleState *;
using Function = struct FunctionState *;
using Stream = struct StreamState *;
using Event = struct EventState *;
using Graph = struct GraphState *;
using GraphExec = struct GraphExecState *;

/// CUdevice_attribute.
enum class DeviceAttribute : int {
  MultiprocessorCount = 16,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76
};
/// CUfunction_attribute.
enum class FunctionAttribute : int { MaxDynamicSharedBytes = 8, PreferredSharedCarveout = 9 };
/// CUstreamCaptureMode.
enum class CaptureMode : int { ThreadLocal = 1 };

/// CUlaunchAttribute.
struct LaunchAttribute {
  int id;
  alignas(8) int value;
  char rest[60];
};
/// CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION: a kernel may begin before the one before it ends.
inline constexpr int kProgrammaticSerialization = 6;
/// CUlaunchConfig.
struct LaunchConfig {
  unsigned blocksX, blocksY, blocksZ, threadsX, threadsY, threadsZ, sharedBytes;
  Stream stream;
  const LaunchAttribute *attributes;
  unsigned attributeCount;
};

/// The functions of the driver, by their names without "cu". Loaded once, for as long as the process lives.
struct Driver {
  Result (*GetErrorName)(Result, const char **);
  Result (*GetErrorString)(Result, const char **);
  Result (*Init)(unsigned);
  Result (*DeviceGetCount)(int *);
  Result (*DeviceGet)(Device *, int);
  Result (*DeviceGetName)(char *, int, Device);
  Result (*DeviceGetAttribute)(int *, int, Device);
  Result (*DevicePrimaryCtxRetain)(Context *, Device);
  Result (*DevicePrimaryCtxRelease)(Device);
  Result (*CtxSetCurrent)(Context);
  Result (*ModuleLoadData)(Module *, const void *);
  Result (*ModuleUnload)(Module);
  Result (*ModuleGetFunction)(Function *, Module, const char *);
  Result (*FuncSetAttribute)(Function, int, int);
  Result (*MemAlloc)(DevicePointer *, size_t);
  Result (*MemFree)(DevicePointer);
  Result (*MemHostAlloc)(void **, size_t, unsigned);
  Result (*MemFreeHost)(void *);
  Result (*MemcpyHtoDAsync)(DevicePointer, const void *, size_t, Stream);
  Result (*MemcpyDtoHAsync)(void *, DevicePointer, size_t, Stream);
  Result (*StreamCreate)(Stream *, unsigned);
  Result (*StreamDestroy)(Stream);
  Result (*StreamSynchronize)(Stream);
  Result (*EventCreate)(Event *, unsigned);
  Result (*EventDestroy)(Event);
  Result (*EventRecord)(Event, Stream);
  Result (*EventElapsedTime)(float *, Event, Event);
  Result (*StreamBeginCapture)(Stream, int);
  Result (*StreamEndCapture)(Stream, Graph *);
  Result (*GraphInstantiate)(GraphExec *, Graph, unsigned long long);
  Result (*GraphLaunch)(GraphExec, Stream);
  Result (*GraphExecDestroy)(GraphExec);
  Result (*GraphDestroy)(Graph);
  Result (*TensorMapEncodeTiled)(void *, int, unsigned, void *, const uint64_t *, const uint64_t *,
                                 const unsigned *, const unsigned *, int, int, int, int);
  Result (*LaunchKernelEx)(const LaunchConfig *, Function, void **, void **);

  /// The driver of this machine, initialized, or of the library that LLMC_CUDA_DRIVER names. Unavailable,
  /// with one sentence, where there is none or no GPU.
  static absl::StatusOr<const Driver *> get();

  /// OK, or what went wrong in `doing`.
  absl::Status check(Result result, absl::string_view doing) const;
};

} // namespace llmc::runtime::cuda

#endif // LLMC_RUNTIME_CUDA_DRIVER_H
