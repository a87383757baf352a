//===- GuardedMemory.cpp - memory that is told apart from what lies behind it --------------------------===//

#include "codegen/verify/GuardedMemory.h"
#include "llvm/Support/ErrorHandling.h"
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace llmc::codegen;

/// Buffers of a step are aligned to this.
static constexpr size_t kAlignment = 64;

static size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

GuardedMemory::GuardedMemory(size_t bytes) : bytes(bytes) {
  const size_t page = sysconf(_SC_PAGESIZE), rounded = roundUp(bytes, kAlignment);
  const size_t usable = roundUp(rounded, page);
  mapped = usable + page;
  void *memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    llvm::report_bad_alloc_error("no memory to run compiled code in");
  mapping = static_cast<uint8_t *>(memory);
  mprotect(mapping + usable, page, PROT_NONE);
  start = mapping + usable - rounded;
  spoil();
}

GuardedMemory::~GuardedMemory() { munmap(mapping, mapped); }

void GuardedMemory::spoil() { std::memset(start, 0xff, roundUp(bytes, kAlignment)); }

bool GuardedMemory::isIntactBehindEnd() const {
  for (size_t at = bytes; at % kAlignment != 0; ++at)
    if (start[at] != 0xff)
      return false;
  return true;
}
