//===- ProgramCost.h - what one call of a program costs ----------------------------------------------===//
#ifndef LLMC_DIALECTS_COST_PROGRAMCOST_H
#define LLMC_DIALECTS_COST_PROGRAMCOST_H

#include "dialects/nn/NN.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc::nn {

/// Returns the cost of `function` of `module` for `rows` tokens that attend to `context` positions: of its
/// operations, and of the functions that it calls, as often as it calls them. Operations without a cost of
/// their own count as free; calls of what is not in the module do too.
OpCost costOfProgram(mlir::ModuleOp module, llvm::StringRef function, int64_t rows, int64_t context);

} // namespace llmc::nn

#endif // LLMC_DIALECTS_COST_PROGRAMCOST_H
