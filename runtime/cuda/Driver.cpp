#include "runtime/cuda/Driver.h"

#include "absl/strings/str_cat.h"

#include <cstdlib>
#include <dlfcn.h>

namespace llmc::runtime::cuda {

namespace {

constexpr Result kNoDevice = 100, kStubLibrary = 34, kOutOfMemory = 2;

/// A function of the driver's library and where its address goes. Names with a version are what the headers
/// of CUDA make of the plain ones.
struct Entry {
  const char *name;
  void **place;
};

absl::StatusOr<Driver> load() {
  const char *chosen = std::getenv("LLMC_CUDA_DRIVER");
  const char *path = chosen != nullptr ? chosen : "libcuda.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return absl::UnavailableError(
        chosen ? absl::StrCat("LLMC_CUDA_DRIVER: ", dlerror())
               : "this machine has no NVIDIA driver (libcuda.so.1 was not found), which the artifact needs");
  Driver driver = {};
#define ENTRY(field, symbol)                                                                                 \
  {                                                                                                          \
    symbol, reinterpret_cast<void **>(&driver.field)                                                         \
  }
  const Entry entries[] = {ENTRY(GetErrorName, "cuGetErrorName"),
                           ENTRY(GetErrorString, "cuGetErrorString"),
                           ENTRY(Init, "cuInit"),
                           ENTRY(DeviceGetCount, "cuDeviceGetCount"),
                           ENTRY(DeviceGet, "cuDeviceGet"),
                           ENTRY(DeviceGetName, "cuDeviceGetName"),
                           ENTRY(DeviceGetAttribute, "cuDeviceGetAttribute"),
                           ENTRY(DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain"),
                           ENTRY(DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2"),
                           ENTRY(CtxSetCurrent, "cuCtxSetCurrent"),
                           ENTRY(ModuleLoadData, "cuModuleLoadData"),
                           ENTRY(ModuleUnload, "cuModuleUnload"),
                           ENTRY(ModuleGetFunction, "cuModuleGetFunction"),
                           ENTRY(FuncSetAttribute, "cuFuncSetAttribute"),
                           ENTRY(MemAlloc, "cuMemAlloc_v2"),
                           ENTRY(MemFree, "cuMemFree_v2"),
                           ENTRY(MemHostAlloc, "cuMemHostAlloc"),
                           ENTRY(MemFreeHost, "cuMemFreeHost"),
                           ENTRY(MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2"),
                           ENTRY(MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2"),
                           ENTRY(StreamCreate, "cuStreamCreate"),
                           ENTRY(StreamDestroy, "cuStreamDestroy_v2"),
                           ENTRY(StreamSynchronize, "cuStreamSynchronize"),
                           ENTRY(EventCreate, "cuEventCreate"),
                           ENTRY(EventDestroy, "cuEventDestroy_v2"),
                           ENTRY(EventRecord, "cuEventRecord"),
                           ENTRY(EventElapsedTime, "cuEventElapsedTime"),
                           ENTRY(StreamBeginCapture, "cuStreamBeginCapture_v2"),
                           ENTRY(StreamEndCapture, "cuStreamEndCapture"),
                           ENTRY(GraphInstantiate, "cuGraphInstantiateWithFlags"),
                           ENTRY(GraphLaunch, "cuGraphLaunch"),
                           ENTRY(GraphExecDestroy, "cuGraphExecDestroy"),
                           ENTRY(GraphDestroy, "cuGraphDestroy"),
                           ENTRY(TensorMapEncodeTiled, "cuTensorMapEncodeTiled"),
                           ENTRY(LaunchKernelEx, "cuLaunchKernelEx")};
#undef ENTRY
  for (const Entry &entry : entries) {
    *entry.place = dlsym(library, entry.name);
    if (*entry.place == nullptr)
      return absl::UnavailableError(absl::StrCat("the NVIDIA driver is too old: ", path, " has no ",
                                                 entry.name, ", expected one for CUDA 12 or later"));
  }
  const Result result = driver.Init(0);
  if (result == kStubLibrary)
    return absl::UnavailableError(absl::StrCat(path, " is the stub of a CUDA toolkit, not a driver"));
  int count = 0;
  if (result == kNoDevice || (result == 0 && (driver.DeviceGetCount(&count) != 0 || count == 0)))
    return absl::UnavailableError("this machine has an NVIDIA driver but no GPU that it may use");
  if (absl::Status status = driver.check(result, "starting the driver"); !status.ok())
    return absl::UnavailableError(status.message());
  return driver;
}

} // namespace

absl::StatusOr<const Driver *> Driver::get() {
  static const absl::StatusOr<Driver> *const loaded = new absl::StatusOr<Driver>(load());
  if (!loaded->ok())
    return loaded->status();
  return &**loaded;
}

absl::Status Driver::check(Result result, absl::string_view doing) const {
  if (result == 0)
    return absl::OkStatus();
  const char *name = nullptr, *text = nullptr;
  GetErrorName(result, &name);
  GetErrorString(result, &text);
  const std::string message = absl::StrCat("GPU: ", doing, " failed: ", text ? text : "unknown error", " (",
                                           name ? name : "CUDA", " ", result, ")");
  return result == kOutOfMemory ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
}

} // namespace llmc::runtime::cuda
