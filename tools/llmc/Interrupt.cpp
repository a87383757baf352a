#include "tools/llmc/Interrupt.h"

#include <atomic>

namespace llmc::tool {

namespace {
std::atomic<bool> interrupted = false; // which several threads ask for
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");
} // namespace

Interrupt::Interrupt() {
  interrupted = false;
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  // The second one meets the default again.
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &previous, nullptr); }

bool Interrupt::requested() { return interrupted; }

} // namespace llmc::tool
