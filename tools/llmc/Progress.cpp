#include "tools/llmc/Progress.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

namespace llmc::tool {

namespace {
constexpr absl::Duration kInterval = absl::Milliseconds(100);

int terminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
} // namespace

Progress::Progress() : onTerminal(isatty(STDERR_FILENO)), nextDraw(absl::Now() + kInterval) {}

std::string Progress::draw(absl::string_view stage, int64_t done, int64_t total, int columns) {
  size_t width = std::max(columns - 1, 1);
  if (total <= 0)
    return absl::StrCat(stage, " ...").substr(0, width);
  done = std::clamp<int64_t>(done, 0, total);
  std::string line = absl::StrFormat("%-28s %3d%% ", stage, done * 100 / total);
  constexpr size_t kLongestBar = 40, kShortestBar = 4;
  if (line.size() + kShortestBar + 2 <= width) {
    size_t bar = std::min(kLongestBar, width - line.size() - 2);
    size_t filled = bar * done / total;
    absl::StrAppend(&line, "[", std::string(filled, '#'), std::string(bar - filled, ' '), "]");
  }
  return line.substr(0, width);
}

void Progress::update(absl::string_view stage, int64_t done, int64_t total) {
  if (!onTerminal || absl::Now() < nextDraw)
    return;
  nextDraw = absl::Now() + kInterval;
  std::fprintf(stderr, "\r\033[K%s", draw(stage, done, total, terminalColumns()).c_str());
  std::fflush(stderr);
  drawn = true;
}

void Progress::clear() {
  if (!drawn)
    return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn = false;
}

} // namespace llmc::tool
