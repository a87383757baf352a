#ifndef LLMC_FRONTEND_ONNX_EVALUATE_H
#define LLMC_FRONTEND_ONNX_EVALUATE_H

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "frontend/onnx/Array.h"
#include "frontend/onnx/Node.h"

namespace llmc::onnx {

/// Operands of a node that is evaluated; null: the optional one is not given.
using Operands = absl::Span<const Array *const>;

/// Whether evaluate() knows the operator.
bool canEvaluate(const Node &node);

/// Computes the outputs of `node`, by the definitions of the ONNX operators. Fails with one line that begins
/// with the node.
absl::StatusOr<std::vector<Array>> evaluate(const Node &node, Operands operands);

// Parts of operators that are also asked for where elements are not known.

/// What Reshape, Flatten, Unsqueeze and Squeeze make of `shape`; the first operand is not looked at.
absl::StatusOr<std::vector<int64_t>> changedShape(const Node &node, absl::Span<const int64_t> shape,
                                                  Operands operands);

/// `axis`, which may count from the end, as one of 0 to rank - 1.
absl::StatusOr<int64_t> checkedAxis(int64_t axis, int64_t rank);

/// Axes by attribute `axes` (the first versions) or operand `index`; nothing if there are none.
std::optional<std::vector<int64_t>> axesOf(const Node &node, Operands operands, size_t index);

/// The permutation of a Transpose. Fails if it is none.
absl::StatusOr<std::vector<int64_t>> permutationOf(const Node &node, int64_t rank);

/// What a Slice keeps of an axis of `size`: elements start, start + step, ... of which there are `count`.
struct SliceRange {
  int64_t axis, start, step, count;
};
/// The ranges of a Slice of a tensor of `shape`, whose operands are starts, ends, axes and steps.
absl::StatusOr<std::vector<SliceRange>> sliceRanges(const Node &node, absl::Span<const int64_t> shape,
                                                    Operands operands);

/// The sizes of the parts of a Split of an axis of `size`.
absl::StatusOr<std::vector<int64_t>> splitSizes(const Node &node, int64_t size, const Array *split);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_EVALUATE_H
