//===- StepRows.h - what a step computes ----------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_STEPROWS_H
#define LLMC_RUNTIME_CORE_STEPROWS_H

#include "runtime/core/StepAbi.h"

#include "absl/types/span.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace llmc::runtime {

/// The rows of one step, tokens of one or several sequences, and which outputs are wanted.
class StepRows {
public:
  /// For steps of at most `rows` rows.
  explicit StepRows(int64_t rows)
      : tokens(rows), positions(rows), types(rows), outputIds(rows), cacheOffsets(rows) {}

  void clear() { rows = wanted = 0; }
  int64_t size() const { return rows; }
  int64_t outputs() const { return wanted; }
  int64_t capacity() const { return static_cast<int64_t>(tokens.size()); }

  /// Adds the tokens `next` of a sequence, the first of which has `position`. All are of type `type`, and the
  /// cache of their sequence is `cacheOffset` bytes behind the step's.
  void add(absl::Span<const int32_t> next, int64_t position, int32_t type, int64_t cacheOffset) {
    const auto count = static_cast<int64_t>(next.size());
    std::copy(next.begin(), next.end(), tokens.begin() + rows);
    std::iota(positions.begin() + rows, positions.begin() + rows + count, static_cast<int32_t>(position));
    std::fill_n(types.begin() + rows, count, type);
    std::fill_n(cacheOffsets.begin() + rows, count, cacheOffset);
    rows += count;
  }
  /// The types of all rows.
  void setTypes(absl::Span<const int32_t> all) { std::copy(all.begin(), all.end(), types.begin()); }
  /// Wants the output of `row`, be it one that is yet to come.
  void want(int64_t row) { outputIds[wanted++] = static_cast<int32_t>(row); }

  /// The inputs of a step, without its memory.
  LlmcStep inputs() const {
    LlmcStep step = {};
    step.rows = rows;
    step.output_rows = wanted;
    step.tokens = tokens.data();
    step.positions = positions.data();
    step.token_types = types.data();
    step.output_ids = outputIds.data();
    step.cache_offsets = cacheOffsets.data();
    return step;
  }
  int64_t firstCacheOffset() const { return cacheOffsets[0]; }

private:
  std::vector<int32_t> tokens, positions, types, outputIds;
  std::vector<int64_t> cacheOffsets;
  int64_t rows = 0, wanted = 0;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_STEPROWS_H
