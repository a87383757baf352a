//===- EmitOperations.cpp - operations of nn and their parameters ------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/onnx/Emitter.h"
#include "runtime/io/Message.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

using Kind = Expression::Op;

const char *onnx::nameOf(Input input) {
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

static bool isTransposeOf(const Tensor &a, const Tensor &b) {
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

//===----------------------------------------------------------------------===//
// Operations of nn
//===----------------------------------------------------------------------===//

Value Emitter::embedding(const Expression &expression, const Tensor *table) {
  Value weight = parameter(*table, /*isTransposed=*/false, locationOf(expression));
  if (!weight)
    return {};
  hiddenSize = expression.width;
  auto type = RankedTensorType::get({ShapedType::kDynamic, expression.width}, builder.getF32Type());
  return nn::EmbeddingOp::create(builder, locationOf(expression), type, inputs[nameOf(expression.input)],
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
      /*key_segments=*/Value(), /*bias=*/Value(), /*by_distance=*/UnitAttr(),
      shape.isCausal ? builder.getUnitAttr() : UnitAttr(), builder.getI64IntegerAttr(shape.heads),
      builder.getI64IntegerAttr(shape.kvHeads), builder.getF64FloatAttr(shape.scale),
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
  return nn::RopeOp::create(builder, locationOf(expression), rows, inputs[nameOf(Input::Positions)],
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
