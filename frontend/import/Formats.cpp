//===- Formats.cpp - opens checkpoints ---------------------------------------------------------------===//

#include "frontend/import/Formats.h"
#include "absl/strings/str_cat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llmc::frontend;

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openCheckpoint(const std::string &path) {
  constexpr const char *supported =
      " (supported: a GGUF file, or a Hugging Face directory with config.json and safetensors files)";
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return absl::NotFoundError(absl::StrCat(path, ": ", error.message(), ", expected a model", supported));
  if (llvm::sys::fs::is_directory(status)) {
    if (llvm::sys::fs::exists(path + "/config.json"))
      return openHuggingFace(path);
    return absl::InvalidArgumentError(absl::StrCat(path, ": has no config.json", supported));
  }
  if (!llvm::sys::fs::is_regular_file(status))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is no file and no directory", supported));
  auto start = llvm::MemoryBuffer::getFileSlice(path, std::min<uint64_t>(4, status.getSize()), 0);
  if (start && (*start)->getBuffer() == "GGUF")
    return openGguf(path);
  return absl::InvalidArgumentError(absl::StrCat(path, ": does not begin with 'GGUF'", supported));
}
