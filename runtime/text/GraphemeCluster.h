//===- GraphemeCluster.h - what a reader takes for one character ----------===//

#ifndef LLMC_TEXT_GRAPHEME_CLUSTER_H
#define LLMC_TEXT_GRAPHEME_CLUSTER_H

#include <cstddef>

#include "absl/strings/string_view.h"

namespace llmc::text {

/// Bytes of the extended grapheme cluster (UAX 29) that `text`, valid UTF-8 and not empty, begins with.
size_t graphemeClusterLength(absl::string_view text);

} // namespace llmc::text

#endif
