//===- Rewriting.h - a text made of another one, and from where -----------===//

#ifndef LLMC_TEXT_REWRITING_H
#define LLMC_TEXT_REWRITING_H

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace llmc::text {

/// Bytes of a text, from `begin` to before `end`.
struct ByteRange {
  size_t begin;
  size_t end;
  bool operator==(const ByteRange &) const = default;
};

/// From where in another text each byte of a text comes. Empty: the texts are the same.
using Origins = std::vector<ByteRange>;

/// From where the bytes `part` come; of no bytes, the place between their neighbours.
inline ByteRange originOf(const Origins &origins, ByteRange part) {
  if (origins.empty())
    return part;
  if (part.begin == part.end) {
    const size_t place = part.begin < origins.size() ? origins[part.begin].begin : origins.back().end;
    return {place, place};
  }
  return {origins[part.begin].begin, origins[part.end - 1].end};
}

/// Whether a rewriting keeps from where each byte comes.
enum class Tracking { Off, On };

/// Writes a text that is made of another one, its source.
struct Rewriting {
  explicit Rewriting(Tracking tracking) : tracking(tracking) {}

  /// Says that what was written since the last call is made of these bytes of the source, perhaps none.
  void cameFrom(size_t begin, size_t end) {
    if (tracking == Tracking::On)
      origins.resize(text.size(), {begin, end});
  }

  /// Appends bytes of the source as they are.
  void copy(absl::string_view source, size_t begin, size_t end) {
    text.append(source.data() + begin, end - begin);
    if (tracking == Tracking::On)
      for (size_t at = begin; at < end; ++at)
        origins.push_back({at, at + 1});
  }

  /// Takes all but the first `size` bytes away again.
  void truncate(size_t size) {
    text.resize(size);
    if (tracking == Tracking::On)
      origins.resize(size);
  }

  std::string text;
  Origins origins; ///< of each byte, with Tracking::On

private:
  Tracking tracking;
};

} // namespace llmc::text

#endif
