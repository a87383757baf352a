#include "frontend/onnx/Layout.h"

#include <algorithm>

#include "absl/algorithm/container.h"

namespace llmc::onnx {

namespace {

/// Joins neighbours that go on where the other ends.
Layout::Axis joined(const Layout::Axis &parts) {
  Layout::Axis result;
  for (const Part &part : parts) {
    if (!part.isSequence && part.size == 1)
      continue;
    if (!result.empty() && !result.back().isSequence && !part.isSequence &&
        result.back().stride == part.stride * part.size)
      result.back() = Layout::width(result.back().size * part.size, part.stride);
    else
      result.push_back(part);
  }
  return result;
}

/// The sizes of one axis at several lengths of the sequence.
using Sizes = std::vector<int64_t>;

bool areOne(const Sizes &sizes) {
  return absl::c_all_of(sizes, [](int64_t size) { return size == 1; });
}

/// Divides each of `sizes` by the size of `part`, if it is a multiple of it.
bool divide(Sizes &sizes, const Part &part, absl::Span<const int64_t> lengths) {
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] % (part.isSequence ? lengths[i] : part.size) != 0)
      return false;
  for (size_t i = 0; i < sizes.size(); ++i)
    sizes[i] /= part.isSequence ? lengths[i] : part.size;
  return true;
}

} // namespace

std::vector<int64_t> Layout::shapeAt(int64_t length) const {
  std::vector<int64_t> shape;
  for (const Axis &axis : axisList) {
    int64_t size = 1;
    for (const Part &part : axis)
      size *= part.isSequence ? length : part.size;
    shape.push_back(size);
  }
  return shape;
}

bool Layout::isSequence(int64_t axis) const {
  return axisList[axis].size() == 1 && axisList[axis][0].isSequence;
}

const Part *Layout::widthPart(int64_t axis) const {
  return axisList[axis].size() == 1 && !axisList[axis][0].isSequence ? &axisList[axis][0] : nullptr;
}

bool Layout::isRowByRow() const {
  for (int64_t i = 0; i + 1 < rank(); ++i)
    if (!axisList[i].empty() && !isSequence(i))
      return false;
  return true;
}

bool Layout::endsWithWidth(int64_t size) const {
  if (axisList.empty() || !isRowByRow())
    return false;
  return axisList.back() == (size == 1 ? Axis() : Axis{width(size)});
}

std::optional<Layout> Layout::reshape(absl::Span<const std::vector<int64_t>> shapes,
                                      absl::Span<const int64_t> lengths) const {
  // All parts in order, each of which goes into the axis that still needs a factor.
  Axis rest;
  for (const Axis &axis : axisList)
    rest.insert(rest.end(), axis.begin(), axis.end());
  std::reverse(rest.begin(), rest.end());
  std::vector<Axis> result;
  for (size_t i = 0; i < shapes[0].size(); ++i) {
    Sizes needed;
    for (const std::vector<int64_t> &shape : shapes) {
      if (shape.size() != shapes[0].size() || shape[i] < 1)
        return std::nullopt;
      needed.push_back(shape[i]);
    }
    Axis axis;
    while (!areOne(needed)) {
      if (rest.empty())
        return std::nullopt;
      Part part = rest.back();
      rest.pop_back();
      if (!divide(needed, part, lengths)) {
        // An outer part of it, of a size that does not depend on the length.
        const int64_t outer = needed[0];
        if (part.isSequence || part.size % outer != 0 ||
            absl::c_any_of(needed, [&](int64_t size) { return size != outer; }))
          return std::nullopt;
        const int64_t inner = part.size / outer;
        rest.push_back(width(inner, part.stride));
        part = width(outer, part.stride * inner);
        needed.assign(needed.size(), 1);
      }
      axis.push_back(part);
    }
    result.push_back(joined(axis));
  }
  return rest.empty() ? std::optional(Layout(std::move(result))) : std::nullopt;
}

Layout Layout::transpose(absl::Span<const int64_t> order) const {
  std::vector<Axis> result;
  for (int64_t axis : order)
    result.push_back(axisList[axis]);
  return Layout(std::move(result));
}

std::optional<Layout> Layout::expand(absl::Span<const std::vector<int64_t>> shapes,
                                     absl::Span<const int64_t> lengths) const {
  std::vector<Axis> result = axisList;
  if (shapes[0].size() < result.size())
    return std::nullopt;
  result.insert(result.begin(), shapes[0].size() - result.size(), Axis());
  for (size_t i = 0; i < result.size(); ++i) {
    if (!result[i].empty())
      continue;
    const int64_t size = shapes[0][i];
    // Rows that are repeated would be more than the tokens.
    for (const std::vector<int64_t> &shape : shapes)
      if (shape.size() != result.size() || shape[i] != size || size < 1)
        return std::nullopt;
    if (size > 1)
      result[i] = {width(size, 0)};
  }
  Layout expanded(std::move(result));
  for (size_t i = 0; i < lengths.size(); ++i)
    if (expanded.shapeAt(lengths[i]) != shapes[i])
      return std::nullopt;
  return expanded;
}

Layout Layout::withAxis(int64_t axis, Axis parts) const {
  Layout result = *this;
  result.axisList[axis] = std::move(parts);
  return result;
}

Layout Layout::without(int64_t axis) const {
  Layout result = *this;
  result.axisList.erase(result.axisList.begin() + axis);
  return result;
}

Layout Layout::trimmed() const {
  auto first = absl::c_find_if(axisList, [](const Axis &axis) { return !axis.empty(); });
  return Layout(std::vector<Axis>(first, axisList.end()));
}

Layout Layout::squeezed() const {
  Layout result;
  absl::c_copy_if(axisList, std::back_inserter(result.axisList),
                  [](const Axis &axis) { return !axis.empty(); });
  return result;
}

} // namespace llmc::onnx
