//===- TokenizerFiles.h - finds what the tokenizer importers read ------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_TOKENIZERFILES_H
#define LLMC_FRONTEND_IMPORT_TOKENIZERFILES_H

#include "absl/status/statusor.h"
#include "frontend/gguf/Reader.h"
#include "frontend/hf/Directory.h"
#include <string>

namespace llmc::frontend {

/// The tokenizer in a directory (tokenizer.json and what stands beside it), as a serialized
/// llmc.text.TokenizerModel whose stop ids are the end tokens of generation_config.json or config.json.
absl::StatusOr<std::string> readHuggingFaceTokenizer(const hf::Directory &directory);

/// The same from `tokenizer.*` of a GGUF file.
absl::StatusOr<std::string> readGgufTokenizer(const gguf::Reader &reader);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_TOKENIZERFILES_H
