//===- Parameters.h - values that are known when the program is compiled -----------------------------===//
#ifndef LLMC_PASSES_PARAMETERS_H
#define LLMC_PASSES_PARAMETERS_H

#include "dialects/nn/NN.h"

namespace llmc::passes {

/// Whether `value` depends on parameters and constants only, on at least one parameter, and is computed by
/// pure operations without regions, so that it can be computed when the program is compiled.
bool isParameterExpression(mlir::Value value);

/// The same for values that depend on no argument: on results of nn.load and constants only.
bool isLoadExpression(mlir::Value value);

/// Moves the operations that compute `value`, as far as they come later in `op`'s block, before `op`. `value`
/// is a parameter expression that does not depend on `op`.
void moveParameterBefore(mlir::Value value, mlir::Operation *op);

} // namespace llmc::passes

#endif // LLMC_PASSES_PARAMETERS_H
