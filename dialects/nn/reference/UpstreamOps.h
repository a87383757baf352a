//===- UpstreamOps.h - reference semantics of upstream operations ------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_UPSTREAMOPS_H
#define LLMC_DIALECTS_NN_REFERENCE_UPSTREAMOPS_H

#include "mlir/IR/DialectRegistry.h"

namespace llmc::nn::reference {

/// Gives the operations that programs on nn level take from upstream their ReferenceOpInterface: func.call;
/// arith.constant, addf, subf, mulf, divf, maximumf and negf; math.absf, erf, exp, sqrt and tanh. All but the
/// call on tensors. Registers the dialects arith, func, math and nn as well.
void registerReferenceModels(mlir::DialectRegistry &registry);

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_UPSTREAMOPS_H
