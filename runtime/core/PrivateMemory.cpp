#include "runtime/core/PrivateMemory.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace llmc::runtime {

absl::StatusOr<PrivateMemory> PrivateMemory::allocate(uint64_t bytes, absl::string_view purpose,
                                                      PageSize pages) {
  PrivateMemory memory;
  if (bytes == 0)
    return memory;
  void *start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot get ", bytes, " bytes for the ", purpose, ": ", strerror(errno)));
  madvise(start, bytes, pages == PageSize::Large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  memory.start = static_cast<uint8_t *>(start);
  memory.length = bytes;
  return memory;
}

PrivateMemory::PrivateMemory(PrivateMemory &&other) noexcept
    : start(std::exchange(other.start, nullptr)), length(std::exchange(other.length, 0)) {}

PrivateMemory &PrivateMemory::operator=(PrivateMemory &&other) noexcept {
  std::swap(start, other.start);
  std::swap(length, other.length);
  return *this;
}

PrivateMemory::~PrivateMemory() {
  if (start != nullptr)
    munmap(start, length);
}

void PrivateMemory::clear() {
  if (start != nullptr && madvise(start, length, MADV_DONTNEED) != 0)
    std::memset(start, 0, length);
}

} // namespace llmc::runtime
