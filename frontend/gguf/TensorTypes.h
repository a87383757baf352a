#ifndef LLMC_FRONTEND_GGUF_TENSORTYPES_H
#define LLMC_FRONTEND_GGUF_TENSORTYPES_H

#include <cstdint>

#include "absl/status/statusor.h"

#include "dialects/blocks/BlockFormat.h"

namespace llmc::gguf {

/// The format of tensors of type `number`; types of ggml that are not supported are refused by name.
absl::StatusOr<blocks::StorageFormat> formatOfType(uint32_t number);

/// The number by which files name tensors of `format`.
uint32_t typeOfFormat(blocks::StorageFormat format);

} // namespace llmc::gguf

#endif // LLMC_FRONTEND_GGUF_TENSORTYPES_H
