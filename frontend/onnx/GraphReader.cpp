#include "frontend/onnx/GraphReader.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "runtime/io/Message.h"

namespace llmc::onnx {

namespace {

/// Weights of more elements are not looked into where arrays are computed with.
constexpr int64_t kMostConstant = int64_t(1) << 22;

} // namespace

bool Known::isUniform() const {
  return absl::c_all_of(arrays, [&](const Array &array) {
    return array.isUniform() && !arrays[0].values.empty() && array.values[0] == arrays[0].values[0];
  });
}

std::vector<int64_t> Constant::shape() const {
  std::vector<int64_t> shape = tensor->shape;
  if (isTransposed)
    std::swap(shape[0], shape[1]);
  return shape;
}

std::vector<std::vector<int64_t>> shapesOf(const Value &value, const std::vector<int64_t> &lengths) {
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (auto *known = std::get_if<Known>(&value))
      shapes.push_back(known->at(i).shape);
    else if (auto *constant = std::get_if<Constant>(&value))
      shapes.push_back(constant->shape());
    else if (auto *ids = std::get_if<Ids>(&value))
      shapes.push_back(ids->layout.shapeAt(lengths[i]));
    else if (auto *activation = std::get_if<Activation>(&value))
      shapes.push_back(activation->layout.shapeAt(lengths[i]));
    else if (auto *scores = std::get_if<Scores>(&value))
      shapes.push_back(scores->layout.shapeAt(lengths[i]));
    else if (auto *term = std::get_if<RotaryTerm>(&value))
      shapes.push_back(term->x.layout.shapeAt(lengths[i]));
    else if (auto *part = std::get_if<RotaryPart>(&value)) {
      shapes.push_back(part->x.layout.shapeAt(lengths[i]));
      if (part->what != RotaryPart::What::Turned)
        shapes.back().back() /= 2;
    }
  }
  return shapes;
}

std::string describe(const Value &value) {
  auto withLayout = [](absl::string_view what, const Layout &layout) {
    std::vector<std::string> sizes;
    for (const Layout::Axis &axis : layout.axes())
      sizes.push_back(
          axis.empty() ? "1" : absl::StrJoin(axis, " * ", [](std::string *text, const Part &part) {
            absl::StrAppend(text, part.isSequence ? "tokens" : absl::StrCat(part.size));
          }));
    return absl::StrCat(what, " [", absl::StrJoin(sizes, ", "), "]");
  };
  if (auto *known = std::get_if<Known>(&value))
    return absl::StrCat("an array ", describeShape(known->at(0).shape));
  if (auto *constant = std::get_if<Constant>(&value))
    return absl::StrCat("tensor ", io::quote(constant->tensor->name), " ", describeShape(constant->shape()));
  if (auto *ids = std::get_if<Ids>(&value))
    return withLayout("ids", ids->layout);
  if (auto *activation = std::get_if<Activation>(&value))
    return withLayout("an activation", activation->layout);
  if (auto *scores = std::get_if<Scores>(&value))
    return withLayout(scores->areWeights ? "weights of attention" : "scores of attention", scores->layout);
  if (std::holds_alternative<RotaryPart>(value) || std::holds_alternative<RotaryTerm>(value))
    return "a part of a rotary embedding";
  return "what is not supported";
}

GraphReader::GraphReader(const Model &model, Expressions &expressions, TensorPool &tensors,
                         std::vector<int64_t> lengths)
    : model(model), expressions(expressions), tensors(tensors), lengths(std::move(lengths)) {}

const Value *GraphReader::find(const std::string &name) const {
  auto found = values.find(name);
  return found == values.end() ? nullptr : &found->second;
}

absl::Status GraphReader::read() {
  for (const Tensor &tensor : model.initializers())
    values.try_emplace(tensor.name, Constant{&tensor});
  if (absl::Status status = readInputs(); !status.ok())
    return status;
  return readNodes(model.graph());
}

absl::Status GraphReader::readNodes(const wire::GraphProto &graph) {
  for (const wire::NodeProto &proto : graph.node()) {
    const Node node(proto, model.operatorVersion());
    Inputs inputs;
    std::optional<absl::Status> error;
    for (int i = 0; i < node.inputs(); ++i) {
      const std::string &name = node.input(i);
      const Value *value = name.empty() ? nullptr : find(name);
      if (!name.empty() && !value)
        return node.invalid(absl::StrCat("has input ", io::quote(name),
                                         ", which no node before it computes and which is no initializer"));
      if (auto *status = value ? std::get_if<absl::Status>(value) : nullptr; status && !error)
        error = *status;
      inputs.push_back(value);
    }
    Values results = error ? Values(*error) : readNode(node, inputs);
    if (results.ok() && results->size() < static_cast<size_t>(node.outputs()))
      results = node.unsupported(absl::StrCat("has ", node.outputs(), " outputs, of which the first ",
                                              results->size(), " are supported"));
    for (int i = 0; i < node.outputs(); ++i) {
      const std::string &name = node.output(i);
      if (name.empty())
        continue;
      Value value = results.ok() ? std::move((*results)[i]) : Value(results.status());
      if (!values.try_emplace(name, std::move(value)).second)
        return node.invalid(absl::StrCat("has output ", io::quote(name), ", which is computed before"));
    }
  }
  return absl::OkStatus();
}

GraphReader::Reader GraphReader::readerOf(const std::string &op) {
  static const auto *const readers = new absl::flat_hash_map<std::string, Reader>{
      {"Identity", &GraphReader::readSame},
      {"Dropout", &GraphReader::readSame},
      {"Cast", &GraphReader::readSame},
      {"CastLike", &GraphReader::readSame},
      {"Reshape", &GraphReader::readReshape},
      {"Flatten", &GraphReader::readReshape},
      {"Unsqueeze", &GraphReader::readReshape},
      {"Squeeze", &GraphReader::readReshape},
      {"Transpose", &GraphReader::readTranspose},
      {"Expand", &GraphReader::readExpand},
      {"Slice", &GraphReader::readSlice},
      {"Split", &GraphReader::readSplit},
      {"Gather", &GraphReader::readGather},
      {"Concat", &GraphReader::readConcat},
      {"Add", &GraphReader::readBinary},
      {"Sub", &GraphReader::readBinary},
      {"Mul", &GraphReader::readBinary},
      {"Div", &GraphReader::readBinary},
      {"Pow", &GraphReader::readBinary},
      {"Max", &GraphReader::readBinary},
      {"Min", &GraphReader::readBinary},
      {"Equal", &GraphReader::readEqual},
      {"IsNaN", &GraphReader::readIsNaN},
      {"ReduceMean", &GraphReader::readReduceMean},
      {"LayerNormalization", &GraphReader::readNorm},
      {"RMSNormalization", &GraphReader::readNorm},
      {"SimplifiedLayerNormalization", &GraphReader::readNorm},
      {"com.microsoft.SkipLayerNormalization", &GraphReader::readSkipNorm},
      {"com.microsoft.SkipSimplifiedLayerNormalization", &GraphReader::readSkipNorm},
      {"com.microsoft.EmbedLayerNormalization", &GraphReader::readEmbedNorm},
      {"com.microsoft.Attention", &GraphReader::readAttention},
      {"Gelu", &GraphReader::readGelu},
      {"com.microsoft.Gelu", &GraphReader::readGelu},
      {"com.microsoft.BiasGelu", &GraphReader::readGelu},
      {"com.microsoft.FastGelu", &GraphReader::readGelu},
      {"com.microsoft.QuickGelu", &GraphReader::readGelu},
      {"MatMul", &GraphReader::readMatMul},
      {"Gemm", &GraphReader::readGemm},
      {"Softmax", &GraphReader::readSoftmax},
      {"Where", &GraphReader::readWhere},
      {"Neg", &GraphReader::readUnary},
      {"Reciprocal", &GraphReader::readUnary},
      {"Sqrt", &GraphReader::readUnary},
      {"Exp", &GraphReader::readUnary},
      {"Log", &GraphReader::readUnary},
      {"Erf", &GraphReader::readUnary},
      {"Tanh", &GraphReader::readUnary},
      {"Sigmoid", &GraphReader::readUnary},
      {"Relu", &GraphReader::readUnary},
      {"Abs", &GraphReader::readUnary},
      {"Sin", &GraphReader::readUnary},
      {"Cos", &GraphReader::readUnary},
  };
  auto found = readers->find(op);
  return found == readers->end() ? nullptr : found->second;
}

GraphReader::Values GraphReader::readNode(const Node &node, const Inputs &inputs) {
  const std::string op = node.op();
  if (op == "Constant")
    return readConstant(node);
  if (op == "If")
    return readIf(node, inputs);
  if (op == "Shape" || op == "Size")
    return readShape(node, inputs);
  if (std::optional<Values> tensor = readTensorNode(node, inputs))
    return *std::move(tensor);
  std::vector<Known> operands;
  for (const Value *input : inputs) {
    std::optional<Known> known = input ? knownOf(input) : Known{};
    if (!known)
      break;
    operands.push_back(*std::move(known));
  }
  if (operands.size() == inputs.size() && canEvaluate(node))
    return evaluateKnown(node, operands);
  const Reader reader = readerOf(op);
  if (!reader)
    return node.unsupported("the operator is not supported");
  if (inputs.empty() || !inputs[0])
    return node.invalid("has no inputs");
  Values results = (this->*reader)(node, inputs);
  // What is told of operators alone does not begin with the node yet.
  if (results.ok() || absl::StartsWith(results.status().message(), "node "))
    return results;
  return io::withContext(node.describe(), results.status());
}

GraphReader::Values GraphReader::readConstant(const Node &node) {
  auto numbers = [&](Array::Kind kind, bool isScalar, std::vector<double> elements) {
    std::vector<int64_t> shape;
    if (!isScalar)
      shape.push_back(static_cast<int64_t>(elements.size()));
    return std::vector<Value>{Known{{Array{kind, std::move(shape), std::move(elements)}}}};
  };
  if (const wire::AttributeProto *value = node.find("value")) {
    absl::StatusOr<Tensor> tensor = readTensor(value->t());
    if (!tensor.ok())
      return io::withContext(node.describe(), tensor.status());
    if (tensor->bytes.empty() && tensor->elements() > 0)
      return node.unsupported("has external data, which is supported of initializers only");
    tensor->name = node.outputs() > 0 ? node.output(0) : node.name();
    tensor->file = model.path();
    return std::vector<Value>{Constant{tensors.add(*std::move(tensor))}};
  }
  if (const wire::AttributeProto *value = node.find("value_int"))
    return numbers(Array::Kind::Integer, true, {static_cast<double>(value->i())});
  if (const wire::AttributeProto *value = node.find("value_float"))
    return numbers(Array::Kind::Real, true, {value->f()});
  if (const wire::AttributeProto *value = node.find("value_ints"))
    return numbers(Array::Kind::Integer, false, {value->ints().begin(), value->ints().end()});
  if (const wire::AttributeProto *value = node.find("value_floats"))
    return numbers(Array::Kind::Real, false, {value->floats().begin(), value->floats().end()});
  return node.unsupported("has no value that is supported (supported: tensors and numbers)");
}

GraphReader::Values GraphReader::readIf(const Node &node, const Inputs &inputs) {
  constexpr int kDeepest = 8;
  std::optional<Known> condition = inputs.empty() || !inputs[0] ? std::nullopt : knownOf(inputs[0]);
  if (!condition || !condition->isUniform())
    return node.unsupported("decides on something that depends on the text");
  const wire::AttributeProto *branch =
      node.find(condition->at(0).values[0] != 0 ? "then_branch" : "else_branch");
  if (!branch || depth == kDeepest)
    return node.invalid("has no branch, or is too deep in others");
  for (const wire::TensorProto &proto : branch->g().initializer()) {
    absl::StatusOr<Tensor> tensor = readTensor(proto);
    if (!tensor.ok())
      return io::withContext(node.describe(), tensor.status());
    if (tensor->bytes.empty() && tensor->elements() > 0)
      return node.unsupported("has external data in a branch");
    const Tensor *kept = tensors.add(*std::move(tensor));
    values.try_emplace(kept->name, Constant{kept});
  }
  ++depth;
  absl::Status status = readNodes(branch->g());
  --depth;
  if (!status.ok())
    return status;
  std::vector<Value> results;
  for (const wire::ValueInfoProto &output : branch->g().output()) {
    const Value *value = find(output.name());
    if (!value)
      return node.invalid(absl::StrCat("has a branch that does not compute ", io::quote(output.name())));
    results.push_back(*value);
  }
  return results;
}

std::optional<Known> GraphReader::knownOf(const Value *value) const {
  if (auto *known = std::get_if<Known>(value))
    return *known;
  auto *constant = std::get_if<Constant>(value);
  if (!constant || constant->isTransposed || constant->tensor->elements() > kMostConstant)
    return std::nullopt;
  auto found = arrays.find(constant->tensor);
  if (found == arrays.end()) {
    absl::StatusOr<Array> array = arrayOf(*constant->tensor);
    if (!array.ok())
      return std::nullopt;
    found = arrays.emplace(constant->tensor, Known{{*std::move(array)}}).first;
  }
  return found->second;
}

GraphReader::Values GraphReader::evaluateKnown(const Node &node, const std::vector<Known> &operands) {
  const bool isSame = absl::c_all_of(operands, [](const Known &known) { return known.arrays.size() <= 1; });
  std::vector<Known> results(node.outputs());
  for (size_t length = 0; length < (isSame ? 1 : lengths.size()); ++length) {
    std::vector<const Array *> arrays;
    for (const Known &operand : operands)
      arrays.push_back(operand.arrays.empty() ? nullptr : &operand.at(length));
    absl::StatusOr<std::vector<Array>> computed = evaluate(node, arrays);
    if (!computed.ok())
      return computed.status();
    for (size_t i = 0; i < results.size(); ++i)
      results[i].arrays.push_back(std::move((*computed)[i]));
  }
  return std::vector<Value>(std::make_move_iterator(results.begin()), std::make_move_iterator(results.end()));
}

GraphReader::Values GraphReader::readShape(const Node &node, const Inputs &inputs) {
  if (inputs.empty() || !inputs[0])
    return node.invalid("has no inputs");
  Known result;
  for (const std::vector<int64_t> &shape : shapesOf(*inputs[0], lengths)) {
    const int64_t rank = static_cast<int64_t>(shape.size());
    auto place = [&](int64_t bound) {
      return std::clamp(bound < 0 ? bound + rank : bound, int64_t(0), rank);
    };
    const int64_t start = place(node.integerOr("start", 0)), end = place(node.integerOr("end", rank));
    Array array{Array::Kind::Integer, {}, {}};
    for (int64_t i = start; i < end && node.op() == "Shape"; ++i)
      array.values.push_back(static_cast<double>(shape[i]));
    if (node.op() == "Shape")
      array.shape.push_back(static_cast<int64_t>(array.values.size()));
    else
      array.values.push_back(absl::c_accumulate(shape, 1.0, std::multiplies<>()));
    result.arrays.push_back(std::move(array));
  }
  return std::vector<Value>{std::move(result)};
}

/// Weights that are only moved stay tensors, however large.
std::optional<GraphReader::Values> GraphReader::readTensorNode(const Node &node, const Inputs &inputs) {
  auto *constant = inputs.empty() || !inputs[0] ? nullptr : std::get_if<Constant>(inputs[0]);
  if (!constant)
    return std::nullopt;
  auto same = [&](bool isTransposed) {
    return Values(std::vector<Value>{Constant{constant->tensor, isTransposed}});
  };
  const bool isMatrix = constant->tensor->shape.size() == 2 && isFloat(constant->tensor->type);
  const std::string op = node.op();
  if (op == "Identity")
    return same(constant->isTransposed);
  if (op == "Transpose" && isMatrix) {
    absl::StatusOr<std::vector<int64_t>> order = permutationOf(node, 2);
    if (!order.ok())
      return io::withContext(node.describe(), order.status());
    return same(constant->isTransposed != ((*order)[0] == 1));
  }
  if (op == "Cast" && isFloat(constant->tensor->type)) {
    absl::StatusOr<ElementType> to = elementTypeOf(static_cast<int>(node.integerOr("to", 0)));
    if (to.ok() && isFloat(*to))
      return same(constant->isTransposed);
  }
  // A lookup by what depends on the text or on its length only.
  if (op == "Gather" && isMatrix && !constant->isTransposed && node.integerOr("axis", 0) == 0 &&
      inputs.size() > 1 && inputs[1]) {
    auto *known = std::get_if<Known>(inputs[1]);
    if (std::holds_alternative<Ids>(*inputs[1]) || (known && known->arrays.size() > 1))
      return readEmbedding(node, *constant, *inputs[1]);
  }
  return std::nullopt;
}

absl::Status GraphReader::wrong(const Node &node, const Inputs &inputs) const {
  std::vector<std::string> found;
  for (const Value *input : inputs)
    found.push_back(input ? describe(*input) : "nothing");
  return node.unsupported(absl::StrCat("is not supported on ", absl::StrJoin(found, " and ")));
}

} // namespace llmc::onnx
