//===- Linker.h - from an object to a shared object -----------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_LINKER_H
#define LLMC_CODEGEN_CPU_LINKER_H

#include "absl/status/statusor.h"
#include <string>

namespace llmc::codegen {

/// Links an object to a shared object, in this process. `workFolder` is a folder for the linker's files; it
/// removes them. What the object may call is llmc_region_next (runtime/core/StepAbi.h), which is in the
/// program that loads it, and a few functions of the C library, which it names as needed. kUnimplemented,
/// with their names, if it calls anything else.
absl::StatusOr<std::string> linkShared(const std::string &object, const std::string &workFolder);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_LINKER_H
