//===- Formats.cpp - opens checkpoints ---------------------------------------------------------------===//

#include "frontend/import/Formats.h"
#include "absl/strings/str_cat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llmc::frontend;

/// The folder that `path`, a file, is a part of the model in; empty if it is not.
static std::string folderOfModel(llvm::StringRef path) {
  if (!path.ends_with(".safetensors") && !path.ends_with(".json"))
    return "";
  llvm::StringRef parent = llvm::sys::path::parent_path(path);
  std::string folder = parent.empty() ? "." : parent.str();
  return llvm::sys::fs::exists(folder + "/config.json") ? folder : "";
}

static constexpr llvm::StringLiteral kOnnxEnding = ".onnx";

/// The ONNX file of a directory that has its weights nowhere else; empty if there is none.
static std::string graphOf(const std::string &path) {
  for (const char *weights : {"/model.safetensors", "/model.safetensors.index.json"})
    if (llvm::sys::fs::exists(path + weights))
      return "";
  for (const char *graph : {"/model.onnx", "/onnx/model.onnx"})
    if (llvm::sys::fs::exists(path + graph))
      return path + graph;
  return "";
}

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openCheckpoint(const std::string &path) {
  constexpr const char *supported =
      " (supported: a GGUF file, an ONNX file, or a directory with config.json and safetensors files or "
      "model.onnx)";
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return absl::NotFoundError(absl::StrCat(path, ": ", error.message(), ", expected a model", supported));
  if (llvm::sys::fs::is_directory(status)) {
    if (std::string graph = graphOf(path); !graph.empty())
      return openOnnx(graph);
    if (llvm::sys::fs::exists(path + "/config.json"))
      return openHuggingFace(path);
    return absl::InvalidArgumentError(absl::StrCat(path, ": has no config.json", supported));
  }
  if (!llvm::sys::fs::is_regular_file(status))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is no file and no directory", supported));
  auto start = llvm::MemoryBuffer::getFileSlice(path, std::min<uint64_t>(4, status.getSize()), 0);
  if (start && (*start)->getBuffer() == "GGUF")
    return openGguf(path);
  if (llvm::StringRef(path).ends_with(kOnnxEnding))
    return openOnnx(path);
  if (std::string folder = folderOfModel(path); !folder.empty())
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is one file of a model, expected its directory: ", folder));
  return absl::InvalidArgumentError(absl::StrCat(path, ": does not begin with 'GGUF'", supported));
}
