//===- PrivateMemory.h - zeroed pages ------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_PRIVATEMEMORY_H
#define LLMC_RUNTIME_CORE_PRIVATEMEMORY_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstddef>
#include <cstdint>

namespace llmc::runtime {

/// How much memory one first write takes. Large pages spare misses of the address cache where everything is
/// used; small ones spare room, and the time to clear it, where most is never used.
enum class PageSize { Small, Large };

/// Page-aligned memory of this process, zero at first. A page takes room only once it is written.
class PrivateMemory {
public:
  /// `purpose` names the memory in the error. The page size is a hint.
  static absl::StatusOr<PrivateMemory> allocate(uint64_t bytes, absl::string_view purpose, PageSize pages);

  PrivateMemory() = default;
  PrivateMemory(PrivateMemory &&other) noexcept;
  PrivateMemory &operator=(PrivateMemory &&other) noexcept;
  ~PrivateMemory();

  /// Null when the size is 0.
  uint8_t *data() const { return start; }
  size_t size() const { return length; }

  /// Sets all bytes to zero, and gives pages that were written back to the system.
  void clear();

private:
  uint8_t *start = nullptr;
  size_t length = 0;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_PRIVATEMEMORY_H
