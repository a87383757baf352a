#ifndef LLMC_FRONTEND_SAFETENSORS_WRITER_H
#define LLMC_FRONTEND_SAFETENSORS_WRITER_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace llmc::safetensors {

/// What the header says of a tensor.
struct TensorHeader {
  std::string name;
  std::string type; ///< as files name it: "F32"
  std::vector<int64_t> shape;
  uint64_t bytes; ///< of all elements
};

/// What a safetensors file begins with: the size of the header and the header, padded to 8 bytes. Behind it
/// come the tensors, in order and without gaps.
std::string headerOf(absl::Span<const TensorHeader> tensors);

} // namespace llmc::safetensors

#endif // LLMC_FRONTEND_SAFETENSORS_WRITER_H
