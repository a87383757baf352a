#include "tools/llmc/Interrupt.h"

namespace llmc::tool {

namespace {
volatile std::sig_atomic_t interrupted = 0;
} // namespace

Interrupt::Interrupt() {
  interrupted = 0;
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  // The second one meets the default again.
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &previous, nullptr); }

bool Interrupt::requested() { return interrupted != 0; }

} // namespace llmc::tool
