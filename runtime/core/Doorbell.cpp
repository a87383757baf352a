#include "runtime/core/Doorbell.h"

#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace llmc::runtime;

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free,
              "the kernel takes the atomic for a plain 32-bit word");

void Doorbell::sleepUnlessRung(uint32_t seen) {
  syscall(SYS_futex, &rings, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void Doorbell::wakeAll() {
  rings.fetch_add(1);
  syscall(SYS_futex, &rings, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}
