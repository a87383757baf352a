#ifndef LLMC_FRONTEND_SAFETENSORS_READER_H
#define LLMC_FRONTEND_SAFETENSORS_READER_H

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "dialects/blocks/BlockFormat.h"
#include "runtime/io/MappedFile.h"

namespace llmc::safetensors {

/// Element types that the format defines, in the order of its reference implementation.
enum class ElementType {
  Bool,
  F4,
  F6E2M3,
  F6E3M2,
  U8,
  I8,
  F8E5M2,
  F8E4M3,
  F8E8M0,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
};

/// The name in files, e.g. "BF16".
absl::string_view nameOf(ElementType type);

/// Bits of an element.
int bitsOf(ElementType type);

/// A tensor of a safetensors file. Its bytes lie in the mapped file and have no particular alignment.
struct Tensor {
  std::string name;
  ElementType type;
  /// Slowest dimension first; empty for a scalar.
  absl::InlinedVector<int64_t, 4> shape;
  /// The elements in row-major order.
  absl::Span<const uint8_t> bytes;
  /// Offset of `bytes` in the file.
  uint64_t fileOffset;

  /// Product of the shape; 1 for a scalar.
  int64_t elements() const;

  /// The storage format with which the compiler reads this tensor as a weight. Fails with `tensor 'name':
  /// ...` if it has no elements or its type is not F32, F16 or BF16.
  absl::StatusOr<blocks::StorageFormat> weightFormat() const;
};

/// A safetensors file whose header has been checked completely. All views that it hands out live as long as
/// it does.
class Reader {
public:
  /// Maps and checks the file at `path`. Fails with one line that names the file, the tensor, what was found
  /// and what was expected.
  static absl::StatusOr<Reader> open(absl::string_view path);

  /// Checks a file that is already in memory. `bytes` must outlive the reader; `name` stands for the path in
  /// messages.
  static absl::StatusOr<Reader> parse(absl::string_view name, absl::Span<const uint8_t> bytes);

  /// The path (or name) of the file.
  const std::string &path() const { return filePath; }

  /// All tensors, in the order of their bytes.
  absl::Span<const Tensor> tensors() const { return tensorList; }

  /// The tensor called `name`, or null.
  const Tensor *find(absl::string_view name) const;

  /// The free-form strings of `__metadata__`, sorted by key.
  absl::Span<const std::pair<std::string, std::string>> metadata() const { return strings; }

  /// Tells the system how the bytes of `tensor` will be used; nothing for files that came from parse().
  void advise(io::Access access, const Tensor &tensor) const;

private:
  Reader() = default;

  absl::Status readHeader(absl::Span<const uint8_t> bytes);
  absl::Status checkLayout(uint64_t dataStart, uint64_t fileSize);

  std::string filePath;
  /// Null for files that came from parse().
  std::unique_ptr<io::MappedFile> file;
  std::vector<Tensor> tensorList;
  std::vector<std::pair<std::string, std::string>> strings;
  absl::flat_hash_map<std::string, size_t> index;
};

} // namespace llmc::safetensors

#endif // LLMC_FRONTEND_SAFETENSORS_READER_H
