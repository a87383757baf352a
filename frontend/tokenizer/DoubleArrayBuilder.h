//===- DoubleArrayBuilder.h - puts tokens into a trie ---------------------===//

#ifndef LLMC_TOKENIZER_DOUBLE_ARRAY_BUILDER_H
#define LLMC_TOKENIZER_DOUBLE_ARRAY_BUILDER_H

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace llmc::tokenizer {

/// The units of a double array (runtime/text/DoubleArray.h) from `keys`, which are not empty and have no zero
/// bytes, to their values, which are below 2^31. Of equal keys the largest value counts. Without keys there
/// are no units.
std::vector<uint32_t> buildDoubleArray(std::vector<std::pair<std::string, uint32_t>> keys);

} // namespace llmc::tokenizer

#endif
