//===- Passes.h - the passes on nn -------------------------------------------------------------------===//
//
// Constructors of all passes (createX, with an options struct where the pass has options) and their
// registration. Passes.td describes them.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_PASSES_PASSES_H
#define LLMC_PASSES_PASSES_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace llmc::passes {

/// What products are computed in (nn-set-compute-type).
enum class ComputeType {
  Auto, ///< as stored, but f32 instead of f16
  F32,
  BF16,
};

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

/// Registers every pass and pipeline of this folder under its name, for llmc-opt and textual pipelines.
void registerLlmcPasses();

} // namespace llmc::passes

#endif // LLMC_PASSES_PASSES_H
