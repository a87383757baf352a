//===- Formats.cpp - opens checkpoints ---------------------------------------------------------------===//

#include "frontend/import/Formats.h"
#include "absl/strings/str_cat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llmc::frontend;

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openCheckpoint(const std::string &path) {
  constexpr const char *supported = "(supported: a GGUF file)";
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return absl::NotFoundError(absl::StrCat(path, ": ", error.message(), ", expected a model ", supported));
  auto start = llvm::MemoryBuffer::getFileSlice(path, 4, 0);
  if (start && (*start)->getBuffer() == "GGUF")
    return openGguf(path);
  return absl::InvalidArgumentError(absl::StrCat(path, ": is not a model ", supported));
}
