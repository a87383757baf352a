//===- Utf8Ranges.h - classes of characters as bytes --------------------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_UTF8RANGES_H
#define LLMC_RUNTIME_GRAMMAR_UTF8RANGES_H

#include "runtime/grammar/Grammar.h"

#include <cstdint>
#include <vector>

namespace llmc::grammar {

/// Bytes from `first` to `last`, both included.
struct ByteRange {
  uint8_t first, last;
};

/// The characters of `range`, surrogates left out, as sequences of one to four ranges of bytes: a string is
/// the UTF-8 of one of them if it has the length of a sequence and each byte is in its range.
std::vector<std::vector<ByteRange>> utf8Sequences(CodePointRange range);

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_UTF8RANGES_H
