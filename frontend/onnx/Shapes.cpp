// What operators that move elements do to shapes.

#include <algorithm>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "frontend/onnx/Evaluate.h"

namespace llmc::onnx {

using Shape = std::vector<int64_t>;

namespace {

/// The shape that Reshape makes of `shape`: `target` may have one -1 and, unless `zeroIsSize`, zeros.
absl::StatusOr<Shape> reshapedShape(absl::Span<const int64_t> shape, absl::Span<const int64_t> target,
                                    bool zeroIsSize) {
  Shape result(target.begin(), target.end());
  absl::StatusOr<int64_t> count = elementsOf(shape);
  if (!count.ok())
    return count.status();
  std::optional<size_t> open;
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] == 0 && !zeroIsSize) {
      if (i >= shape.size())
        return absl::InvalidArgumentError("keeps a dimension that its operand does not have");
      result[i] = shape[i];
    } else if (result[i] == -1 && !open) {
      open = i;
      result[i] = 1;
    }
  }
  absl::StatusOr<int64_t> known = elementsOf(result);
  if (!known.ok())
    return known.status();
  if (open && *known > 0)
    result[*open] = *count / *known;
  if (open ? *known == 0 || *count % *known != 0 : *known != *count)
    return absl::InvalidArgumentError(
        absl::StrCat("makes ", describeShape(target), " of ", describeShape(shape)));
  return result;
}

absl::StatusOr<Shape> flattenedShape(const Node &node, absl::Span<const int64_t> old) {
  const int64_t rank = static_cast<int64_t>(old.size());
  int64_t axis = node.integerOr("axis", 1);
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis > rank)
    return absl::InvalidArgumentError(absl::StrCat("has axis ", axis, " of ", rank));
  Shape shape = {1, 1};
  for (int64_t i = 0; i < rank; ++i)
    shape[i >= axis] *= old[i];
  return shape;
}

absl::StatusOr<Shape> unsqueezedShape(absl::Span<const int64_t> old, const std::optional<Shape> &axes) {
  if (!axes)
    return absl::InvalidArgumentError("has no axes");
  const int64_t rank = static_cast<int64_t>(old.size() + axes->size());
  std::vector<bool> isNew(rank);
  for (int64_t axis : *axes) {
    absl::StatusOr<int64_t> checked = checkedAxis(axis, rank);
    if (!checked.ok())
      return checked.status();
    if (isNew[*checked])
      return absl::InvalidArgumentError(absl::StrCat("has axis ", axis, " twice"));
    isNew[*checked] = true;
  }
  Shape shape;
  auto next = old.begin();
  for (bool added : isNew)
    shape.push_back(added ? 1 : *next++);
  return shape;
}

absl::StatusOr<Shape> squeezedShape(absl::Span<const int64_t> old, const std::optional<Shape> &axes) {
  const int64_t rank = static_cast<int64_t>(old.size());
  std::vector<bool> isDropped(rank);
  for (int64_t i = 0; i < rank && !axes; ++i)
    isDropped[i] = old[i] == 1;
  for (int64_t axis : axes.value_or(Shape())) {
    absl::StatusOr<int64_t> checked = checkedAxis(axis, rank);
    if (!checked.ok())
      return checked.status();
    isDropped[*checked] = true;
  }
  Shape shape;
  for (int64_t i = 0; i < rank; ++i)
    if (!isDropped[i])
      shape.push_back(old[i]);
  return shape;
}

} // namespace

absl::StatusOr<Shape> changedShape(const Node &node, absl::Span<const int64_t> shape, Operands operands) {
  const std::string op = node.op();
  if (op == "Flatten")
    return flattenedShape(node, shape);
  if (op == "Unsqueeze")
    return unsqueezedShape(shape, axesOf(node, operands, 1));
  if (op == "Squeeze")
    return squeezedShape(shape, axesOf(node, operands, 1));
  if (operands.size() < 2 || !operands[1])
    return absl::InvalidArgumentError("has no shape");
  return reshapedShape(shape, operands[1]->integers(), node.integerOr("allowzero", 0) != 0);
}

absl::StatusOr<int64_t> checkedAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return absl::InvalidArgumentError(absl::StrCat("has axis ", axis, " of a tensor of rank ", rank));
  return axis < 0 ? axis + rank : axis;
}

std::optional<Shape> axesOf(const Node &node, Operands operands, size_t index) {
  if (index < operands.size() && operands[index])
    return operands[index]->integers();
  return node.integers("axes");
}

absl::StatusOr<Shape> permutationOf(const Node &node, int64_t rank) {
  std::optional<Shape> order = node.integers("perm");
  if (!order) {
    order.emplace();
    for (int64_t i = rank; i-- > 0;)
      order->push_back(i);
  }
  Shape sorted = *order;
  absl::c_sort(sorted);
  bool isPermutation = static_cast<int64_t>(sorted.size()) == rank;
  for (int64_t i = 0; i < rank && isPermutation; ++i)
    isPermutation = sorted[i] == i;
  if (!isPermutation)
    return absl::InvalidArgumentError(
        absl::StrCat("has perm ", describeShape(*order), " for a tensor of rank ", rank));
  return *order;
}

absl::StatusOr<std::vector<SliceRange>> sliceRanges(const Node &node, absl::Span<const int64_t> shape,
                                                    Operands operands) {
  auto operand = [&](size_t index) {
    return index < operands.size() && operands[index] ? operands[index]->integers() : Shape();
  };
  const Shape starts = operand(1), ends = operand(2);
  Shape axes = operand(3), steps = operand(4);
  for (size_t i = axes.size(); i < starts.size() && operand(3).empty(); ++i)
    axes.push_back(static_cast<int64_t>(i));
  if (steps.empty())
    steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return absl::InvalidArgumentError("has not as many starts as ends, axes and steps");
  std::vector<SliceRange> ranges;
  for (size_t i = 0; i < starts.size(); ++i) {
    absl::StatusOr<int64_t> axis = checkedAxis(axes[i], static_cast<int64_t>(shape.size()));
    if (!axis.ok())
      return axis.status();
    const bool isKnown = absl::c_any_of(ranges, [&](const SliceRange &range) { return range.axis == *axis; });
    if (isKnown || steps[i] == 0 || steps[i] == INT64_MIN)
      return absl::InvalidArgumentError("has an axis twice, or no step");
    const int64_t size = shape[*axis], step = steps[i];
    if (size == 0) {
      ranges.push_back({*axis, 0, 1, 0});
      continue;
    }
    const int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
    auto place = [&](int64_t bound, int64_t low) {
      return std::clamp(bound < 0 ? bound + size : bound, low, highest);
    };
    const int64_t start = place(starts[i], 0), end = place(ends[i], lowest);
    const int64_t distance = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
    const int64_t count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
    ranges.push_back({*axis, count == 0 ? 0 : start, count == 0 ? 1 : step, count});
  }
  return ranges;
}

absl::StatusOr<Shape> splitSizes(const Node &node, int64_t size, const Array *split) {
  Shape sizes;
  if (split) {
    sizes = split->integers();
  } else {
    const int64_t parts = node.integerOr("num_outputs", node.outputs());
    if (parts < 1 || parts > size)
      return absl::InvalidArgumentError(absl::StrCat("makes ", parts, " parts of ", size));
    const int64_t each = (size + parts - 1) / parts;
    for (int64_t rest = size; rest > 0; rest -= each)
      sizes.push_back(std::min(each, rest));
  }
  int64_t sum = 0;
  for (int64_t part : sizes) {
    if (part < 0 || part > size)
      return absl::InvalidArgumentError(absl::StrCat("has a part of ", part, " of ", size));
    sum += part;
  }
  if (sum != size || static_cast<int64_t>(sizes.size()) != node.outputs())
    return absl::InvalidArgumentError(absl::StrCat("has parts ", describeShape(sizes), " of ", size));
  return sizes;
}

} // namespace llmc::onnx
