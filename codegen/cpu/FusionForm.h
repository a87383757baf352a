//===- FusionForm.h - which fusions kernels can compute -----------------------------------------------===//
//
// Fusions come from nn-fuse or from a user. What no kernel can compute is refused by name before anything is
// emitted, so that emitters can rely on it.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_FUSIONFORM_H
#define LLMC_CODEGEN_CPU_FUSIONFORM_H

#include "codegen/cpu/ProductKernel.h"

namespace llmc::codegen {

/// Values of a fusion that `value` is computed from, and itself, each before what it is computed from. `stop`
/// is computed from nothing, and nor are values from outside.
llvm::SmallVector<mlir::Value> sliceOf(mlir::Value value, mlir::Value stop = {});

/// The split that takes the product's result apart, if there is one.
nn::SplitOp splitOf(nn::LinearOp op);

/// Whether the panels of a width laid out so are its columns in order.
bool isInOrder(const WidthLayout &layout, int64_t lanes);

/// Refuses what no row kernel that stores `result` can compute.
mlir::LogicalResult checkRowOperation(mlir::Operation *op, mlir::Value result);

/// Refuses what a product kernel can not compute of `store` from the result of `product`: each value that it
/// is computed from has to have the layout that it is stored in.
mlir::LogicalResult checkEpilogue(nn::LinearOp product, const Store &store, int64_t lanes);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_FUSIONFORM_H
