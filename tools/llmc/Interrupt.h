//===- Interrupt.h - Ctrl-C as a question to ask --------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_INTERRUPT_H
#define LLMC_TOOLS_LLMC_INTERRUPT_H

#include <csignal>

namespace llmc::tool {

/// While one exists the first Ctrl-C only makes `requested` true, so that work ends at a good place. The next
/// one ends the program as usual. At most one at a time.
class Interrupt {
public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt &) = delete;
  Interrupt &operator=(const Interrupt &) = delete;

  static bool requested();

private:
  struct sigaction previous;
};

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_INTERRUPT_H
