#include "runtime/io/MappedFile.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace llmc::io {

static int adviceOf(Access access) {
  switch (access) {
  case Access::Normal:
    return MADV_NORMAL;
  case Access::Sequential:
    return MADV_SEQUENTIAL;
  case Access::Random:
    return MADV_RANDOM;
  case Access::WillNeed:
    return MADV_WILLNEED;
  case Access::DontNeed:
    return MADV_DONTNEED;
  }
  return MADV_NORMAL;
}

absl::StatusOr<MappedFile> MappedFile::open(absl::string_view path) {
  std::string name(path);
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot open"));
  absl::Cleanup closeDescriptor = [descriptor] { ::close(descriptor); };

  struct stat info;
  if (::fstat(descriptor, &info) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot read its size"));
  if (S_ISDIR(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(name, ": is a directory, expected a file"));
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(name, ": is a device, pipe or socket, expected a file"));
  if (info.st_size == 0)
    return absl::InvalidArgumentError(absl::StrCat(name, ": is empty (0 bytes)"));

  size_t length = static_cast<size_t>(info.st_size);
  void *start = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (start == MAP_FAILED)
    return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot map ", length, " bytes into memory"));
  return MappedFile(std::move(name), static_cast<const uint8_t *>(start), length);
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : filePath(std::move(other.filePath)), start(std::exchange(other.start, nullptr)),
      length(std::exchange(other.length, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(filePath, other.filePath);
  std::swap(start, other.start);
  std::swap(length, other.length);
  return *this;
}

MappedFile::~MappedFile() {
  if (start)
    ::munmap(const_cast<uint8_t *>(start), length);
}

void MappedFile::advise(Access access, size_t offset, size_t count) const {
  size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t begin = std::min(offset, length);
  size_t end = begin + std::min(count, length - begin);
  if (access == Access::DontNeed) {
    // Pages that are shared with a neighbouring range stay.
    begin = (begin + page - 1) / page * page;
    if (end != length)
      end = end / page * page;
  } else {
    begin = begin / page * page;
  }
  if (begin < end)
    ::madvise(const_cast<uint8_t *>(start) + begin, end - begin, adviceOf(access));
}

} // namespace llmc::io
