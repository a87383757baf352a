//===- NotSupported.cpp - what passes refuse ---------------------------------------------------------===//

#include "passes/NotSupported.h"

using namespace mlir;

/// In a diagnostic's metadata, which is not printed.
static constexpr StringLiteral kMark = "llmc.not_supported";

static InFlightDiagnostic marked(InFlightDiagnostic error) {
  error.getUnderlyingDiagnostic()->getMetadata().emplace_back(kMark);
  return error;
}

InFlightDiagnostic llmc::emitNotSupported(Operation *op) { return marked(op->emitOpError()); }

InFlightDiagnostic llmc::emitNotSupported(Location loc) { return marked(emitError(loc)); }

bool llmc::saysNotSupported(Diagnostic &diagnostic) {
  return llvm::any_of(diagnostic.getMetadata(), [](const DiagnosticArgument &argument) {
    return argument.getKind() == DiagnosticArgument::DiagnosticArgumentKind::String &&
           argument.getAsString() == kMark;
  });
}
