//===- Pooling.h - from hidden states to one embedding ------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_POOLING_H
#define LLMC_RUNTIME_CORE_POOLING_H

#include "runtime/core/artifact.pb.h"

#include "absl/types/span.h"

namespace llmc::runtime {

/// Pools the rows of `states`, [rows, embedding.size()] with at least one row, into `embedding`. Means and
/// norms are summed in f64. A vector of zeros stays one when it is normalized.
void pool(const Pooling &pooling, absl::Span<const float> states, absl::Span<float> embedding);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_POOLING_H
