#include "tools/llmc/Interrupt.h"

namespace llmc::tool {

namespace {
volatile std::sig_atomic_t interrupted = 0;

void installHandler(struct sigaction *previous) {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  // Without SA_RESTART, so that a read that waits returns; with SA_RESETHAND, so that a second Ctrl-C ends
  // everything.
  action.sa_flags = SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, previous);
}
} // namespace

Interrupt::Interrupt() {
  interrupted = 0;
  installHandler(&previous);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &previous, nullptr); }

bool Interrupt::requested() { return interrupted != 0; }

void Interrupt::rearm() {
  interrupted = 0;
  installHandler(nullptr);
}

} // namespace llmc::tool
