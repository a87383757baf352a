//===- FirstError.h - what went wrong, in one line ------------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_FIRSTERROR_H
#define LLMC_CODEGEN_COMPILER_FIRSTERROR_H

#include "mlir/IR/Diagnostics.h"
#include <string>

namespace llmc::codegen {

/// Keeps the first error of a context while it lives; other handlers see none of its errors.
class FirstError {
public:
  /// `place` begins errors that know no place of their own: the name of a file.
  FirstError(mlir::MLIRContext *context, std::string place);

  /// One line, which begins with where the error is; empty if there was none.
  const std::string &message() const { return text; }
  /// Whether the program is at fault, and not the pass that said so.
  bool isAboutProgram() const { return notSupported; }

private:
  mlir::LogicalResult keep(mlir::Diagnostic &diagnostic);

  const std::string place;
  std::string text;
  bool notSupported = false;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_FIRSTERROR_H
