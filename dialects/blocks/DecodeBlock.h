#ifndef LLMC_DIALECTS_BLOCKS_DECODEBLOCK_H
#define LLMC_DIALECTS_BLOCKS_DECODEBLOCK_H

#include "dialects/blocks/BlockFormat.h"

namespace llmc::blocks {

/// Takes one block of a quantized format apart: codes, scales and (only if the format has them) minima, in
/// the order of the elements and as decodeCodes() has them.
void decodeBlock(StorageFormat format, const uint8_t *block, uint8_t *codes, float *scales, float *mins);

} // namespace llmc::blocks

#endif // LLMC_DIALECTS_BLOCKS_DECODEBLOCK_H
