#ifndef LLMC_RUNTIME_IO_MAPPEDFILE_H
#define LLMC_RUNTIME_IO_MAPPEDFILE_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace llmc::io {

/// How a range of a mapped file is about to be used; a hint to the system's page cache.
enum class Access {
  /// No particular order.
  Normal,
  /// Front to back, once: read far ahead.
  Sequential,
  /// In no order: do not read ahead.
  Random,
  /// Soon: start reading now.
  WillNeed,
  /// Not soon: the pages may leave this process (they are read again when touched).
  DontNeed,
};

/// A whole file mapped read-only into memory. Owns the mapping: spans that come from it are valid as long as
/// it lives, also after it has been moved. The file must not be truncated by others meanwhile.
class MappedFile {
public:
  /// Maps the file at `path`. Fails with one line that starts with the path if the file is missing,
  /// unreadable, not a regular file, or empty.
  static absl::StatusOr<MappedFile> open(absl::string_view path);

  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  /// The path as it was given to open().
  const std::string &path() const { return filePath; }

  /// Bytes in the file, at least 1.
  size_t size() const { return length; }

  /// The content of the file, page-aligned at its start.
  absl::Span<const uint8_t> bytes() const { return {start, length}; }

  /// Tells the system how bytes [offset, offset + count) will be used. Widened to whole pages (DontNeed:
  /// narrowed); ranges past the end are clipped. A hint: it changes no content and cannot fail.
  void advise(Access access, size_t offset, size_t count) const;

  /// The same for the whole file.
  void advise(Access access) const { advise(access, 0, length); }

private:
  MappedFile(std::string path, const uint8_t *start, size_t length)
      : filePath(std::move(path)), start(start), length(length) {}

  std::string filePath;
  const uint8_t *start = nullptr;
  size_t length = 0;
};

} // namespace llmc::io

#endif // LLMC_RUNTIME_IO_MAPPEDFILE_H
