//===- Remarks.h - what passes declined to do --------------------------------------------------------===//
#ifndef LLMC_PASSES_REMARKS_H
#define LLMC_PASSES_REMARKS_H

#include "mlir/IR/MLIRContext.h"

namespace llmc {

/// Lets passes on programs of `context` report what they declined to do, and why, as remarks to its
/// diagnostic handlers: `nn-merge-linears declined: one has a bias and the other has none`. Without this they
/// say nothing.
void enableRemarks(mlir::MLIRContext &context);

} // namespace llmc

#endif // LLMC_PASSES_REMARKS_H
