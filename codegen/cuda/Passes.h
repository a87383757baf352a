//===- Passes.h - the passes below nn for NVIDIA GPUs --------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_PASSES_H
#define LLMC_CODEGEN_CUDA_PASSES_H

#include "codegen/cpu/LowerToCpu.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc::codegen {

/// On the module: the names of the kernels, by their numbers.
inline constexpr llvm::StringLiteral kKernelsAttribute = "llmc.kernels";

#define GEN_PASS_DECL
#include "codegen/cuda/Passes.h.inc"

/// lower-to-cuda for a program whose host part is for `host`.
std::unique_ptr<mlir::Pass> createLowerToCudaPass(const Target &host, const StepSizes &sizes,
                                                  bool streamWeights);

/// Registers the passes of Passes.td with llmc-opt.
void registerCudaPasses();

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_PASSES_H
