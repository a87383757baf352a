//===- Progress.h - a line that shows how far long work is ----------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_PROGRESS_H
#define LLMC_TOOLS_LLMC_PROGRESS_H

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include <string>

namespace llmc::tool {

/// A bar on the standard error stream, redrawn in place, that is gone when the work is over. Draws nothing
/// where that stream is no terminal, and for the first tenth of a second, so that short work shows nothing.
class Progress {
public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// `done` of `total` units of `stage` are done; a total of 0 means unknown.
  void update(absl::string_view stage, int64_t done, int64_t total);

  /// Takes the bar away, before something else is printed.
  void clear();

  /// The line for a terminal of `columns` columns, `columns` - 1 characters at most.
  static std::string draw(absl::string_view stage, int64_t done, int64_t total, int columns);

private:
  bool onTerminal;
  bool drawn = false;
  absl::Time nextDraw;
};

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_PROGRESS_H
