//===- Formats.h - opens checkpoints -----------------------------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_FORMATS_H
#define LLMC_FRONTEND_IMPORT_FORMATS_H

#include "frontend/import/Checkpoint.h"

namespace llmc::frontend {

/// Opens a GGUF file, or all parts of a split one by the first of them.
absl::StatusOr<std::unique_ptr<Checkpoint>> openGguf(const std::string &path);

/// Opens a directory with config.json, model.safetensors or its shards, and perhaps generation_config.json.
absl::StatusOr<std::unique_ptr<Checkpoint>> openHuggingFace(const std::string &path);

/// Opens an ONNX file, with config.json and the tokenizer beside it, or in the folder above one called
/// "onnx".
absl::StatusOr<std::unique_ptr<Checkpoint>> openOnnx(const std::string &path);

/// Opens what lies at `path`: a GGUF file (by its first bytes), an ONNX file (by its name) or a directory, of
/// Hugging Face (by its config.json) or with model.onnx and no safetensors file. Anything else is refused
/// with the list of what is supported.
absl::StatusOr<std::unique_ptr<Checkpoint>> openCheckpoint(const std::string &path);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_FORMATS_H
