#ifndef LLMC_FRONTEND_GGUF_READER_H
#define LLMC_FRONTEND_GGUF_READER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "dialects/blocks/BlockFormat.h"
#include "frontend/gguf/Value.h"
#include "runtime/io/MappedFile.h"

namespace llmc::gguf {

/// A tensor of a GGUF file. Names and bytes lie in the mapped file.
struct Tensor {
  absl::string_view name;
  blocks::StorageFormat format;
  /// Slowest dimension first, as [rows, columns]: the reverse of the order in the file. 1 to 4 dimensions,
  /// each at least 1; the last is a multiple of the format's block size.
  absl::InlinedVector<int64_t, 4> shape;
  /// The elements, rows without gaps: blocks::bytesOf(format, elements()) bytes.
  absl::Span<const uint8_t> bytes;
  /// Offset of `bytes` in the file.
  uint64_t fileOffset;

  /// Product of the shape.
  int64_t elements() const;
};

/// A metadata entry of a GGUF file.
struct Entry {
  absl::string_view key;
  Value value;
};

/// A GGUF file whose header has been checked completely. All views that it hands out live as long as it does.
class Reader {
public:
  /// Maps and checks the file at `path`. Fails with one line that names the file, the entry or tensor, what
  /// was found and what was expected.
  static absl::StatusOr<Reader> open(absl::string_view path);

  /// Checks a file that is already in memory. `bytes` must outlive the reader; `name` stands for the path in
  /// messages.
  static absl::StatusOr<Reader> parse(absl::string_view name, absl::Span<const uint8_t> bytes);

  /// The path (or name) of the file.
  const std::string &path() const { return filePath; }

  /// Version of the format: 2 or 3.
  uint32_t version() const { return formatVersion; }

  /// All metadata and all tensors in the order of the file.
  absl::Span<const Entry> metadata() const { return entries; }
  absl::Span<const Tensor> tensors() const { return tensorList; }

  /// The value at `key`, or null.
  const Value *find(absl::string_view key) const;
  /// The tensor called `name`, or null.
  const Tensor *findTensor(absl::string_view name) const;

  /// The value at `key` in the wanted type. NotFound if there is none, InvalidArgument if it has another
  /// type.
  absl::StatusOr<int64_t> integer(absl::string_view key) const;
  absl::StatusOr<double> number(absl::string_view key) const;
  absl::StatusOr<bool> boolean(absl::string_view key) const;
  absl::StatusOr<absl::string_view> string(absl::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> integers(absl::string_view key) const;
  absl::StatusOr<std::vector<double>> numbers(absl::string_view key) const;
  absl::StatusOr<std::vector<absl::string_view>> strings(absl::string_view key) const;

  /// The same with a default where the key is missing; another type is still an error.
  absl::StatusOr<int64_t> integerOr(absl::string_view key, int64_t missing) const;
  absl::StatusOr<double> numberOr(absl::string_view key, double missing) const;
  absl::StatusOr<bool> booleanOr(absl::string_view key, bool missing) const;
  absl::StatusOr<absl::string_view> stringOr(absl::string_view key, absl::string_view missing) const;

  /// Tells the system how the bytes of `tensor` will be used; nothing for files that came from parse().
  void advise(io::Access access, const Tensor &tensor) const;

private:
  Reader() = default;

  absl::Status readAll(absl::Span<const uint8_t> bytes);
  absl::Status readMetadata(Cursor &cursor, uint64_t count);
  absl::Status readTensors(Cursor &cursor, uint64_t count);
  absl::Status placeTensors(const Cursor &cursor, absl::Span<const uint8_t> bytes);
  absl::StatusOr<uint64_t> alignment() const;
  absl::Status wrongType(absl::string_view key, absl::string_view expected) const;

  std::string filePath;
  /// Null for files that came from parse().
  std::unique_ptr<io::MappedFile> file;
  uint32_t formatVersion = 0;
  std::vector<Entry> entries;
  std::vector<Tensor> tensorList;
  absl::flat_hash_map<absl::string_view, size_t> entryIndex;
  absl::flat_hash_map<absl::string_view, size_t> tensorIndex;
};

} // namespace llmc::gguf

#endif // LLMC_FRONTEND_GGUF_READER_H
