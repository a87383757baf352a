// Nodes that compute with activations.

#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "frontend/onnx/GraphReader.h"
#include "runtime/io/Message.h"

namespace llmc::onnx {

namespace {

using Op = Expression::Op;

constexpr std::pair<absl::string_view, Op> kUnary[] = {{"Neg", Op::Negate}, {"Reciprocal", Op::Reciprocal},
                                                       {"Sqrt", Op::Sqrt},  {"Exp", Op::Exp},
                                                       {"Log", Op::Log},    {"Erf", Op::Erf},
                                                       {"Tanh", Op::Tanh},  {"Sigmoid", Op::Sigmoid},
                                                       {"Relu", Op::Relu},  {"Abs", Op::Abs},
                                                       {"Sin", Op::Sin},    {"Cos", Op::Cos}};
constexpr std::pair<absl::string_view, Op> kBinary[] = {
    {"Add", Op::Add},   {"Sub", Op::Subtract}, {"Mul", Op::Multiply}, {"Div", Op::Divide},
    {"Pow", Op::Power}, {"Max", Op::Maximum},  {"Min", Op::Minimum}};

template <size_t size>
Op opOf(const std::pair<absl::string_view, Op> (&table)[size], absl::string_view name) {
  return absl::c_find_if(table, [&](const auto &entry) { return entry.first == name; })->second;
}

/// The layout that two operands have in common: the same but for axes of size 1 in front.
std::optional<Layout> commonLayout(const Activation &a, const Activation &b) {
  auto isOneNumber = [](const Activation &x) { return x.rows->width == 1 && !x.rows->isScalar(); };
  if (a.rows->isScalar() || b.rows->isScalar()) {
    const Layout &layout = a.rows->isScalar() ? b.layout : a.layout;
    const Layout &other = a.rows->isScalar() ? a.layout : b.layout;
    return other.rank() > layout.rank() ? std::nullopt : std::optional(layout);
  }
  if (a.layout.trimmed() == b.layout.trimmed())
    return a.layout.rank() >= b.layout.rank() ? a.layout : b.layout;
  // One number for each token goes with all of its row.
  const bool isA = isOneNumber(a);
  const Activation &one = isA ? a : b, &row = isA ? b : a;
  if (isOneNumber(one) && one.layout.rank() == row.layout.rank() &&
      row.layout.endsWithWidth(row.rows->width) &&
      one.layout == row.layout.withAxis(row.layout.rank() - 1, {}))
    return row.layout;
  return std::nullopt;
}

} // namespace

Value GraphReader::activation(const Node &node, Expression expression, Layout layout) {
  expression.place = node.describe();
  expression.name = node.name();
  return Activation{expressions.make(std::move(expression)), std::move(layout)};
}

const Tensor *GraphReader::tensorOf(const Value &value, const std::string &name) {
  if (auto *constant = std::get_if<Constant>(&value))
    return constant->isTransposed ? nullptr : constant->tensor;
  auto *known = std::get_if<Known>(&value);
  if (!known || known->arrays.size() != 1 || known->arrays[0].kind != Array::Kind::Real)
    return nullptr;
  return tensors.add(name, known->arrays[0].shape, known->arrays[0].values);
}

absl::StatusOr<const Expression *> GraphReader::vectorOf(const Node &node, const Value &value,
                                                         int64_t width) {
  const Tensor *tensor = tensorOf(value, node.name() + ".vector");
  if (!tensor || !isFloat(tensor->type) || tensor->shape.empty() || tensor->shape.back() != width ||
      tensor->elements() != width)
    return node.unsupported(
        absl::StrCat("has ", describe(value), ", expected a vector of ", width, " constants"));
  if (tensor->shape.size() > 1) { // [1, 1, width]
    Tensor vector;
    vector.name = tensor->name;
    vector.type = tensor->type;
    vector.file = tensor->file;
    vector.bytes = tensor->bytes;
    vector.shape = {width};
    tensor = tensors.add(std::move(vector));
  }
  return expressions.make(
      {.op = Op::Vector, .width = width, .weight = tensor, .place = node.describe(), .name = node.name()});
}

absl::StatusOr<Activation> GraphReader::operandOf(const Node &node, const Value &value,
                                                  const Activation &other) {
  if (auto *activation = std::get_if<Activation>(&value))
    return *activation;
  std::optional<Known> known = knownOf(&value);
  const std::vector<std::vector<int64_t>> shapes = shapesOf(value, lengths);
  if (shapes.empty())
    return node.unsupported(absl::StrCat("computes with ", describe(value)));
  const std::vector<int64_t> &shape = shapes[0];
  // A vector of equal numbers is a vector too: weights of norms may be.
  const int64_t width = other.rows->width;
  const bool isVector =
      !shape.empty() && shape.back() == width && other.layout.endsWithWidth(width) &&
      absl::c_all_of(shapes, [&](const auto &same) { return same == shape && *elementsOf(same) == width; });
  if (isVector && (width > 1 || other.rows->op == Op::Linear)) {
    absl::StatusOr<const Expression *> vector = vectorOf(node, value, width);
    if (!vector.ok())
      return vector.status();
    std::vector<Layout::Axis> axes(shape.size());
    if (width > 1)
      axes.back() = {Layout::width(width)};
    return Activation{*vector, Layout(std::move(axes))};
  }
  if (known && known->isUniform()) {
    // Repeated over tokens or not, it has to fit where the activation has its axes.
    for (size_t i = 0; i < lengths.size(); ++i)
      if (absl::StatusOr<std::vector<int64_t>> fitting =
              broadcastShapes(shapes[i], other.layout.shapeAt(lengths[i]));
          !fitting.ok() || fitting->size() > other.layout.axes().size() ||
          *fitting != other.layout.shapeAt(lengths[i]))
        return node.unsupported(
            absl::StrCat("repeats ", describe(Value(other)), " to fit ", describe(value)));
    return Activation{expressions.scalar(known->at(0).values[0]), Layout()};
  }
  return node.unsupported(absl::StrCat("computes with ", describe(value), " and ", describe(Value(other)),
                                       " (supported: numbers, and vectors along the width)"));
}

GraphReader::Values GraphReader::combine(const Node &node, Op op, const Value &a, const Value &b) {
  auto *first = std::get_if<Activation>(&a), *second = std::get_if<Activation>(&b);
  if (!first && !second)
    return node.unsupported(absl::StrCat("is not supported on ", describe(a), " and ", describe(b)));
  absl::StatusOr<Activation> left = operandOf(node, a, first ? *first : *second);
  absl::StatusOr<Activation> right = operandOf(node, b, second ? *second : *first);
  if (!left.ok() || !right.ok())
    return left.ok() ? right.status() : left.status();
  // Vectors have no sequence of their own.
  for (auto [vector, row] : {std::pair(&*left, &*right), std::pair(&*right, &*left)})
    if (vector->rows->op == Op::Vector && row->layout.endsWithWidth(vector->rows->width) &&
        vector->layout.rank() <= row->layout.rank())
      vector->layout = row->layout;
  std::optional<Layout> layout = commonLayout(*left, *right);
  using Rows = Expression::Rows;
  const Rows rows[] = {left->rows->rows, right->rows->rows};
  const bool differ = rows[0] != rows[1] && rows[0] != Rows::Constant && rows[1] != Rows::Constant;
  if (!layout || differ)
    return node.unsupported(absl::StrCat("is not supported on ", describe(Value(*left)), " and ",
                                         describe(Value(*right)), ", whose axes differ"));
  Expression expression{.op = op,
                        .operands = {left->rows, right->rows},
                        .width = std::max(left->rows->width, right->rows->width),
                        .rows = rows[0] == Rows::Constant ? rows[1] : rows[0]};
  return std::vector<Value>{activation(node, std::move(expression), *std::move(layout))};
}

GraphReader::Values GraphReader::readUnary(const Node &node, const Inputs &inputs) {
  if (auto *part = std::get_if<RotaryPart>(inputs[0]);
      part && part->what == RotaryPart::What::Second && node.op() == "Neg")
    return std::vector<Value>{RotaryPart{part->x, RotaryPart::What::NegatedSecond}};
  auto *x = std::get_if<Activation>(inputs[0]);
  if (!x)
    return wrong(node, inputs);
  Expression expression{
      .op = opOf(kUnary, node.op()), .operands = {x->rows}, .width = x->rows->width, .rows = x->rows->rows};
  return std::vector<Value>{activation(node, std::move(expression), x->layout)};
}

GraphReader::Values GraphReader::readBinary(const Node &node, const Inputs &inputs) {
  if (inputs.size() != 2 || !inputs[1])
    return node.unsupported(absl::StrCat("has ", inputs.size(), " operands, expected 2"));
  const Op op = opOf(kBinary, node.op());
  for (int i : {0, 1}) {
    auto *scores = std::get_if<Scores>(inputs[i]);
    std::optional<Known> known = scores ? knownOf(inputs[1 - i]) : std::nullopt;
    if (!scores)
      continue;
    const bool isNumber = known && known->isUniform();
    if (!scores->areWeights && isNumber && op == Op::Multiply)
      return scaleScores(node, *scores, known->at(0).values[0]);
    if (!scores->areWeights && isNumber && op == Op::Divide && i == 0)
      return scaleScores(node, *scores, 1 / known->at(0).values[0]);
    if (!scores->areWeights && known && op == Op::Add)
      return addMask(node, *scores, *known);
    return wrong(node, inputs);
  }
  auto *first = std::get_if<RotaryTerm>(inputs[0]), *second = std::get_if<RotaryTerm>(inputs[1]);
  if (first && second && op == Op::Add)
    return rotate(node, *first, *second);
  for (int i : {0, 1})
    if (std::optional<Value> term =
            op == Op::Multiply ? rotaryTermOf(*inputs[i], *inputs[1 - i]) : std::nullopt)
      return std::vector<Value>{*std::move(term)};
  return combine(node, op, *inputs[0], *inputs[1]);
}

/// Tokens are compared to find padding, of which there is none.
GraphReader::Values GraphReader::readEqual(const Node &node, const Inputs &inputs) {
  if (inputs.size() != 2 || !inputs[1])
    return wrong(node, inputs);
  for (int i : {0, 1}) {
    auto *ids = std::get_if<Ids>(inputs[i]);
    std::optional<Known> known = ids ? knownOf(inputs[1 - i]) : std::nullopt;
    if (!known || ids->input != Input::Tokens || !known->isUniform() || known->at(0).values.size() != 1)
      continue;
    Known result;
    for (int64_t length : lengths) {
      Array array{Array::Kind::Boolean, ids->layout.shapeAt(length), {}};
      array.values.assign(length, 0);
      result.arrays.push_back(std::move(array));
    }
    return std::vector<Value>{std::move(result)};
  }
  return wrong(node, inputs);
}

GraphReader::Values GraphReader::readIsNaN(const Node &node, const Inputs &inputs) {
  // Of rows that see no key at all; each sees at least itself.
  auto *scores = std::get_if<Scores>(inputs[0]);
  if (!scores || !scores->areWeights)
    return wrong(node, inputs);
  return std::vector<Value>{Known{{Array{Array::Kind::Boolean, {}, {0}}}}};
}

GraphReader::Values GraphReader::readReduceMean(const Node &node, const Inputs &inputs) {
  auto *x = std::get_if<Activation>(inputs[0]);
  std::optional<std::vector<int64_t>> axes = node.integers("axes");
  if (inputs.size() > 1 && inputs[1])
    if (std::optional<Known> known = knownOf(inputs[1]))
      axes = known->at(0).integers();
  if (!x || !axes || axes->size() != 1)
    return wrong(node, inputs);
  absl::StatusOr<int64_t> axis = checkedAxis(axes->front(), x->layout.rank());
  if (!axis.ok())
    return axis.status();
  if (*axis != x->layout.rank() - 1 || !x->layout.endsWithWidth(x->rows->width) ||
      node.integerOr("keepdims", 1) == 0)
    return node.unsupported(absl::StrCat("takes the mean over axis ", *axis, " of ", describe(*inputs[0]),
                                         " (supported: over the width, which stays as 1)"));
  Expression mean{.op = Op::Mean, .operands = {x->rows}, .rows = x->rows->rows};
  return std::vector<Value>{activation(node, std::move(mean), x->layout.withAxis(*axis, {}))};
}

GraphReader::Values GraphReader::normOf(const Node &node, const Activation &x, Op op,
                                        std::initializer_list<const Value *> vectors, double epsilon) {
  const int64_t width = x.rows->width;
  if (!x.layout.endsWithWidth(width))
    return node.unsupported(
        absl::StrCat("is not supported on ", describe(Value(x)), " (supported: over the width)"));
  Expression norm{.op = op,
                  .operands = {x.rows},
                  .width = width,
                  .rows = x.rows->rows,
                  .number = node.numberOr("epsilon", epsilon)};
  if (!(norm.number >= 0 && norm.number <= 1))
    return node.invalid(absl::StrCat("has epsilon ", norm.number, ", expected a number from 0 to 1"));
  for (const Value *value : vectors) {
    if (!value)
      continue;
    absl::StatusOr<const Expression *> vector = vectorOf(node, *value, width);
    if (!vector.ok())
      return vector.status();
    norm.operands.push_back(*vector);
  }
  return std::vector<Value>{activation(node, std::move(norm), x.layout)};
}

GraphReader::Values GraphReader::readNorm(const Node &node, const Inputs &inputs) {
  auto *x = std::get_if<Activation>(inputs[0]);
  if (!x || inputs.size() < 2 || !inputs[1])
    return wrong(node, inputs);
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", -1), x->layout.rank());
  if (!axis.ok())
    return axis.status();
  if (*axis != x->layout.rank() - 1)
    return node.unsupported(
        absl::StrCat("is over axis ", *axis, " of ", describe(*inputs[0]), " (supported: over the width)"));
  const bool isLayerNorm = node.op() == "LayerNormalization";
  return normOf(node, *x, isLayerNorm ? Op::LayerNorm : Op::RmsNorm,
                {inputs[1], isLayerNorm && inputs.size() > 2 ? inputs[2] : nullptr}, 1e-5);
}

GraphReader::Values GraphReader::readGelu(const Node &node, const Inputs &inputs) {
  Value operand = *inputs[0];
  if (inputs.size() > 1 && inputs[1]) { // BiasGelu, FastGelu
    Values biased = combine(node, Op::Add, operand, *inputs[1]);
    if (!biased.ok())
      return biased;
    operand = biased->front();
  }
  auto *x = std::get_if<Activation>(&operand);
  if (!x)
    return wrong(node, inputs);
  const std::string op = node.op(), form = node.textOr("approximate", "none");
  if (form != "none" && form != "tanh")
    return node.unsupported(absl::StrCat("has approximate ", io::quote(form)));
  if (op == "com.microsoft.QuickGelu" && std::fabs(node.numberOr("alpha", 1.702) - 1.702) > 1e-5)
    return node.unsupported("has another alpha than 1.702");
  const bool isTanh = op == "com.microsoft.FastGelu" || form == "tanh";
  Expression gelu{.op = op == "com.microsoft.QuickGelu" ? Op::GeluSigmoid
                        : isTanh                        ? Op::GeluTanh
                                                        : Op::Gelu,
                  .operands = {x->rows},
                  .width = x->rows->width,
                  .rows = x->rows->rows};
  return std::vector<Value>{activation(node, std::move(gelu), x->layout)};
}

GraphReader::Values GraphReader::product(const Node &node, const Activation &x, const Value &weight,
                                         bool isTransposed) {
  auto *constant = std::get_if<Constant>(&weight);
  const Tensor *tensor = constant ? constant->tensor : tensorOf(weight, node.name() + ".weight");
  if (constant && constant->isTransposed)
    isTransposed = !isTransposed;
  if (!tensor || tensor->shape.size() != 2 || tensor->elements() == 0)
    return node.unsupported(absl::StrCat("multiplies ", describe(Value(x)), " by ", describe(weight),
                                         ", expected a matrix of constants"));
  // As a product of rows: [out, in], or [in, out] where it is transposed.
  const int64_t in = tensor->shape[isTransposed ? 0 : 1], out = tensor->shape[isTransposed ? 1 : 0];
  if (!x.layout.endsWithWidth(x.rows->width) || x.rows->width != in)
    return node.unsupported(
        absl::StrCat("multiplies ", describe(Value(x)), " by ", describe(weight), ", expected rows of ", in));
  Expression linear{.op = Op::Linear,
                    .operands = {x.rows},
                    .width = out,
                    .rows = x.rows->rows,
                    .weight = tensor,
                    .isTransposed = isTransposed};
  return std::vector<Value>{activation(
      node, std::move(linear),
      x.layout.withAxis(x.layout.rank() - 1, out == 1 ? Layout::Axis() : Layout::Axis{Layout::width(out)}))};
}

GraphReader::Values GraphReader::readMatMul(const Node &node, const Inputs &inputs) {
  if (inputs.size() != 2 || !inputs[1])
    return wrong(node, inputs);
  auto *second = std::get_if<Activation>(inputs[1]);
  if (auto *weights = std::get_if<Scores>(inputs[0]); weights && second)
    return readMixed(node, *weights, *second);
  auto *first = std::get_if<Activation>(inputs[0]);
  if (!first)
    return wrong(node, inputs);
  return second ? readScores(node, *first, *second)
                : product(node, *first, *inputs[1], /*isTransposed=*/true);
}

GraphReader::Values GraphReader::readGemm(const Node &node, const Inputs &inputs) {
  auto *x = std::get_if<Activation>(inputs[0]);
  if (!x || inputs.size() < 2 || !inputs[1] || node.integerOr("transA", 0) != 0 ||
      node.numberOr("alpha", 1) != 1 || node.numberOr("beta", 1) != 1)
    return wrong(node, inputs);
  Values result = product(node, *x, *inputs[1], node.integerOr("transB", 0) == 0);
  if (!result.ok() || inputs.size() < 3 || !inputs[2])
    return result;
  return combine(node, Op::Add, result->front(), *inputs[2]);
}

} // namespace llmc::onnx
