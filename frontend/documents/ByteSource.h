//===- ByteSource.h - files that may be compressed --------------------------------------------------------===//
#ifndef LLMC_DOCUMENTS_BYTESOURCE_H
#define LLMC_DOCUMENTS_BYTESOURCE_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <memory>
#include <string>

namespace llmc::documents {

/// The bytes of a file from front to back, decompressed where its name ends in .gz or .zst. Errors are one
/// line that begins with the path.
class ByteSource {
public:
  /// Fails if the file cannot be opened, is a folder, or is not compressed as its name says.
  static absl::StatusOr<std::unique_ptr<ByteSource>> open(const std::string &path);

  virtual ~ByteSource() = default;

  /// Fills `buffer` from its start and returns how many bytes there are in it: 0 at the end. Fails if the
  /// compressed data are damaged, or end too early.
  virtual absl::StatusOr<size_t> read(absl::Span<char> buffer) = 0;
};

/// `path` without .gz or .zst: its ending says what is inside.
absl::string_view withoutCompression(absl::string_view path);

} // namespace llmc::documents

#endif // LLMC_DOCUMENTS_BYTESOURCE_H
