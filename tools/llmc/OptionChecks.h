//===- OptionChecks.h - what values of options have to be
//-------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_OPTIONCHECKS_H
#define LLMC_TOOLS_LLMC_OPTIONCHECKS_H

#include <cstdint>
#include <limits>

namespace CLI {
class Validator;
} // namespace CLI

namespace llmc::tool {

/// Sequences that are computed side by side; each has a cache for the whole context.
inline constexpr uint64_t kMostSequences = 1024;
/// More tokens than any model or user has, and few enough for all arithmetic.
inline constexpr uint64_t kMostTokens = std::numeric_limits<int32_t>::max();

/// Accepts the decimal digits of a number from `least` to `most`; errors say what was expected and what was
/// typed. All options that take whole numbers are checked by this.
CLI::Validator wholeNumber(uint64_t least, uint64_t most);

/// Accepts all names of files but the empty one.
CLI::Validator pathOfFile();

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_OPTIONCHECKS_H
