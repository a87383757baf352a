//===- UpstreamModels.h - the parts of registerReferenceModels() --------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_UPSTREAMMODELS_H
#define LLMC_DIALECTS_NN_REFERENCE_UPSTREAMMODELS_H

#include "mlir/IR/DialectRegistry.h"

namespace llmc::nn::reference {

/// Slices and other views of tensors (TensorOps.cpp).
void registerTensorModels(mlir::DialectRegistry &registry);
/// Loops, and the arithmetic of indices (LoopOps.cpp).
void registerLoopModels(mlir::DialectRegistry &registry);
/// Structured operations (LinalgOps.cpp).
void registerLinalgModels(mlir::DialectRegistry &registry);

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_UPSTREAMMODELS_H
