#ifndef LLMC_RUNTIME_IO_ATOMICFILE_H
#define LLMC_RUNTIME_IO_ATOMICFILE_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace llmc::io {

/// A file that is written beside its final place and takes its name in one step: readers see the old file or
/// the complete new one, never a part. Until commit() succeeds the old file is untouched. After any failure,
/// and when the object is destroyed without commit(), what was written is gone.
///
/// After the first error every later call returns that error, so a writer may check only commit().
class AtomicFile {
public:
  /// Permission bits of the new file, reduced by the process's umask.
  enum class Mode { Data = 0666, Executable = 0777 };

  /// Where bytes wait for commit(). Unnamed: in a file without a name, of which nothing remains even if the
  /// process is killed; file systems that cannot do this use Named. Named: in `path` + ".partial-XXXXXX".
  enum class Staging { Unnamed, Named };

  /// Starts writing `path`. A symbolic link is followed: what it points to is replaced. Fails with one line
  /// that starts with the path if its directory is missing or not writable, or if `path` is a directory or a
  /// device.
  static absl::StatusOr<AtomicFile> create(absl::string_view path, Mode mode = Mode::Data,
                                           Staging staging = Staging::Unnamed);

  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  ~AtomicFile();

  /// The path as it was given to create().
  const std::string &path() const { return requestedPath; }

  /// Bytes appended so far: where the next append() writes.
  uint64_t offset() const { return end; }

  /// Writes `bytes` at offset() and moves offset() behind them.
  absl::Status append(absl::Span<const uint8_t> bytes);
  absl::Status append(absl::string_view text);

  /// Overwrites bytes that were appended before: offset + bytes.size() <= offset(). Does not move offset().
  absl::Status writeAt(uint64_t offset, absl::Span<const uint8_t> bytes);

  /// Appends zeros until offset() is a multiple of `alignment` (in bytes, at least 1).
  absl::Status alignTo(uint64_t alignment);

  /// Appends bytes [from, from + count) of the file at `source`. Fails if `source` is shorter.
  absl::Status appendFile(absl::string_view source, uint64_t from, uint64_t count);

  /// Makes the content durable and gives it its name, replacing an old file. The object is finished
  /// afterwards.
  absl::Status commit();

  /// Drops what was written; the old file stays. The object is finished afterwards.
  void discard();

private:
  AtomicFile() = default;

  /// Drops what was written and keeps `failure` as the answer to all later calls.
  absl::Status fail(absl::Status failure);
  absl::Status failErrno(absl::string_view action);
  absl::Status writeAll(uint64_t offset, absl::Span<const uint8_t> bytes);
  absl::Status openUnnamed(unsigned mode);
  absl::Status openNamed(unsigned mode);
  absl::Status giveTemporaryName();

  std::string requestedPath;
  /// requestedPath with symbolic links resolved: what commit() replaces.
  std::string targetPath;
  /// Name that the bytes have on disk now; empty while they have none.
  std::string temporaryPath;
  int descriptor = -1;
  uint64_t end = 0;
  absl::Status firstError;
};

} // namespace llmc::io

#endif // LLMC_RUNTIME_IO_ATOMICFILE_H
