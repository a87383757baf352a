// Nodes that move the elements of ids, activations and scores: what changes is the layout.

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "frontend/onnx/GraphReader.h"
#include "runtime/io/Message.h"

namespace llmc::onnx {

namespace {

const Layout *layoutOf(const Value &value) {
  if (auto *ids = std::get_if<Ids>(&value))
    return &ids->layout;
  if (auto *activation = std::get_if<Activation>(&value))
    return &activation->layout;
  if (auto *scores = std::get_if<Scores>(&value))
    return &scores->layout;
  return nullptr;
}

} // namespace

GraphReader::Values GraphReader::relaid(const Value &value, Layout layout) {
  Value result = value;
  if (auto *ids = std::get_if<Ids>(&result))
    ids->layout = std::move(layout);
  if (auto *activation = std::get_if<Activation>(&result))
    activation->layout = std::move(layout);
  if (auto *scores = std::get_if<Scores>(&result))
    scores->layout = std::move(layout);
  return std::vector<Value>{std::move(result)};
}

GraphReader::Values GraphReader::readSame(const Node &node, const Inputs &inputs) {
  if (!layoutOf(*inputs[0]))
    return wrong(node, inputs);
  if (node.op() == "Cast") {
    absl::StatusOr<ElementType> to = elementTypeOf(static_cast<int>(node.integerOr("to", 0)));
    const Array::Kind kind =
        std::holds_alternative<Ids>(*inputs[0]) ? Array::Kind::Integer : Array::Kind::Real;
    if (!to.ok())
      return to.status();
    if (kindOf(*to) != kind)
      return node.unsupported(absl::StrCat("makes ", nameOf(*to), " of ", describe(*inputs[0])));
  }
  return std::vector<Value>{*inputs[0]};
}

GraphReader::Values GraphReader::readReshape(const Node &node, const Inputs &inputs) {
  const Layout *layout = layoutOf(*inputs[0]);
  std::optional<Known> target = inputs.size() > 1 && inputs[1] ? knownOf(inputs[1]) : std::nullopt;
  if (!layout || (inputs.size() > 1 && inputs[1] && !target))
    return wrong(node, inputs);
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Array *operands[] = {nullptr, target ? &target->at(i) : nullptr};
    absl::StatusOr<std::vector<int64_t>> shape = changedShape(node, layout->shapeAt(lengths[i]), operands);
    if (!shape.ok())
      return shape.status();
    shapes.push_back(*std::move(shape));
  }
  std::optional<Layout> changed = layout->reshape(shapes, lengths);
  if (!changed)
    return node.unsupported(absl::StrCat("makes ", describeShape(shapes[0]), " of ", describe(*inputs[0]),
                                         " (where there are ", lengths[0],
                                         " tokens), expected axes that are joined or cut"));
  return relaid(*inputs[0], *std::move(changed));
}

GraphReader::Values GraphReader::readTranspose(const Node &node, const Inputs &inputs) {
  const Layout *layout = layoutOf(*inputs[0]);
  if (!layout)
    return wrong(node, inputs);
  absl::StatusOr<std::vector<int64_t>> order = permutationOf(node, layout->rank());
  if (!order.ok())
    return order.status();
  Layout changed = layout->transpose(*order);
  // Rows and columns of scores are told apart by their order only.
  if (std::holds_alternative<Scores>(*inputs[0]) && changed.squeezed() != layout->squeezed())
    return wrong(node, inputs);
  if (std::holds_alternative<Scores>(*inputs[0]) && (*order)[order->size() - 1] != layout->rank() - 1)
    return wrong(node, inputs);
  return relaid(*inputs[0], std::move(changed));
}

GraphReader::Values GraphReader::readExpand(const Node &node, const Inputs &inputs) {
  const Layout *layout = layoutOf(*inputs[0]);
  std::optional<Known> target = inputs.size() > 1 && inputs[1] ? knownOf(inputs[1]) : std::nullopt;
  if (!layout || !target)
    return wrong(node, inputs);
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < lengths.size(); ++i) {
    absl::StatusOr<std::vector<int64_t>> shape =
        broadcastShapes(layout->shapeAt(lengths[i]), target->at(i).integers());
    if (!shape.ok())
      return shape.status();
    if (absl::StatusOr<int64_t> elements = elementsOf(*shape); !elements.ok())
      return elements.status();
    shapes.push_back(*std::move(shape));
  }
  std::optional<Layout> changed = layout->expand(shapes, lengths);
  if (!changed || (*changed != *layout && !std::holds_alternative<Activation>(*inputs[0])))
    return node.unsupported(absl::StrCat("makes ", describeShape(shapes[0]), " of ", describe(*inputs[0]),
                                         " (where there are ", lengths[0], " tokens)"));
  return relaid(*inputs[0], *std::move(changed));
}

GraphReader::Values GraphReader::takePart(const Node &node, const Activation &x, int64_t axis, int64_t start,
                                          int64_t count, bool keepsAxis) {
  const Layout &layout = x.layout;
  if (layout.isSequence(axis)) {
    // The first token, which stands for the text.
    if (start != 0 || count != 1 || !layout.endsWithWidth(x.rows->width))
      return node.unsupported(absl::StrCat("takes ", count, " tokens from ", start, " on of ",
                                           describe(Value(x)), " (supported: the first token)"));
    Expression first{.op = Expression::Op::FirstRow,
                     .operands = {x.rows},
                     .width = x.rows->width,
                     .rows = Expression::Rows::First};
    return std::vector<Value>{
        activation(node, std::move(first), keepsAxis ? layout.withAxis(axis, {}) : layout.without(axis))};
  }
  // A part of the width, of which no axis before this one has some.
  const Part *part = layout.widthPart(axis);
  if (std::optional<Value> half = keepsAxis ? halfOf(x, axis, start, count) : std::nullopt)
    return std::vector<Value>{*std::move(half)};
  const bool isWhole = part && part->stride > 0 && part->size * part->stride == x.rows->width;
  Layout rest = keepsAxis ? layout : layout.without(axis);
  if (part && keepsAxis)
    rest =
        rest.withAxis(axis, count == 1 ? Layout::Axis() : Layout::Axis{Layout::width(count, part->stride)});
  if (!isWhole)
    return node.unsupported(absl::StrCat("takes ", count, " elements from ", start, " on of axis ", axis,
                                         " of ", describe(Value(x)),
                                         " (supported: parts of the whole width)"));
  Expression slice{.op = Expression::Op::Slice,
                   .operands = {x.rows},
                   .width = count * part->stride,
                   .rows = x.rows->rows,
                   .first = start * part->stride};
  return std::vector<Value>{activation(node, std::move(slice), std::move(rest))};
}

GraphReader::Values GraphReader::readSlice(const Node &node, const Inputs &inputs) {
  const Layout *layout = layoutOf(*inputs[0]);
  if (!layout)
    return wrong(node, inputs);
  std::vector<Known> operands;
  for (size_t i = 1; i < inputs.size(); ++i) {
    std::optional<Known> known = inputs[i] ? knownOf(inputs[i]) : Known{};
    if (!known)
      return wrong(node, inputs);
    operands.push_back(*std::move(known));
  }
  // The one axis of which a part is taken, the same at all lengths.
  std::optional<SliceRange> taken;
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<const Array *> arrays = {nullptr};
    for (const Known &operand : operands)
      arrays.push_back(operand.arrays.empty() ? nullptr : &operand.at(i));
    const std::vector<int64_t> shape = layout->shapeAt(lengths[i]);
    absl::StatusOr<std::vector<SliceRange>> ranges = sliceRanges(node, shape, arrays);
    if (!ranges.ok())
      return ranges.status();
    std::optional<SliceRange> part;
    int parts = 0;
    for (const SliceRange &range : *ranges)
      if (range.count != shape[range.axis]) {
        part = range;
        parts += 1;
      } else if (range.step != 1) {
        return wrong(node, inputs);
      }
    const bool isSame = i == 0 || (part.has_value() == taken.has_value() &&
                                   (!part || (part->axis == taken->axis && part->start == taken->start &&
                                              part->count == taken->count)));
    if (parts > 1 || !isSame || (part && (part->step != 1 || part->count < 1)))
      return wrong(node, inputs);
    taken = part;
  }
  if (!taken)
    return std::vector<Value>{*inputs[0]};
  auto *x = std::get_if<Activation>(inputs[0]);
  return x ? takePart(node, *x, taken->axis, taken->start, taken->count, /*keepsAxis=*/true)
           : wrong(node, inputs);
}

GraphReader::Values GraphReader::readSplit(const Node &node, const Inputs &inputs) {
  auto *x = std::get_if<Activation>(inputs[0]);
  std::optional<Known> split = inputs.size() > 1 && inputs[1] ? knownOf(inputs[1]) : std::nullopt;
  if (!x || (inputs.size() > 1 && inputs[1] && !split))
    return wrong(node, inputs);
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), x->layout.rank());
  if (!axis.ok())
    return axis.status();
  if (!x->layout.widthPart(*axis))
    return wrong(node, inputs);
  absl::StatusOr<std::vector<int64_t>> sizes =
      splitSizes(node, x->layout.widthPart(*axis)->size, split ? &split->at(0) : nullptr);
  if (!sizes.ok())
    return sizes.status();
  std::vector<Value> results;
  int64_t start = 0;
  for (int64_t size : *sizes) {
    Values part = size > 0 ? takePart(node, *x, *axis, start, size, /*keepsAxis=*/true)
                           : Values(node.unsupported("makes an empty part"));
    if (!part.ok())
      return part;
    results.push_back(std::move(part->front()));
    start += size;
  }
  return results;
}

GraphReader::Values GraphReader::readGather(const Node &node, const Inputs &inputs) {
  auto *x = std::get_if<Activation>(inputs[0]);
  std::optional<Known> index = inputs.size() > 1 && inputs[1] ? knownOf(inputs[1]) : std::nullopt;
  if (!x || !index)
    return wrong(node, inputs);
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), x->layout.rank());
  if (!axis.ok())
    return axis.status();
  const Array &array = index->at(0);
  if (!index->isUniform() || array.values.size() != 1 || array.shape.size() > 1)
    return node.unsupported(absl::StrCat("takes several elements of ", describe(*inputs[0]), " by index"));
  const int64_t size = x->layout.shapeAt(lengths[0])[*axis];
  int64_t place = array.integer(0);
  if (place < 0 && !x->layout.isSequence(*axis))
    place += size;
  if (place < 0 || (place >= size && !x->layout.isSequence(*axis)))
    return node.unsupported(
        absl::StrCat("takes element ", array.integer(0), " of axis ", *axis, " of ", describe(*inputs[0])));
  const bool keepsAxis = array.shape.size() == 1;
  if (x->layout.axes()[*axis].empty()) // The only sequence of the batch.
    return relaid(*inputs[0], keepsAxis ? x->layout : x->layout.without(*axis));
  return takePart(node, *x, *axis, place, 1, keepsAxis);
}

GraphReader::Values GraphReader::readEmbedding(const Node &node, const Constant &table,
                                               const Value &indices) {
  const Tensor &rows = *table.tensor;
  const int64_t width = rows.shape[1];
  auto withWidth = [&](const Layout &layout) {
    std::vector<Layout::Axis> axes = layout.axes();
    axes.push_back(width == 1 ? Layout::Axis() : Layout::Axis{Layout::width(width)});
    return Layout(std::move(axes));
  };
  auto lookUp = [&](Input input, const Tensor *weight, const Layout &layout) {
    Expression embedding{.op = Expression::Op::Embedding,
                         .width = width,
                         .rows = Expression::Rows::All,
                         .weight = weight,
                         .input = input};
    return std::vector<Value>{activation(node, std::move(embedding), withWidth(layout))};
  };
  if (auto *ids = std::get_if<Ids>(&indices)) {
    int64_t &count = ids->input == Input::Tokens ? vocabulary : types;
    count = std::max(count, rows.shape[0]);
    return lookUp(ids->input, &rows, ids->layout);
  }
  // Positions count from some row on; one row for all tokens is that of the only kind of tokens.
  const Known &known = std::get<Known>(indices);
  const double first = known.at(0).values.empty() ? -1 : known.at(0).values[0];
  bool areSame = true, areCounted = true;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Array &array = known.at(i);
    const bool fits = static_cast<int64_t>(array.values.size()) == lengths[i] &&
                      absl::c_count_if(array.shape, [](int64_t size) { return size != 1; }) <= 1;
    for (size_t j = 0; j < array.values.size(); ++j) {
      areSame &= array.values[j] == first;
      areCounted &= array.values[j] == first + static_cast<double>(j);
    }
    if (!fits || first < 0 || first >= static_cast<double>(rows.shape[0]))
      return node.unsupported(absl::StrCat("looks up rows of ", describe(Value(table)), " by ",
                                           describe(indices), ", expected one row of it for each token"));
  }
  Layout layout;
  {
    std::vector<Layout::Axis> axes(known.at(0).shape.size());
    for (size_t i = 0; i < axes.size(); ++i)
      if (known.at(0).shape[i] == lengths[0] && known.at(1).shape[i] == lengths[1])
        axes[i] = {Layout::sequence()};
    layout = Layout(std::move(axes));
  }
  const int64_t row = static_cast<int64_t>(first);
  if (areSame) {
    Expression vector{.op = Expression::Op::Vector, .width = width, .weight = tensors.rowsOf(rows, row, 1)};
    return std::vector<Value>{activation(node, std::move(vector), withWidth(layout))};
  }
  const int64_t last = known.at(lengths.size() - 1).values.size();
  if (!areCounted || row + last > rows.shape[0])
    return node.unsupported(absl::StrCat("looks up rows of ", describe(Value(table)),
                                         " that do not follow each other, or that it does not have"));
  const int64_t count = rows.shape[0] - row;
  context = std::min(context.value_or(count), count);
  return lookUp(Input::Positions, row == 0 ? &rows : tensors.rowsOf(rows, row, count), layout);
}

} // namespace llmc::onnx
