//===- Pipeline.h - the stages below nn
//-----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PIPELINE_H
#define LLMC_CODEGEN_CPU_PIPELINE_H

#include "codegen/cpu/LowerToCpu.h"
#include "mlir/Pass/PassManager.h"

namespace llmc::codegen {

/// From fused nn to kernels on memrefs and vectors: the level "tiled".
void buildTiledPipeline(mlir::OpPassManager &manager, const Target &target, const StepSizes &sizes);

/// From the level "tiled" to the LLVM dialect, with the entry of each step.
void buildLlvmPipeline(mlir::OpPassManager &manager);

/// Registers the dialects and extensions that these pipelines need.
void registerCpuDialects(mlir::DialectRegistry &registry);

/// The symbol of a step's entry.
std::string stepSymbol(llvm::StringRef step);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PIPELINE_H
