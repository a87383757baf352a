#ifndef LLMC_FRONTEND_ONNX_LAYOUT_H
#define LLMC_FRONTEND_ONNX_LAYOUT_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace llmc::onnx {

/// A run of elements along an axis of an activation: the tokens of the sequence, or a part of the width.
struct Part {
  bool isSequence = false;
  int64_t size = 1;   ///< of a part of the width
  int64_t stride = 0; ///< distance of its elements in the width; 0: one element is repeated

  bool operator==(const Part &) const = default;
};

/// How the tensor of an ONNX graph shows an activation, which is [tokens, width] for one sequence: what each
/// of its axes goes through. An axis without parts has size 1 (the batch). [1, heads, tokens, 64] is
///
///     {}, {heads with stride 64}, {sequence}, {64 with stride 1}
///
/// so that reshaping, transposing and repeating change nothing but this.
class Layout {
public:
  using Axis = std::vector<Part>;

  Layout() = default;
  explicit Layout(std::vector<Axis> axes) : axisList(std::move(axes)) {}

  static Part sequence() { return {.isSequence = true}; }
  static Part width(int64_t size, int64_t stride = 1) { return {false, size, stride}; }

  const std::vector<Axis> &axes() const { return axisList; }
  int64_t rank() const { return static_cast<int64_t>(axisList.size()); }
  /// Shape of the tensor for a sequence of `length` tokens.
  std::vector<int64_t> shapeAt(int64_t length) const;

  bool isSequence(int64_t axis) const;
  /// The only part of an axis if that is one of the width.
  const Part *widthPart(int64_t axis) const;
  /// Whether the last axis is the whole width, `size` elements in order, and no other axis has some of it.
  bool endsWithWidth(int64_t size) const;
  /// Whether other axes than the last are the sequence or have size 1.
  bool isRowByRow() const;

  /// The layout of a tensor that is reshaped. `shapes` are the new shape for each of `lengths`. Nothing if
  /// no axes make it.
  std::optional<Layout> reshape(absl::Span<const std::vector<int64_t>> shapes,
                                absl::Span<const int64_t> lengths) const;
  Layout transpose(absl::Span<const int64_t> order) const;
  /// Repeats axes of size 1, and adds some in front, up to `shape`. Nothing if that would repeat rows.
  std::optional<Layout> expand(absl::Span<const std::vector<int64_t>> shapes,
                               absl::Span<const int64_t> lengths) const;
  /// The same with another axis.
  Layout withAxis(int64_t axis, Axis parts) const;
  /// The same without an axis.
  Layout without(int64_t axis) const;

  /// Without axes of size 1 in front.
  Layout trimmed() const;
  /// Without any axes of size 1.
  Layout squeezed() const;

  bool operator==(const Layout &) const = default;

private:
  std::vector<Axis> axisList;
};

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_LAYOUT_H
