//===- StopStrings.h - ends a text where one of some strings begins -----------------------------------===//
#ifndef LLMC_RUNTIME_GENERATE_STOPSTRINGS_H
#define LLMC_RUNTIME_GENERATE_STOPSTRINGS_H

#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace llmc::generate {

/// Passes on a text that arrives in parts, up to the first of some strings. A string may begin in one part
/// and end in a later one: what could still become a stop string is held back until it is known.
class StopStrings {
public:
  /// Empty strings stop nothing.
  explicit StopStrings(std::vector<std::string> strings);

  /// Takes the next part and returns what can be passed on. After a stop string was found: nothing.
  std::string push(absl::string_view part);

  /// What is held back when nothing more follows.
  std::string finish();

  /// Whether the text has reached a stop string. It and what follows are not passed on.
  bool found() const { return stopped; }

private:
  /// The start of the longest end of `held` that could become a stop string: its size if there is none.
  size_t startOfCandidate() const;

  std::vector<std::string> strings;
  std::string held;
  bool stopped = false;
};

} // namespace llmc::generate

#endif // LLMC_RUNTIME_GENERATE_STOPSTRINGS_H
