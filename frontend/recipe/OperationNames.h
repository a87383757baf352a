//===- OperationNames.h - names of what a loss computes -----------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_OPERATIONNAMES_H
#define LLMC_FRONTEND_RECIPE_OPERATIONNAMES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc::recipe {

/// Makes the locations of the operations of `loss` names by which people find them: `linear of NAME`, with
/// the parameter that is read, or `attention behind NAME`, with the one that was read last. What later passes
/// make of an operation keeps its location.
void nameOperations(mlir::func::FuncOp loss);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_OPERATIONNAMES_H
