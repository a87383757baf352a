//===- KernelImages.h - kernels as GPUs load them ------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_KERNELIMAGES_H
#define LLMC_CODEGEN_CUDA_KERNELIMAGES_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>
#include <vector>

namespace llmc::codegen {

/// All kernels of a program in one form.
struct KernelImage {
  enum class Kind {
    Ptx,   ///< text, which a driver compiles for its GPU: any of `arch` or later
    Cubin, ///< machine code for `arch`
    Host,  ///< HostKernels.h; `arch` is "host"
  };
  Kind kind;
  std::string arch; ///< e.g. "sm_90"
  std::string contents;
  std::vector<std::string> leftOut = {}; ///< kernels for other architectures
};

/// What ptxas says of one kernel.
struct KernelResources {
  std::string kernel;
  int64_t registers = 0;
  int64_t spillBytes = 0;
};

/// Names kernels that are simulated where an architecture is expected: those for all architectures, and those
/// that use what sm_90a has.
inline constexpr char kHostArch[] = "host", kHostSm90Arch[] = "host-sm_90a";

/// The architectures that kernels can be compiled for.
std::vector<std::string> knownGpuArchs();
/// Fails, with those that are known, if one of `archs` is not.
absl::Status checkGpuArchs(const std::vector<std::string> &archs);

/// Where `tool` of the CUDA toolkit is: in CUDA_HOME, on the PATH or where it is usually installed; empty if
/// nowhere.
std::string findCudaTool(const std::string &tool);

/// Whether the image for `arch` has `kernel`.
bool isKernelFor(mlir::Operation *kernel, llvm::StringRef arch);
/// The kernels of `program` that images for `arch` have not.
std::vector<std::string> kernelsLeftOut(mlir::ModuleOp program, llvm::StringRef arch);

/// Whether kernels for `arch` wait for earlier ones themselves (GpuKernel::waitForEarlierLaunches()).
bool overlapsLaunches(llvm::StringRef arch);

/// The kernels of `program`, after lower-kernels, in PTX.
absl::StatusOr<std::string> emitPtx(mlir::ModuleOp program, const std::string &arch);

/// Machine code of `ptx` by the toolkit's ptxas. `resources` may be null.
absl::StatusOr<std::string> assemblePtx(const std::string &ptx, const std::string &arch,
                                        std::vector<KernelResources> *resources);

/// The symbol that image `number` gets.
std::string imageSymbol(size_t number);

/// Replaces the kernels of `program` by constants `llmc_image_N` with the contents of `images`.
void embedImages(mlir::ModuleOp program, const std::vector<KernelImage> &images);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_KERNELIMAGES_H
