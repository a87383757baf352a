//===- Safetensors.h - tensors of checkpoints -----------------------------------------------------------===//
//
// The safetensors format: 8 bytes of header size, a JSON header, the data
// (https://huggingface.co/docs/safetensors).
//
//===----------------------------------------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_SAFETENSORS_H
#define LLMC_TRAIN_SAFETENSORS_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::train {

/// A matrix or vector in memory.
struct TensorView {
  std::string name;
  std::vector<int64_t> shape;
  float *data = nullptr;
  bool transposed = false; ///< in the file the matrix has its dimensions exchanged
  bool row = false;        ///< in the file the vector is a matrix of one row
  std::string otherName;   ///< under which files to read may have it, if not empty
  bool optional = false;   ///< files to read may lack it; it is then left as it is
};

/// How many numbers a tensor has.
int64_t elementsOf(const TensorView &tensor);

/// Writes `tensors` to `path`; the file appears once it is complete.
absl::Status writeSafetensors(absl::string_view path, absl::Span<const TensorView> tensors);

/// Fills `tensors` from a file, or from the files of a folder, which has to hold them as F32, F16 or BF16.
absl::Status readSafetensors(absl::string_view path, absl::Span<const TensorView> tensors);

} // namespace llmc::train

#endif // LLMC_TRAIN_SAFETENSORS_H
