//===- TemporaryFiles.h - the folder for temporary files
//-------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_TEMPORARYFILES_H
#define LLMC_CODEGEN_COMMON_TEMPORARYFILES_H

#include "absl/status/status.h"
#include <system_error>

namespace llmc::codegen {

/// Says that nothing can be made in the system's folder for temporary files, which folder that is, and how to
/// choose another.
absl::Status temporaryFilesError(std::error_code reason);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_TEMPORARYFILES_H
