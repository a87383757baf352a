// Operators that move elements.

#include "frontend/onnx/Operators.h"

#include <algorithm>
#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace llmc::onnx {

namespace {

using Kind = Array::Kind;
using Shape = std::vector<int64_t>;
using Results = absl::StatusOr<std::vector<Array>>;

Results one(Array array) {
  std::vector<Array> results;
  results.push_back(std::move(array));
  return results;
}

int64_t rankOf(const Array &array) { return static_cast<int64_t>(array.shape.size()); }

/// Whether an array of `shape` is of a size that is computed with.
absl::Status checkSize(absl::Span<const int64_t> shape) {
  absl::StatusOr<int64_t> count = elementsOf(shape);
  if (count.ok() && *count > kMostElements)
    return absl::UnimplementedError(
        absl::StrCat("makes an array of shape ", describeShape(shape), ", which is too large"));
  return count.status();
}

/// An array of `shape` whose element at an index is the one of `x` that lies at `start` and, for each step
/// along dimension i, strides[i] further.
Array gathered(const Array &x, const Shape &shape, const Shape &strides, int64_t start) {
  Array result{x.kind, shape, {}};
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  result.values.reserve(count);
  Shape at(shape.size(), 0);
  for (int64_t from = start; count > 0; --count) {
    result.values.push_back(x.values[from]);
    for (size_t i = shape.size(); i-- > 0;) {
      from += strides[i];
      if (++at[i] < shape[i])
        break;
      from -= strides[i] * shape[i];
      at[i] = 0;
    }
  }
  return result;
}

Results reshaped(const Array &x, Shape shape) {
  absl::StatusOr<int64_t> count = elementsOf(shape);
  if (!count.ok())
    return count.status();
  if (*count != static_cast<int64_t>(x.values.size()))
    return absl::InvalidArgumentError(
        absl::StrCat("makes ", describeShape(shape), " of ", describeShape(x.shape)));
  return one({x.kind, std::move(shape), x.values});
}

Results evaluateIdentity(const Node &, Operands operands) { return one(*operands[0]); }

Results evaluateReshape(const Node &node, Operands operands) {
  absl::StatusOr<Shape> shape = changedShape(node, operands[0]->shape, operands);
  return shape.ok() ? reshaped(*operands[0], *std::move(shape)) : Results(shape.status());
}

Results evaluateTranspose(const Node &node, Operands operands) {
  const Array &x = *operands[0];
  absl::StatusOr<Shape> order = permutationOf(node, rankOf(x));
  if (!order.ok())
    return order.status();
  Shape shape, strides;
  const Shape own = stridesOf(x.shape);
  for (int64_t axis : *order) {
    shape.push_back(x.shape[axis]);
    strides.push_back(own[axis]);
  }
  return one(gathered(x, shape, strides, 0));
}

Results evaluateExpand(const Node &, Operands operands) {
  absl::StatusOr<Shape> shape = broadcastShapes(operands[0]->shape, operands[1]->integers());
  if (!shape.ok())
    return shape.status();
  absl::StatusOr<Array> result = broadcastTo(*operands[0], *shape);
  return result.ok() ? one(*std::move(result)) : Results(result.status());
}

Results evaluateTile(const Node &, Operands operands) {
  const Array &x = *operands[0];
  const Shape repeats = operands[1]->integers();
  if (repeats.size() != x.shape.size())
    return absl::InvalidArgumentError("has not as many repeats as dimensions");
  // Each dimension is two: the repeats, with a stride of 0, and the elements.
  Shape shape, strides, merged;
  const Shape own = stridesOf(x.shape);
  for (size_t i = 0; i < repeats.size(); ++i) {
    shape.insert(shape.end(), {repeats[i], x.shape[i]});
    strides.insert(strides.end(), {0, own[i]});
    if (repeats[i] < 0 || repeats[i] > kMostElements)
      return absl::InvalidArgumentError(absl::StrCat("repeats ", repeats[i], " times"));
    merged.push_back(repeats[i] * x.shape[i]);
  }
  if (absl::Status status = checkSize(merged); !status.ok())
    return status;
  Array result = gathered(x, shape, strides, 0);
  result.shape = std::move(merged);
  return one(std::move(result));
}

Results evaluateConcat(const Node &node, Operands operands) {
  const Array &first = *operands[0];
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), rankOf(first));
  if (!axis.ok())
    return axis.status();
  Array result{first.kind, first.shape, {}};
  result.shape[*axis] = 0;
  int64_t outer = 1;
  for (int64_t i = 0; i < *axis; ++i)
    outer *= first.shape[i];
  for (const Array *part : operands) {
    Shape expected = first.shape;
    if (part && rankOf(*part) == rankOf(first))
      expected[*axis] = part->shape[*axis];
    if (!part || part->shape != expected)
      return absl::InvalidArgumentError("joins arrays whose other sizes differ");
    result.shape[*axis] += part->shape[*axis];
  }
  if (absl::Status status = checkSize(result.shape); !status.ok())
    return status;
  for (int64_t i = 0; i < outer; ++i)
    for (const Array *part : operands) {
      const int64_t run = static_cast<int64_t>(part->values.size()) / outer;
      result.values.insert(result.values.end(), part->values.begin() + i * run,
                           part->values.begin() + (i + 1) * run);
    }
  return one(std::move(result));
}

Results evaluateSlice(const Node &node, Operands operands) {
  const Array &x = *operands[0];
  absl::StatusOr<std::vector<SliceRange>> ranges = sliceRanges(node, x.shape, operands);
  if (!ranges.ok())
    return ranges.status();
  Shape shape = x.shape, strides = stridesOf(x.shape);
  int64_t start = 0;
  for (const SliceRange &range : *ranges) {
    start += range.start * strides[range.axis];
    strides[range.axis] *= range.step;
    shape[range.axis] = range.count;
  }
  return one(gathered(x, shape, strides, start));
}

Results evaluateSplit(const Node &node, Operands operands) {
  const Array &x = *operands[0];
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), rankOf(x));
  if (!axis.ok())
    return axis.status();
  absl::StatusOr<Shape> sizes = splitSizes(node, x.shape[*axis], operands.size() > 1 ? operands[1] : nullptr);
  if (!sizes.ok())
    return sizes.status();
  std::vector<Array> results;
  const Shape strides = stridesOf(x.shape);
  int64_t start = 0;
  for (int64_t size : *sizes) {
    Shape shape = x.shape;
    shape[*axis] = size;
    results.push_back(gathered(x, shape, strides, start * strides[*axis]));
    start += size;
  }
  return results;
}

absl::StatusOr<int64_t> checkedIndex(int64_t index, int64_t size) {
  if (index < -size || index >= size)
    return absl::InvalidArgumentError(absl::StrCat("has index ", index, " into a size of ", size));
  return index < 0 ? index + size : index;
}

Results evaluateGather(const Node &node, Operands operands) {
  const Array &x = *operands[0], &indices = *operands[1];
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), rankOf(x));
  if (!axis.ok())
    return axis.status();
  Shape shape(x.shape.begin(), x.shape.begin() + *axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + *axis + 1, x.shape.end());
  if (absl::Status status = checkSize(shape); !status.ok())
    return status;
  int64_t outer = 1;
  for (int64_t i = 0; i < *axis; ++i)
    outer *= x.shape[i];
  const int64_t run = stridesOf(x.shape)[*axis], size = x.shape[*axis];
  Array result{x.kind, shape, {}};
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t wanted : indices.integers()) {
      absl::StatusOr<int64_t> index = checkedIndex(wanted, size);
      if (!index.ok())
        return index.status();
      auto from = x.values.begin() + (i * size + *index) * run;
      result.values.insert(result.values.end(), from, from + run);
    }
  return one(std::move(result));
}

Results evaluateGatherElements(const Node &node, Operands operands) {
  const Array &x = *operands[0], &indices = *operands[1];
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), rankOf(x));
  if (!axis.ok())
    return axis.status();
  bool fits = indices.shape.size() == x.shape.size();
  for (int64_t i = 0; i < rankOf(x) && fits; ++i)
    fits = i == *axis || indices.shape[i] <= x.shape[i];
  if (!fits)
    return absl::InvalidArgumentError(absl::StrCat("has indices of shape ", describeShape(indices.shape),
                                                   " into ", describeShape(x.shape)));
  const Shape strides = stridesOf(x.shape), own = stridesOf(indices.shape);
  Array result{x.kind, indices.shape, {}};
  for (int64_t place = 0; place < static_cast<int64_t>(indices.values.size()); ++place) {
    absl::StatusOr<int64_t> index = checkedIndex(indices.integer(place), x.shape[*axis]);
    if (!index.ok())
      return index.status();
    int64_t from = 0, rest = place;
    for (int64_t i = 0; i < rankOf(x); ++i) {
      from += (i == *axis ? *index : rest / own[i]) * strides[i];
      rest %= own[i];
    }
    result.values.push_back(x.values[from]);
  }
  return one(std::move(result));
}

/// The place in `x` that each row of `indices` ([..., depth]) names: where its run of elements begins.
absl::StatusOr<Shape> placesOf(const Array &x, const Array &indices) {
  if (indices.shape.empty() || indices.shape.back() < 1 || indices.shape.back() > rankOf(x))
    return absl::InvalidArgumentError(absl::StrCat("has indices of shape ", describeShape(indices.shape),
                                                   " into ", describeShape(x.shape)));
  const int64_t depth = indices.shape.back();
  const Shape strides = stridesOf(x.shape);
  Shape places;
  for (size_t row = 0; row < indices.values.size(); row += depth) {
    int64_t place = 0;
    for (int64_t i = 0; i < depth; ++i) {
      absl::StatusOr<int64_t> index = checkedIndex(indices.integer(row + i), x.shape[i]);
      if (!index.ok())
        return index.status();
      place += *index * strides[i];
    }
    places.push_back(place);
  }
  return places;
}

Results evaluateGatherNd(const Node &node, Operands operands) {
  const Array &x = *operands[0], &indices = *operands[1];
  if (node.integerOr("batch_dims", 0) != 0)
    return absl::UnimplementedError("has batch_dims, which is not supported");
  absl::StatusOr<Shape> places = placesOf(x, indices);
  if (!places.ok())
    return places.status();
  const int64_t depth = indices.shape.back(), run = stridesOf(x.shape)[depth - 1];
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), x.shape.begin() + depth, x.shape.end());
  if (absl::Status status = checkSize(shape); !status.ok())
    return status;
  Array result{x.kind, shape, {}};
  for (int64_t place : *places)
    result.values.insert(result.values.end(), x.values.begin() + place, x.values.begin() + place + run);
  return one(std::move(result));
}

Results evaluateScatterNd(const Node &node, Operands operands) {
  Array result = *operands[0];
  const Array &indices = *operands[1], &updates = *operands[2];
  if (node.textOr("reduction", "none") != "none")
    return absl::UnimplementedError("has a reduction, which is not supported");
  absl::StatusOr<Shape> places = placesOf(result, indices);
  if (!places.ok())
    return places.status();
  const int64_t run = stridesOf(result.shape)[indices.shape.back() - 1];
  if (updates.values.size() != places->size() * run)
    return absl::InvalidArgumentError(absl::StrCat("has updates of shape ", describeShape(updates.shape),
                                                   " for indices of shape ", describeShape(indices.shape)));
  for (size_t i = 0; i < places->size(); ++i)
    std::copy_n(updates.values.begin() + i * run, run, result.values.begin() + (*places)[i]);
  return one(std::move(result));
}

Results evaluateRange(const Node &, Operands operands) {
  for (size_t i = 0; i < 3; ++i)
    if (operands[i]->values.size() != 1)
      return absl::InvalidArgumentError("has operands that are no numbers");
  const double start = operands[0]->values[0], step = operands[2]->values[0];
  if (step == 0)
    return absl::InvalidArgumentError("has a step of zero");
  const double count = std::max(0.0, std::ceil((operands[1]->values[0] - start) / step));
  if (!(count <= kMostElements))
    return absl::UnimplementedError(absl::StrCat("makes ", count, " numbers, which are too many"));
  Array result{operands[0]->kind, {static_cast<int64_t>(count)}, {}};
  for (int64_t i = 0; i < result.shape[0]; ++i)
    result.values.push_back(start + static_cast<double>(i) * step);
  return one(std::move(result));
}

Results evaluateConstantOfShape(const Node &node, Operands operands) {
  Array result{Kind::Real, operands[0]->integers(), {}};
  if (absl::Status status = checkSize(result.shape); !status.ok())
    return status;
  double value = 0;
  if (const wire::AttributeProto *attribute = node.find("value")) {
    absl::StatusOr<Tensor> tensor = readTensor(attribute->t());
    if (!tensor.ok())
      return tensor.status();
    if (tensor->bytes.size() != static_cast<size_t>(bytesOf(tensor->type)))
      return absl::InvalidArgumentError("has a value that is no single number");
    result.kind = kindOf(tensor->type);
    value = tensor->at(0);
  }
  result.values.assign(*elementsOf(result.shape), value);
  return one(std::move(result));
}

/// Keeps the elements on one side of a diagonal of each matrix.
Results evaluateTrilu(const Node &node, Operands operands) {
  Array result = *operands[0];
  if (rankOf(result) < 2)
    return absl::InvalidArgumentError("is of no matrix");
  const int64_t diagonal =
      operands.size() > 1 && operands[1] && !operands[1]->values.empty() ? operands[1]->integer(0) : 0;
  const bool isUpper = node.integerOr("upper", 1) != 0;
  const int64_t columns = result.shape.back(), rows = result.shape[rankOf(result) - 2];
  for (size_t i = 0; i < result.values.size(); ++i) {
    const int64_t column = static_cast<int64_t>(i) % columns, row = static_cast<int64_t>(i) / columns % rows;
    // Saturated numbers of the file may be anything.
    const double behind = static_cast<double>(column - row) - static_cast<double>(diagonal);
    if (isUpper ? behind < 0 : behind > 0)
      result.values[i] = 0;
  }
  return one(std::move(result));
}

constexpr Operator kOperators[] = {
    {"Identity", 1, evaluateIdentity},   {"Dropout", 1, evaluateIdentity},
    {"Reshape", 2, evaluateReshape},     {"Flatten", 1, evaluateReshape},
    {"Unsqueeze", 1, evaluateReshape},   {"Squeeze", 1, evaluateReshape},
    {"Transpose", 1, evaluateTranspose}, {"Expand", 2, evaluateExpand},
    {"Tile", 2, evaluateTile},           {"Concat", 1, evaluateConcat},
    {"Slice", 3, evaluateSlice},         {"Split", 1, evaluateSplit},
    {"Gather", 2, evaluateGather},       {"GatherElements", 2, evaluateGatherElements},
    {"GatherND", 2, evaluateGatherNd},   {"ScatterND", 3, evaluateScatterNd},
    {"Range", 3, evaluateRange},         {"ConstantOfShape", 1, evaluateConstantOfShape},
    {"Trilu", 1, evaluateTrilu},
};

} // namespace

absl::Span<const Operator> movingOperators() { return kOperators; }

} // namespace llmc::onnx
