//===- Passes.h - passes below nn for the CPU --------------------------------------------------------===//
//
// Constructors of the passes (createX, with an options struct where the pass has options). Passes.td
// describes them.
//
//===--------------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PASSES_H
#define LLMC_CODEGEN_CPU_PASSES_H

#include "codegen/cpu/LowerToCpu.h"

namespace llmc::codegen {

#define GEN_PASS_DECL
#include "codegen/cpu/Passes.h.inc"

/// Registers the passes of this folder under their names.
void registerCpuPasses();

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PASSES_H
