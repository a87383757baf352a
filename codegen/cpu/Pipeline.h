//===- Pipeline.h - the stages below nn --------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PIPELINE_H
#define LLMC_CODEGEN_CPU_PIPELINE_H

#include "codegen/cpu/LowerToCpu.h"
#include "passes/Pipelines.h"

namespace llmc::codegen {

/// From fused nn to kernels on memrefs and vectors: the level "tiled".
passes::PassList tiledPasses(const Target &target, const StepSizes &sizes);

/// From structured operations (passes::trainingPasses) to the same level.
passes::PassList tiledTrainingPasses(const Target &target);

/// From the level "tiled" to the LLVM dialect, with the entry of each step.
passes::PassList llvmPasses();

/// Appends what lowers functions on memrefs, without parallel regions, to the LLVM dialect.
void appendHostPasses(passes::PassList &list);

/// Registers the dialects and extensions that these pipelines need.
void registerCpuDialects(mlir::DialectRegistry &registry);

/// The symbol of a step's entry.
std::string stepSymbol(llvm::StringRef step);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PIPELINE_H
