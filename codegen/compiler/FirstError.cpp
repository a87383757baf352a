//===- FirstError.cpp - what went wrong, in one line ----------------------------------------------------===//

#include "codegen/compiler/FirstError.h"

#include "absl/strings/str_cat.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

/// Begins errors about `location`: `program.mlir:12:8: `, or `unknown` where it is in no file.
static std::string prefixOf(Location location, const std::string &unknown) {
  auto place = location->findInstanceOf<FileLineColLoc>();
  if (!place)
    return unknown + ": ";
  if (place.getLine() == 0) // the file as a whole
    return place.getFilename().str() + ": ";
  return absl::StrCat(place.getFilename().str(), ":", place.getLine(), ":", place.getColumn(), ": ");
}

FirstError::FirstError(MLIRContext *context, std::string place)
    : place(std::move(place)), handler(context, [this](Diagnostic &diagnostic) { return keep(diagnostic); }) {
}

LogicalResult FirstError::keep(Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
    return failure(); // remarks and notes are for other handlers
  if (text.empty()) {
    text = prefixOf(diagnostic.getLocation(), place) + diagnostic.str();
    notSupported = saysNotSupported(diagnostic);
  }
  return success();
}

} // namespace llmc::codegen
