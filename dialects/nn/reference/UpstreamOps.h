//===- UpstreamOps.h - reference semantics of upstream operations ------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_UPSTREAMOPS_H
#define LLMC_DIALECTS_NN_REFERENCE_UPSTREAMOPS_H

#include "mlir/IR/DialectRegistry.h"

namespace llmc::nn::reference {

/// Gives the operations that programs on nn level take from upstream their ReferenceOpInterface. On tensors
/// and numbers: arith.constant, addf, subf, mulf, divf, maximumf, negf, extf, truncf, cmpf and select;
/// math.absf, erf, exp, sqrt and tanh. What tiles and gradients are made of: tensor.empty, dim, cast,
/// extract_slice, insert_slice, expand_shape and collapse_shape; scf.for, affine.apply, min and max, and
/// arith on indices; linalg.generic and what it is a generalization of. And func.call. Registers their
/// dialects as well.
void registerReferenceModels(mlir::DialectRegistry &registry);

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_UPSTREAMOPS_H
