//===- Passes.h - passes below nn for the CPU --------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PASSES_H
#define LLMC_CODEGEN_CPU_PASSES_H

#include "codegen/cpu/LowerToCpu.h"

namespace llmc::codegen {

/// Replaces memref.alloc in steps and layers by places in one arena, which becomes the last argument of each function
/// that needs it.
std::unique_ptr<mlir::Pass> createPlanArenaPass();

/// Turns scf.forall into a loop that claims chunks (runtime/core/StepAbi.h). Functions with such loops get the calling thread's worker
/// as their last argument. All threads run them.
std::unique_ptr<mlir::Pass> createForallToSpmdPass();

/// Registers the passes of this folder under their names, lower-to-cpu for this machine.
void registerCpuPasses();

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PASSES_H
