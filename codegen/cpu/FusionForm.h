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

/// Whether a width that is kept in one of these layouts can be read in the other.
bool isKeptAs(const WidthLayout &layout, const WidthLayout &other, int64_t lanes);

/// The norm in `fusion` that normalizes groups of its input's width, or its only head, by themselves; null if
/// there is none.
nn::RmsNormOp groupNormOf(nn::FusionOp fusion);

/// The layout of a norm over groups: each group is a head.
WidthLayout layoutOf(nn::RmsNormOp groupNorm);

/// Refuses what no kernel can compute around `norm`, which works on groups.
mlir::LogicalResult checkHeadNorm(nn::FusionOp fusion, nn::RmsNormOp norm);

/// Refuses another layout of what such a norm reads or of what is stored of it.
mlir::LogicalResult checkHeadNormLayout(nn::RmsNormOp norm, const WidthLayout &other, int64_t lanes);

/// Refuses what no row kernel that stores `result` can compute.
mlir::LogicalResult checkRowOperation(mlir::Operation *op, mlir::Value result);

/// Refuses what a product kernel can not compute of `store` from the result of `product`: each value that it
/// is computed from has to have the layout that it is stored in.
mlir::LogicalResult checkEpilogue(nn::LinearOp product, const Store &store, int64_t lanes);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_FUSIONFORM_H
