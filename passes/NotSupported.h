//===- NotSupported.h - what passes refuse -----------------------------------------------------------===//
#ifndef LLMC_PASSES_NOTSUPPORTED_H
#define LLMC_PASSES_NOTSUPPORTED_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"

namespace llmc {

/// Begins an error about a sound program that a pass has no means to deal with: `'nn.experts' op` and what is
/// streamed behind it, which says what was found and what is expected. The program is at fault, not the
/// compiler: `llmc compile` ends with status 1 after it, and with 70, a defect, after other errors of passes.
mlir::InFlightDiagnostic emitNotSupported(mlir::Operation *op);

/// The same where no operation is to blame.
mlir::InFlightDiagnostic emitNotSupported(mlir::Location loc);

/// Whether an error was begun by emitNotSupported().
bool saysNotSupported(mlir::Diagnostic &diagnostic);

} // namespace llmc

#endif // LLMC_PASSES_NOTSUPPORTED_H
