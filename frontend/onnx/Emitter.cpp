//===- Emitter.cpp - rows of an ONNX graph as nn -----------------------------------------------------===//

#include "frontend/onnx/Emitter.h"
#include "absl/strings/str_cat.h"
#include "frontend/onnx/Recognition.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "runtime/io/Message.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

using Kind = Expression::Op;

namespace {

const char *inputName(Input input) {
  switch (input) {
  case Input::Tokens:
    return "tokens";
  case Input::Positions:
    return "positions";
  case Input::TokenTypes:
    return "token_types";
  }
  llvm_unreachable("not an input");
}

/// The result and all that it is computed from, operands first.
std::vector<const Expression *> neededBy(const Expression &result) {
  std::vector<const Expression *> needed, open = {&result};
  llvm::SmallPtrSet<const Expression *, 32> known;
  while (!open.empty()) {
    const Expression *expression = open.back();
    open.pop_back();
    if (!known.insert(expression).second)
      continue;
    needed.push_back(expression);
    open.insert(open.end(), expression->operands.begin(), expression->operands.end());
  }
  llvm::sort(needed, [](const Expression *a, const Expression *b) { return a->order < b->order; });
  return needed;
}

/// The summands of sums of sums.
void collectSummands(const Expression &sum, SmallVectorImpl<const Expression *> &summands) {
  constexpr size_t kMost = 16; // Embeddings are sums of three.
  for (const Expression *operand : sum.operands) {
    if (operand->op == Kind::Add && summands.size() < kMost)
      collectSummands(*operand, summands);
    else
      summands.push_back(operand);
  }
}

bool isTransposeOf(const Tensor &a, const Tensor &b) {
  if (a.type != b.type || a.shape.size() != 2 || b.shape.size() != 2 || a.shape[0] != b.shape[1] ||
      a.shape[1] != b.shape[0])
    return false;
  const int64_t rows = a.shape[0], columns = a.shape[1], size = bytesOf(a.type);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      if (std::memcmp(&a.bytes[(row * columns + column) * size], &b.bytes[(column * rows + row) * size],
                      size))
        return false;
  return true;
}

std::vector<double> valuesOf(const Tensor &tensor) {
  std::vector<double> values(tensor.elements());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.at(static_cast<int64_t>(i));
  return values;
}

} // namespace

Emitter::Emitter(TensorPool &tensors, MLIRContext *context)
    : tensors(tensors), context(context), builder(context) {
  const Location location = NameLoc::get(builder.getStringAttr("onnx"));
  module = ModuleOp::create(location);
  builder.setInsertionPointToEnd(module->getBody());
  forward = func::FuncOp::create(builder, location, "forward", builder.getFunctionType({}, {}));
  builder.setInsertionPointToEnd(forward.addEntryBlock());
}

absl::StatusOr<EmittedProgram> Emitter::emit(const Expression &result, bool selectsRows) {
  const std::vector<const Expression *> needed = neededBy(result);
  llvm::SmallDenseSet<int> used = {static_cast<int>(Input::Tokens)};
  bool takesFirst = false;
  for (const Expression *expression : needed) {
    if (expression->op == Kind::Embedding) {
      used.insert(static_cast<int>(expression->input));
      tables.insert(expression->weight);
    }
    if (expression->op == Kind::Rope)
      used.insert(static_cast<int>(Input::Positions));
    if (expression->op == Kind::Slice)
      slices[expression->operands[0]].push_back(expression);
    takesFirst |= expression->op == Kind::FirstRow;
  }
  auto addInput = [&](StringRef name) {
    auto type = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
    const unsigned index = forward.getNumArguments();
    const Location location = NameLoc::get(builder.getStringAttr(name));
    (void)forward.insertArgument(index, type, {}, location);
    forward.setArgAttr(index, "nn.input", builder.getStringAttr(name));
    inputs[name] = forward.getArgument(index);
  };
  for (Input input : {Input::Tokens, Input::Positions, Input::TokenTypes})
    if (used.contains(static_cast<int>(input)))
      addInput(inputName(input));
  if (selectsRows || takesFirst)
    addInput("output_ids");

  // No pattern goes beyond what products and attention read, which is built in order, so that rowsOf() does
  // not go deep.
  for (const Expression *expression : needed)
    if (expression->op == Kind::Linear || expression->op == Kind::Attention)
      for (const Expression *operand : expression->operands)
        if (!rowsOf(*operand))
          return status;
  Value rows = rowsOf(result);
  if (!rows)
    return status;
  if (selectsRows)
    rows = nn::SelectRowsOp::create(builder, locationOf(result), rows, inputs["output_ids"]);
  func::ReturnOp::create(builder, locationOf(result), rows);
  forward.setFunctionType(builder.getFunctionType(forward.getArgumentTypes(), rows.getType()));
  forward.setResultAttr(0, "nn.output", builder.getUnitAttr());
  return EmittedProgram{std::move(module), std::move(parameters), layers, hiddenSize, isCausal};
}

Location Emitter::locationOf(const Expression &expression) {
  return NameLoc::get(builder.getStringAttr(expression.name));
}

Value Emitter::fail(absl::Status error) {
  if (status.ok())
    status = std::move(error);
  return {};
}

Value Emitter::refuse(const Expression &expression, const std::string &what) {
  return fail(absl::UnimplementedError(absl::StrCat(expression.place, ": ", what)));
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Value Emitter::rowsOf(const Expression &expression) {
  constexpr int kDeepest = 500;
  if (Value known = built.lookup(&expression))
    return known;
  if (!status.ok())
    return {};
  if (depth == kDeepest)
    return refuse(expression, "is part of too long a chain of element-wise operations");
  ++depth;
  Value value = build(expression);
  --depth;
  if (value)
    built[&expression] = value;
  return value;
}

Value Emitter::build(const Expression &expression) {
  switch (expression.op) {
  case Kind::Scalar:
  case Kind::Vector:
    return refuse(expression, "is a constant where an activation is wanted");
  case Kind::Embedding:
    return embedding(expression, expression.weight);
  case Kind::Linear:
    return linear(expression, nullptr);
  case Kind::Attention:
    return attention(expression);
  case Kind::LayerNorm:
    return norm(expression, Kind::LayerNorm, expression[0], &expression[1],
                expression.operands.size() > 2 ? &expression[2] : nullptr, expression.number);
  case Kind::RmsNorm:
    return norm(expression, Kind::RmsNorm, expression[0], &expression[1], nullptr, expression.number);
  case Kind::Gelu:
  case Kind::GeluTanh:
  case Kind::GeluSigmoid:
  case Kind::Silu:
    return activation(expression, expression.op, expression[0]);
  case Kind::Rope:
    return rope(expression);
  case Kind::Slice:
    return slice(expression);
  case Kind::FirstRow: {
    Value rows = rowsOf(expression[0]);
    return rows ? nn::SelectRowsOp::create(builder, locationOf(expression), rows, inputs["output_ids"])
                : Value();
  }
  default:
    break;
  }
  if (std::optional<RecognizedNorm> found = recognizeNorm(expression))
    return norm(expression, found->op, *found->x, found->weight, found->bias, found->epsilon);
  if (std::optional<RecognizedActivation> found = recognizeActivation(expression))
    return activation(expression, found->op, *found->x);
  if (auto [factor, rest] = splitFactor(expression); rest != &expression) {
    Value rows = rowsOf(*rest);
    return rows ? nn::ScaleOp::create(builder, locationOf(expression), rows, builder.getF64FloatAttr(factor))
                : Value();
  }
  if (expression.op == Kind::Add)
    return buildSum(expression);
  return expression.operands.size() == 2 ? buildArithmetic(expression) : buildUnary(expression);
}

Value Emitter::buildSum(const Expression &expression) {
  for (int i : {0, 1})
    if (expression[i].op == Kind::Linear && expression[1 - i].op == Kind::Vector)
      return linear(expression[i], &expression[1 - i]);
  // In a sum of embeddings a vector (that of the only kind of tokens) is added to the table of one.
  SmallVector<const Expression *> summands;
  collectSummands(expression, summands);
  auto isVector = [](const Expression *summand) { return summand->op == Kind::Vector; };
  auto table = llvm::find_if(summands, [](const Expression *summand) {
    return summand->op == Kind::Embedding && summand->input == Input::Positions;
  });
  const bool areEmbeddings = llvm::all_of(summands, [&](const Expression *summand) {
    return summand->op == Kind::Embedding || isVector(summand);
  });
  if (!areEmbeddings || table == summands.end() || llvm::none_of(summands, isVector))
    return buildArithmetic(expression);
  const int64_t width = expression.width;
  std::vector<double> sums = valuesOf(*(*table)->weight);
  for (const Expression *summand : summands)
    if (isVector(summand))
      for (size_t i = 0; i < sums.size(); ++i)
        sums[i] += summand->weight->at(static_cast<int64_t>(i) % width);
  const Tensor *shifted =
      tensors.add((*table)->weight->name + ".shifted", (*table)->weight->shape, std::move(sums));
  Value sum;
  for (const Expression *summand : summands) {
    if (isVector(summand))
      continue;
    Value rows = summand == *table ? embedding(*summand, shifted) : rowsOf(*summand);
    if (!rows)
      return {};
    sum = sum ? arith::AddFOp::create(builder, locationOf(expression), sum, rows) : rows;
  }
  return sum;
}

Value Emitter::buildArithmetic(const Expression &expression) {
  const Expression &left = expression[0], &right = expression[1];
  for (const Expression *operand : {&left, &right}) {
    if (operand->isScalar() && expression.op == Kind::Maximum && operand->number == 0) {
      Value rows = rowsOf(operand == &left ? right : left);
      return rows ? nn::ReluOp::create(builder, locationOf(expression), rows) : Value();
    }
    if (operand->isScalar() || operand->op == Kind::Vector)
      return refuse(expression,
                    absl::StrCat("computes with a constant ", operand->isScalar() ? "number" : "vector",
                                 " in a way that is part of no norm, activation, scale or bias that is "
                                 "known (supported: products with numbers, biases of products)"));
    if (operand->width != expression.width)
      return refuse(expression, "computes with one number for each token in a way that is part of no norm "
                                "that is known (supported: layer norm, RMS norm)");
  }
  Value a = rowsOf(left), b = rowsOf(right);
  if (!a || !b)
    return {};
  const Location location = locationOf(expression);
  switch (expression.op) {
  case Kind::Add:
    return arith::AddFOp::create(builder, location, a, b);
  case Kind::Subtract:
    return arith::SubFOp::create(builder, location, a, b);
  case Kind::Multiply:
    return arith::MulFOp::create(builder, location, a, b);
  case Kind::Divide:
    return arith::DivFOp::create(builder, location, a, b);
  case Kind::Maximum:
    return arith::MaximumFOp::create(builder, location, a, b);
  case Kind::Minimum:
    return arith::MinimumFOp::create(builder, location, a, b);
  default:
    return refuse(expression, "has no operation of nn, arith or math");
  }
}

Value Emitter::buildUnary(const Expression &expression) {
  if (expression.op == Kind::Mean)
    return refuse(expression, "is part of no norm that is known (supported: layer norm, RMS norm)");
  if (expression.op == Kind::Sigmoid || expression.op == Kind::Reciprocal)
    return refuse(expression, "is part of no activation that is known (supported: GELU, SiLU)");
  Value x = rowsOf(expression[0]);
  if (!x)
    return {};
  const Location location = locationOf(expression);
  switch (expression.op) {
  case Kind::Relu:
    return nn::ReluOp::create(builder, location, x);
  case Kind::Sqrt:
    return math::SqrtOp::create(builder, location, x);
  case Kind::Exp:
    return math::ExpOp::create(builder, location, x);
  case Kind::Log:
    return math::LogOp::create(builder, location, x);
  case Kind::Erf:
    return math::ErfOp::create(builder, location, x);
  case Kind::Tanh:
    return math::TanhOp::create(builder, location, x);
  case Kind::Abs:
    return math::AbsFOp::create(builder, location, x);
  case Kind::Sin:
    return math::SinOp::create(builder, location, x);
  case Kind::Cos:
    return math::CosOp::create(builder, location, x);
  default:
    return refuse(expression, "has no operation of nn, arith or math");
  }
}

//===----------------------------------------------------------------------===//
// Operations of nn
//===----------------------------------------------------------------------===//

Value Emitter::embedding(const Expression &expression, const Tensor *table) {
  Value weight = parameter(*table, /*isTransposed=*/false, locationOf(expression));
  if (!weight)
    return {};
  hiddenSize = expression.width;
  auto type = RankedTensorType::get({ShapedType::kDynamic, expression.width}, builder.getF32Type());
  return nn::EmbeddingOp::create(builder, locationOf(expression), type, inputs[inputName(expression.input)],
                                 weight);
}

Value Emitter::linear(const Expression &product, const Expression *bias) {
  Value x = rowsOf(product[0]);
  const Tensor *tensor = product.weight;
  bool isTransposed = product.isTransposed;
  // Exporters write a tied weight twice: as the table, and transposed.
  for (const Tensor *table : tables)
    if (isTransposed && isTransposeOf(*table, *tensor)) {
      tensor = table;
      isTransposed = false;
    }
  Value weight = x ? parameter(*tensor, isTransposed, locationOf(product)) : Value();
  Value offset = weight && bias ? vector(bias, product, 0) : Value();
  if (!weight || (bias && !offset))
    return {};
  return nn::LinearOp::create(builder, locationOf(product), x, weight, offset);
}

Value Emitter::attention(const Expression &expression) {
  SmallVector<Value> operands;
  for (const Expression *operand : expression.operands)
    if (Value rows = rowsOf(*operand))
      operands.push_back(rows);
  if (operands.size() != 3)
    return {};
  ++layers;
  const Expression::Attention &shape = expression.attention;
  isCausal |= shape.isCausal;
  return nn::AttentionOp::create(
      builder, locationOf(expression), operands[0], operands[1], operands[2], /*segments=*/Value(),
      /*bias=*/Value(), shape.isCausal ? builder.getUnitAttr() : UnitAttr(),
      builder.getI64IntegerAttr(shape.heads), builder.getI64IntegerAttr(shape.kvHeads),
      builder.getF64FloatAttr(shape.scale),
      shape.window ? builder.getI64IntegerAttr(*shape.window) : IntegerAttr(), /*softcap=*/FloatAttr(),
      /*alibi=*/DenseF64ArrayAttr());
}

/// The base of frequencies that fall from 1 by one factor from pair to pair, rounded as exporters of f32 do.
static double thetaOf(ArrayRef<double> frequencies) {
  if (frequencies.size() < 2)
    return 1e4; // The frequency is 1 whatever the base.
  const double theta = std::pow(frequencies[1], -static_cast<double>(frequencies.size()));
  return std::abs(std::round(theta) - theta) < 1e-4 * theta ? std::round(theta) : theta;
}

Value Emitter::rope(const Expression &expression) {
  Value rows = rowsOf(expression[0]);
  if (!rows)
    return {};
  const std::vector<double> &frequencies = expression.frequencies;
  const double theta = thetaOf(frequencies), pairs = static_cast<double>(frequencies.size());
  std::vector<double> factors;
  bool isPlain = true;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    factors.push_back(std::pow(theta, -static_cast<double>(i) / pairs) / frequencies[i]);
    isPlain &= std::abs(factors.back() - 1) < 1e-6;
  }
  nn::RopeScalingAttr scaling;
  if (!isPlain)
    scaling = nn::RopeScalingAttr::get(context, nn::RopeScalingKind::Factors, {}, {}, {}, {}, {},
                                       builder.getDenseF64ArrayAttr(factors));
  return nn::RopeOp::create(builder, locationOf(expression), rows, inputs[inputName(Input::Positions)],
                            builder.getI64IntegerAttr(expression.attention.heads),
                            builder.getI64IntegerAttr(2 * static_cast<int64_t>(frequencies.size())),
                            builder.getF64FloatAttr(theta),
                            nn::RopeStyleAttr::get(context, nn::RopeStyle::Half), scaling);
}

Value Emitter::slice(const Expression &expression) {
  const Expression &whole = expression[0];
  Value rows = rowsOf(whole);
  if (!rows)
    return {};
  std::vector<const Expression *> parts = slices[&whole];
  llvm::sort(parts, [](const Expression *a, const Expression *b) { return a->first < b->first; });
  auto type = cast<RankedTensorType>(rows.getType());
  SmallVector<Type> types;
  std::vector<const Expression *> results; // null: nobody wants that part
  int64_t end = 0;
  auto add = [&](const Expression *part, int64_t width) {
    if (width == 0)
      return;
    results.push_back(part);
    types.push_back(type.clone({type.getDimSize(0), width}));
    end += width;
  };
  for (const Expression *part : parts) {
    if (part->first < end)
      return refuse(expression, "takes a part of a row that overlaps another one");
    add(nullptr, part->first - end);
    add(part, part->width);
  }
  add(nullptr, whole.width - end);
  auto split = nn::SplitOp::create(builder, locationOf(expression), types, rows);
  for (auto [part, value] : llvm::zip(results, split.getResults()))
    if (part)
      built[part] = value;
  return built.lookup(&expression);
}

Value Emitter::norm(const Expression &place, Kind kind, const Expression &x, const Expression *weight,
                    const Expression *bias, double epsilon) {
  Value rows = rowsOf(x);
  Value scale = rows ? vector(weight, place, 1) : Value();
  if (!scale)
    return {};
  const FloatAttr number = builder.getF64FloatAttr(epsilon);
  if (kind == Kind::RmsNorm)
    return nn::RmsNormOp::create(builder, locationOf(place), rows, scale, number);
  Value offset = bias ? vector(bias, place, 0) : Value();
  if (bias && !offset)
    return {};
  return nn::LayerNormOp::create(builder, locationOf(place), rows, scale, offset, number);
}

Value Emitter::activation(const Expression &place, Kind kind, const Expression &x) {
  Value rows = rowsOf(x);
  if (!rows)
    return {};
  if (kind == Kind::Silu)
    return nn::SiluOp::create(builder, locationOf(place), rows);
  const nn::GeluKind form = kind == Kind::Gelu       ? nn::GeluKind::Exact
                            : kind == Kind::GeluTanh ? nn::GeluKind::Tanh
                                                     : nn::GeluKind::Sigmoid;
  return nn::GeluOp::create(builder, locationOf(place), rows, nn::GeluKindAttr::get(context, form));
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

Value Emitter::parameter(const Tensor &tensor, bool isTransposed, Location location) {
  Value &known = loaded[{&tensor, isTransposed}];
  if (known)
    return known;
  Type element;
  switch (tensor.type) {
  case ElementType::F32:
    element = builder.getF32Type();
    break;
  case ElementType::F16:
    element = builder.getF16Type();
    break;
  case ElementType::BF16:
    element = builder.getBF16Type();
    break;
  default:
    return fail(absl::UnimplementedError(absl::StrCat(
        "tensor ", io::quote(tensor.name), " is a weight with elements of type ", onnx::nameOf(tensor.type),
        ", which is not supported (supported: FLOAT, FLOAT16, BFLOAT16)")));
  }
  SmallVector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  if (isTransposed)
    std::swap(shape[0], shape[1]);
  const auto type = RankedTensorType::get(shape, element);
  // Tensors in other orders, and those without a name, have one of their own.
  const std::string base = tensor.name.empty() ? "tensor" : tensor.name;
  std::string name = base;
  for (int suffix = 1; !names.insert(name).second; ++suffix)
    name = absl::StrCat(base, ".", suffix);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(module->getBody(), forward->getIterator());
    nn::ParamOp::create(builder, location, name, type, StringAttr());
  }
  parameters.push_back({name, &tensor, isTransposed});
  return known = nn::LoadOp::create(builder, location, type, name);
}

Value Emitter::vector(const Expression *expression, const Expression &place, double missing) {
  const Tensor *tensor = expression ? expression->weight : nullptr;
  if (!tensor)
    tensor = tensors.add(absl::StrCat(place.name, ".missing"), {place.width},
                         std::vector<double>(place.width, missing));
  Value stored = parameter(*tensor, /*isTransposed=*/false, locationOf(place));
  if (!stored || cast<RankedTensorType>(stored.getType()).getElementType().isF32())
    return stored;
  return nn::ConvertOp::create(builder, locationOf(place), stored, builder.getF32Type());
}
