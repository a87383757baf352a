#ifndef LLMC_DIALECTS_BLOCKS_QUANTIZEK_H
#define LLMC_DIALECTS_BLOCKS_QUANTIZEK_H

#include <cstdint>
#include <optional>

namespace llmc::blocks {

/// Rounds 256 finite values to a block: scales (and minima) of each group such that the squared error is
/// small, then the codes that are nearest. Returns nothing, or the index of a value that is too large for the
/// scale.
std::optional<int64_t> quantizeQ4_K(const float *values, uint8_t *block);
std::optional<int64_t> quantizeQ6_K(const float *values, uint8_t *block);

} // namespace llmc::blocks

#endif // LLMC_DIALECTS_BLOCKS_QUANTIZEK_H
