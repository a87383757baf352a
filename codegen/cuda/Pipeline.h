//===- Pipeline.h - the stages below nn for NVIDIA GPUs ------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_PIPELINE_H
#define LLMC_CODEGEN_CUDA_PIPELINE_H

#include "codegen/cuda/Passes.h"
#include "mlir/IR/DialectRegistry.h"
#include "passes/Pipelines.h"

namespace llmc::codegen {

/// From fused nn to kernels on memrefs and vectors, and their launches.
passes::PassList cudaTiledPasses(const Target &host, const StepSizes &sizes, bool streamWeights);

/// How products by warpgroups are cut up, if not by cost.
struct ProductTiles {
  int64_t columns = 0; ///< 128 or 256
  int64_t parts = 0;   ///< of a tile's inputs, at most
};

/// From structured operations (passes::trainingPasses) to the same level.
passes::PassList cudaTiledTrainingPasses(bool bf16Attention, const ProductTiles &tiles);

/// From these to the LLVM and NVVM dialects.
passes::PassList cudaLlvmPasses();

/// Registers the dialects of a program at any of these stages.
void registerCudaDialects(mlir::DialectRegistry &registry);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_PIPELINE_H
