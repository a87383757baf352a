#ifndef LLMC_FRONTEND_GGUF_PARTS_H
#define LLMC_FRONTEND_GGUF_PARTS_H

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "frontend/gguf/Reader.h"

namespace llmc::gguf {

/// Opens the GGUF file at `path`, and where that is the first part of a split model
/// ("NAME-00001-of-00003.gguf", `split.count` 3) all other parts, which lie beside it. The first reader has
/// the model's metadata; tensors are in any of them, each name in one. Fails with one line if `path` is
/// another part than the first, or if a part is missing or belongs to another split.
absl::StatusOr<std::vector<Reader>> openParts(absl::string_view path);

} // namespace llmc::gguf

#endif // LLMC_FRONTEND_GGUF_PARTS_H
