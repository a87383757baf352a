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
      addInput(nameOf(input));
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
