#include "runtime/generate/StopStrings.h"

#include "absl/strings/match.h"

#include <algorithm>
#include <utility>

namespace llmc::generate {

StopStrings::StopStrings(std::vector<std::string> all) : strings(std::move(all)) {
  strings.erase(std::remove(strings.begin(), strings.end(), ""), strings.end());
}

size_t StopStrings::startOfCandidate() const {
  size_t start = held.size();
  for (const std::string &stop : strings) {
    // A whole stop string would have been found, so at most all but its last byte can be here.
    size_t longest = std::min(stop.size() - 1, held.size());
    for (size_t length = longest; length > held.size() - start; --length)
      if (absl::StartsWith(stop, absl::string_view(held).substr(held.size() - length)))
        start = held.size() - length;
  }
  return start;
}

std::string StopStrings::push(absl::string_view part) {
  if (stopped)
    return "";
  held.append(part.data(), part.size());
  size_t end = std::string::npos;
  for (const std::string &stop : strings)
    end = std::min(end, held.find(stop));
  if (end != std::string::npos) {
    stopped = true;
    held.resize(end);
    return std::exchange(held, "");
  }
  size_t start = startOfCandidate();
  std::string passed = held.substr(0, start);
  held.erase(0, start);
  return passed;
}

std::string StopStrings::finish() { return std::exchange(held, ""); }

} // namespace llmc::generate
