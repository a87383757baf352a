#include "runtime/grammar/Utf8Ranges.h"

#include "runtime/text/Unicode.h"

#include <algorithm>
#include <string>

namespace llmc::grammar {

/// Adds the sequences of code points that have the same number of bytes.
static void addSequences(uint32_t first, uint32_t last, std::vector<std::vector<ByteRange>> &sequences) {
  // Cut where a number of last bytes goes through all of its values, or none of them does.
  for (int bits = 6; last > 0x7F && bits <= 18; bits += 6) {
    const uint32_t tail = (1u << bits) - 1;
    if ((first & ~tail) == (last & ~tail))
      break;
    if ((first & tail) != 0) {
      addSequences(first, first | tail, sequences);
      return addSequences((first | tail) + 1, last, sequences);
    }
    if ((last & tail) != tail) {
      addSequences(first, (last & ~tail) - 1, sequences);
      return addSequences(last & ~tail, last, sequences);
    }
  }
  std::string low, high;
  text::appendUtf8(low, first);
  text::appendUtf8(high, last);
  std::vector<ByteRange> sequence;
  for (size_t i = 0; i < low.size(); ++i)
    sequence.push_back({static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])});
  sequences.push_back(std::move(sequence));
}

std::vector<std::vector<ByteRange>> utf8Sequences(CodePointRange range) {
  // Of one, two, three (without surrogates) and four bytes.
  constexpr CodePointRange kLengths[] = {
      {0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};
  std::vector<std::vector<ByteRange>> sequences;
  for (const CodePointRange &length : kLengths) {
    const uint32_t first = std::max(range.first, length.first), last = std::min(range.last, length.last);
    if (first <= last)
      addSequences(first, last, sequences);
  }
  return sequences;
}

} // namespace llmc::grammar
