//===- FiniteChecks.h - which tensor of a step is first no number -------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_FINITECHECKS_H
#define LLMC_CODEGEN_COMPILER_FINITECHECKS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc::codegen {

/// Adds a result for each tensor of floating-point numbers that `loss`, a function of structured operations
/// with gradients, computes, in the order in which it does: zeros, or NaN in rows that are not finite. They
/// are called by a number and what locations call the operation (train/NumericChecks.h). Results have none,
/// and are the same to the bit as without checks.
void addFiniteChecks(mlir::func::FuncOp loss);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_FINITECHECKS_H
