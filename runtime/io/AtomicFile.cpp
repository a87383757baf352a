#include "runtime/io/AtomicFile.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace llmc::io {

static std::string directoryOf(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// `path`, or what it finally points to where it is a symbolic link. Refuses what rename() would replace
/// wrongly.
static absl::StatusOr<std::string> resolveTarget(const std::string &path) {
  std::string target = path;
  struct stat info;
  for (int links = 0; ::lstat(target.c_str(), &info) == 0 && S_ISLNK(info.st_mode); ++links) {
    char content[4096];
    ssize_t length = ::readlink(target.c_str(), content, sizeof(content));
    if (length < 0 || links == 40)
      return absl::ErrnoToStatus(length < 0 ? errno : ELOOP,
                                 absl::StrCat(path, ": cannot follow symbolic link"));
    std::string next(content, length);
    target = next.starts_with('/') ? next : absl::StrCat(directoryOf(target), "/", next);
  }
  if (::stat(target.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode))
      return absl::InvalidArgumentError(absl::StrCat(path, ": is a directory, expected a file to write"));
    if (!S_ISREG(info.st_mode))
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": is a device, pipe or socket, expected a file to write"));
  }
  return target;
}

/// mkstemp() makes files that only their owner can read; this gives them the rights of an ordinary file.
static unsigned reduceByUmask(unsigned mode) {
  mode_t mask = ::umask(0);
  ::umask(mask);
  return mode & ~mask;
}

absl::StatusOr<AtomicFile> AtomicFile::create(absl::string_view path, Mode mode, Staging staging) {
  AtomicFile file;
  file.requestedPath = std::string(path);
  absl::StatusOr<std::string> target = resolveTarget(file.requestedPath);
  if (!target.ok())
    return target.status();
  file.targetPath = *std::move(target);
  unsigned bits = static_cast<unsigned>(mode);
  absl::Status opened = absl::UnimplementedError("");
  if (staging == Staging::Unnamed)
    opened = file.openUnnamed(bits);
  if (absl::IsUnimplemented(opened))
    opened = file.openNamed(bits);
  if (!opened.ok())
    return opened;
  return file;
}

/// Unimplemented where the file system has no unnamed files.
absl::Status AtomicFile::openUnnamed(unsigned mode) {
  descriptor = ::open(directoryOf(targetPath).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  if (descriptor >= 0)
    return absl::OkStatus();
  // Kernels and file systems without O_TMPFILE answer in any of these ways.
  if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
    return absl::UnimplementedError("no unnamed files here");
  return absl::ErrnoToStatus(errno, absl::StrCat(requestedPath, ": cannot create"));
}

absl::Status AtomicFile::openNamed(unsigned mode) {
  std::string name = absl::StrCat(targetPath, ".partial-XXXXXX");
  descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(requestedPath, ": cannot create"));
  temporaryPath = name;
  if (::fchmod(descriptor, reduceByUmask(mode)) != 0)
    return failErrno("cannot set permissions");
  return absl::OkStatus();
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : requestedPath(std::move(other.requestedPath)), targetPath(std::move(other.targetPath)),
      temporaryPath(std::exchange(other.temporaryPath, {})), descriptor(std::exchange(other.descriptor, -1)),
      end(other.end), firstError(std::move(other.firstError)) {}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(requestedPath, other.requestedPath);
  std::swap(targetPath, other.targetPath);
  std::swap(temporaryPath, other.temporaryPath);
  std::swap(descriptor, other.descriptor);
  std::swap(end, other.end);
  std::swap(firstError, other.firstError);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (descriptor >= 0)
    ::close(std::exchange(descriptor, -1));
  if (!temporaryPath.empty())
    ::unlink(temporaryPath.c_str());
  temporaryPath.clear();
}

absl::Status AtomicFile::fail(absl::Status failure) {
  discard();
  firstError = std::move(failure);
  return firstError;
}

absl::Status AtomicFile::failErrno(absl::string_view action) {
  return fail(absl::ErrnoToStatus(errno, absl::StrCat(requestedPath, ": ", action)));
}

absl::Status AtomicFile::writeAll(uint64_t offset, absl::Span<const uint8_t> bytes) {
  if (!firstError.ok())
    return firstError;
  if (descriptor < 0)
    return absl::FailedPreconditionError(absl::StrCat(requestedPath, ": written after it was finished"));
  while (!bytes.empty()) {
    // Linux writes at most 2 GiB at a time.
    size_t count = std::min<size_t>(bytes.size(), size_t{1} << 30);
    ssize_t written = ::pwrite(descriptor, bytes.data(), count, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return failErrno(absl::StrCat("cannot write at byte ", offset));
    bytes.remove_prefix(written);
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::append(absl::Span<const uint8_t> bytes) {
  absl::Status status = writeAll(end, bytes);
  if (status.ok())
    end += bytes.size();
  return status;
}

absl::Status AtomicFile::append(absl::string_view text) {
  return append(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
}

absl::Status AtomicFile::writeAt(uint64_t offset, absl::Span<const uint8_t> bytes) {
  if (offset > end || bytes.size() > end - offset)
    return fail(absl::OutOfRangeError(absl::StrCat(requestedPath, ": overwrites bytes ", offset, " to ",
                                                   offset + bytes.size(), " but only ", end,
                                                   " bytes were appended")));
  return writeAll(offset, bytes);
}

absl::Status AtomicFile::alignTo(uint64_t alignment) {
  static constexpr uint8_t zeros[4096] = {};
  uint64_t padding = (alignment - end % alignment) % alignment;
  while (padding > 0) {
    uint64_t count = std::min<uint64_t>(padding, sizeof(zeros));
    if (absl::Status status = append(absl::MakeConstSpan(zeros, count)); !status.ok())
      return status;
    padding -= count;
  }
  return firstError;
}

absl::Status AtomicFile::appendFile(absl::string_view source, uint64_t from, uint64_t count) {
  std::string name(source);
  int input = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (input < 0)
    return fail(absl::ErrnoToStatus(errno, absl::StrCat(requestedPath, ": cannot copy from ", name)));
  absl::Cleanup closeInput = [input] { ::close(input); };
  std::vector<uint8_t> buffer(std::min<uint64_t>(count, 1 << 20));
  while (count > 0) {
    size_t wanted = std::min<uint64_t>(count, buffer.size());
    ssize_t got = ::pread(input, buffer.data(), wanted, static_cast<off_t>(from));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail(absl::ErrnoToStatus(errno, absl::StrCat(requestedPath, ": cannot copy from ", name)));
    if (got == 0)
      return fail(absl::DataLossError(absl::StrCat(requestedPath, ": cannot copy from ", name,
                                                   ": the file ends at byte ", from, ", expected ", count,
                                                   " more bytes")));
    if (absl::Status status = append(absl::MakeConstSpan(buffer.data(), got)); !status.ok())
      return status;
    from += got;
    count -= got;
  }
  return firstError;
}

/// Links an unnamed file under a fresh name beside the target, since rename() needs a name to start from.
absl::Status AtomicFile::giveTemporaryName() {
  std::string handle = absl::StrCat("/proc/self/fd/", descriptor);
  for (unsigned attempt = 0; attempt < 1000; ++attempt) {
    std::string name = absl::StrCat(targetPath, ".partial-", ::getpid(), "-", attempt);
    if (::linkat(AT_FDCWD, handle.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporaryPath = name;
      return absl::OkStatus();
    }
    if (errno != EEXIST)
      break;
  }
  return failErrno("cannot name the finished file");
}

absl::Status AtomicFile::commit() {
  if (!firstError.ok())
    return firstError;
  if (descriptor < 0)
    return absl::FailedPreconditionError(absl::StrCat(requestedPath, ": committed after it was finished"));
  if (::fsync(descriptor) != 0)
    return failErrno("cannot write to disk");
  if (temporaryPath.empty())
    if (absl::Status status = giveTemporaryName(); !status.ok())
      return status;
  if (::close(std::exchange(descriptor, -1)) != 0)
    return failErrno("cannot close");
  if (::rename(temporaryPath.c_str(), targetPath.c_str()) != 0)
    return failErrno("cannot replace the old file");
  temporaryPath.clear();
  // The new name is in place; that it also survives a power cut is best effort, as some file systems refuse
  // this.
  int directory = ::open(directoryOf(targetPath).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return absl::OkStatus();
}

} // namespace llmc::io
