//===- HostKernels.h - kernels for GPUs, compiled for the host ------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_HOSTKERNELS_H
#define LLMC_CODEGEN_CUDA_HOSTKERNELS_H

#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace llmc::codegen {

/// A shared object with the kernels of `program`, after lower-kernels, for the simulator (SimtAbi.h): all
/// that is shipped but for LLVM's choice of instructions and ptxas runs there. Every access to memory is
/// checked. Unimplemented, with its name, for an operation that has no simulation. `arch` chooses between
/// forms of a kernel (KernelImages.h); `folder` is for temporary files.
absl::StatusOr<std::string> emitHostKernels(mlir::ModuleOp program, const std::string &arch,
                                            const std::string &folder);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_HOSTKERNELS_H
