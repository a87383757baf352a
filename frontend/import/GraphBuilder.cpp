//===- GraphBuilder.cpp - a model in the words of its paper, as nn -----------------------------------===//

#include "frontend/import/GraphBuilder.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/spec/ParameterAttributes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "runtime/io/Message.h"
#include "llvm/Support/GlobPattern.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

GraphBuilder::GraphBuilder(Checkpoint &checkpoint, Hyperparameters &fields, MLIRContext *context,
                           ArrayRef<StringRef> inputs, StringRef name)
    : checkpoint(checkpoint), fields(fields), context(context), builder(context),
      here(UnknownLoc::get(context)) {
  here = NameLoc::get(StringAttr::get(context, checkpoint.architecture()));
  module = ModuleOp::create(here);
  beginFunction(name, inputs);
}

void GraphBuilder::beginFunction(StringRef name, ArrayRef<StringRef> inputs) {
  builder.setInsertionPointToEnd(module->getBody());
  auto ids = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  function = func::FuncOp::create(builder, here, name,
                                  builder.getFunctionType(SmallVector<Type>(inputs.size(), ids), {}));
  if (!firstFunction)
    firstFunction = function;
  Block *body = function.addEntryBlock();
  for (auto [index, input] : llvm::enumerate(inputs)) {
    function.setArgAttr(index, "nn.input", builder.getStringAttr(input));
    body->getArgument(index).setLoc(NameLoc::get(builder.getStringAttr(input)));
  }
  builder.setInsertionPointToEnd(body);
  loaded.clear();
}

void GraphBuilder::endFunction(ValueRange results) {
  func::ReturnOp::create(builder, here, results);
  function.setFunctionType(builder.getFunctionType(function.getArgumentTypes(), results.getTypes()));
}

void GraphBuilder::beginForward(ValueRange results, ArrayRef<StringRef> inputs) {
  endFunction(results);
  beginFunction("forward", inputs);
}

Value GraphBuilder::input(unsigned index) { return function.getArgument(index); }

Value GraphBuilder::addSourceCache(int64_t heads, int64_t headDim) {
  const unsigned index = function.getNumArguments();
  auto type = nn::KvCacheType::get(context, heads, headDim, builder.getF32Type());
  auto mark = builder.getNamedAttr("nn.input", builder.getStringAttr("source_cache"));
  (void)function.insertArgument(index, type, builder.getDictionaryAttr(mark), here);
  return function.getArgument(index);
}

NamedTensor GraphBuilder::fullName(Name name, const char *suffix) const {
  return {.huggingFace = namePrefix + huggingFaceLayer + name.huggingFace + suffix,
          .gguf = ggufLayer + name.gguf + suffix};
}

Location GraphBuilder::placeOf(Name name) { return locationOf(fullName(name, "").in(fields.format())); }

Location GraphBuilder::locationOf(StringRef name) { return NameLoc::get(builder.getStringAttr(name)); }

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

RankedTensorType GraphBuilder::checkedType(const std::string &name, ArrayRef<Size> shape) {
  SmallVector<int64_t> expected;
  std::vector<std::string> meaning;
  for (const Size &size : shape) {
    expected.push_back(size.value);
    meaning.push_back(size.meaning);
  }
  auto fail = [&](const std::string &message) {
    fields.fail(absl::InvalidArgumentError(message));
    return RankedTensorType::get(expected, builder.getF32Type());
  };
  std::string wanted = absl::StrCat("[", absl::StrJoin(meaning, ", "), "] = [", absl::StrJoin(expected, ", "),
                                    "] of ", fields.file());
  const StoredTensor *tensor = checkpoint.find(name);
  if (!tensor)
    return fail(
        absl::StrCat(checkpoint.path(), ": has no tensor '", name, "', expected one of shape ", wanted));
  if (!tensor->format)
    return fail(absl::StrCat(tensor->file, ": tensor '", name, "' has elements of type ", tensor->typeName,
                             ", which is not supported (supported: ", blocks::listFormats(), ")"));
  if (tensor->shape != expected)
    return fail(absl::StrCat(tensor->file, ": tensor '", name, "' has ",
                             tensor->isTransposed ? "the transposed shape [" : "shape [",
                             absl::StrJoin(tensor->shape, ", "), "], expected ", wanted));
  return typeOf(*tensor, context);
}

RankedTensorType GraphBuilder::newType(ArrayRef<Size> shape) {
  SmallVector<int64_t> sizes;
  for (const Size &size : shape)
    sizes.push_back(size.value);
  return RankedTensorType::get(sizes, builder.getF32Type());
}

Value GraphBuilder::parameter(const NamedTensor &tensor, ArrayRef<Size> shape) {
  const std::string &name = tensor.in(fields.format());
  if (Value known = layerFunction ? layerArguments.lookup(name) : loaded.lookup(name))
    return known;
  const bool isNew = (addsMissing || !checkpoint.holdsTensors()) && !checkpoint.find(name);
  RankedTensorType type = isNew ? newType(shape) : checkedType(name, shape);
  if (used.insert(name).second) {
    named.push_back(tensor);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(firstFunction);
    auto param = nn::ParamOp::create(builder, locationOf(name), name, type, StringAttr());
    if (isNew && checkpoint.holdsTensors())
      param->setAttr(kNewParameter, builder.getUnitAttr());
    else if (isNew)
      initialize(param, tensor.form);
  }
  if (!layerFunction)
    return loaded[name] = nn::LoadOp::create(builder, locationOf(name), type, name);
  layerParameters.push_back(name);
  return layerArguments[name] = layerFunction.front().addArgument(type, locationOf(name));
}

/// As the authors of GPT-2 and BERT did.
void GraphBuilder::initialize(nn::ParamOp param, NamedTensor::Form form) {
  const bool isMatrix = cast<RankedTensorType>(param.getType()).getRank() > 1;
  const bool isNorm = param.getSymName().ends_with(".weight") && form != NamedTensor::Form::LessOne;
  if (isMatrix)
    param->setAttr(spec::kDeviationAttribute, builder.getF64FloatAttr(spec::kDeviation));
  else
    param->setAttr(spec::kValueAttribute, builder.getF64FloatAttr(isNorm ? 1 : 0));
  if (form == NamedTensor::Form::Transposed)
    param->setAttr(spec::kTransposedAttribute, builder.getUnitAttr());
}

/// A vector is used in f32 whatever its type; the conversion happens when the program is compiled.
Value GraphBuilder::vector(const NamedTensor &tensor, const Size &size) {
  Value stored = parameter(tensor, {size});
  auto type = cast<RankedTensorType>(stored.getType());
  if (type.getElementType().isF32())
    return stored;
  return nn::ConvertOp::create(builder, locationOf(tensor.in(fields.format())), stored, builder.getF32Type());
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

Value GraphBuilder::layer(int64_t index, Name prefix, ValueRange operands,
                          function_ref<Value(ValueRange)> body, StringRef kind) {
  OpBuilder::InsertPoint caller = builder.saveInsertionPoint();
  Location callerLocation = here;
  huggingFaceLayer = absl::StrCat(prefix.huggingFace, index, ".");
  ggufLayer = absl::StrCat(prefix.gguf, index, ".");
  here = locationOf(StringRef(fields.format() == Format::Gguf ? ggufLayer : huggingFaceLayer).drop_back());
  builder.setInsertionPointToEnd(module->getBody());
  layerFunction = func::FuncOp::create(builder, here, (kind + "_" + Twine(index)).str(),
                                       builder.getFunctionType(operands.getTypes(), {}));
  layerFunction.setPrivate();
  Block *block = layerFunction.addEntryBlock();
  builder.setInsertionPointToEnd(block);
  // Parameters become further arguments, which moves the list of the block.
  const SmallVector<Value> inputs(block->getArguments().begin(), block->getArguments().end());
  Value result = body(inputs);
  func::ReturnOp::create(builder, here, result);
  layerFunction.setFunctionType(builder.getFunctionType(block->getArgumentTypes(), result.getType()));
  for (unsigned i = operands.size(); i < block->getNumArguments(); ++i)
    layerFunction.setArgAttr(i, nn::kParameterArgument, builder.getUnitAttr());

  builder.restoreInsertionPoint(caller);
  SmallVector<Value> arguments(operands);
  for (const std::string &name : layerParameters) {
    Value &value = loaded[name];
    if (!value)
      value = nn::LoadOp::create(builder, locationOf(name), layerArguments[name].getType(), name);
    arguments.push_back(value);
  }
  Value called = func::CallOp::create(builder, here, layerFunction, arguments).getResult(0);
  huggingFaceLayer.clear();
  ggufLayer.clear();
  layerFunction = {};
  layerParameters.clear();
  layerArguments.clear();
  here = callerLocation;
  return called;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

Value GraphBuilder::embedding(Value ids, Name name, const Size &rows, const Size &width, int64_t firstRow) {
  const NamedTensor tensor = fullName(name, ".weight");
  const std::string &stored = tensor.in(fields.format());
  if (firstRow > 0 && checkpoint.holdsTensors()) {
    (void)checkedType(stored, {rows, width});
    if (ok())
      checkpoint.dropRows(stored, firstRow);
  }
  Value table = parameter(tensor, {{rows.value - firstRow, rows.meaning}, width});
  // In f32 whatever the type of the table.
  auto type = cast<RankedTensorType>(ids.getType());
  return nn::EmbeddingOp::create(
      builder, placeOf(name), RankedTensorType::get({type.getDimSize(0), width.value}, builder.getF32Type()),
      ids, table);
}

Value GraphBuilder::linear(Value x, Name name, const Size &out, const Size &in, Bias bias,
                           int64_t neighbourHeads) {
  NamedTensor tensor = fullName(name, ".weight"), biasTensor = fullName(name, ".bias");
  tensor.neighbourHeads = biasTensor.neighbourHeads = neighbourHeads;
  if (weightOrder == WeightOrder::InOut) {
    tensor.form = NamedTensor::Form::Transposed;
    if (fields.format() == Format::HuggingFace)
      checkpoint.transpose(tensor.huggingFace);
  }
  // Writers of GGUF files drop dimensions of one.
  if (out.value == 1) {
    tensor.form = NamedTensor::Form::Row;
    if (fields.format() == Format::Gguf)
      checkpoint.makeRow(tensor.gguf);
  }
  Value weight = parameter(tensor, {out, in});
  Value offset = bias == Bias::Yes ? vector(biasTensor, out) : Value();
  return nn::LinearOp::create(builder, placeOf(name), x, weight, offset);
}

Value GraphBuilder::weight(Name name, const Size &out, const Size &in) {
  return parameter(fullName(name, ".weight"), {out, in});
}

Value GraphBuilder::expertWeights(Name name, const char *part, const Size &experts, const Size &out,
                                  const Size &in) {
  const Size rows = experts * out;
  auto tensorOf = [&](int64_t expert) {
    const std::string huggingFace = absl::StrCat(name.huggingFace, expert, ".", part);
    NamedTensor tensor = fullName({huggingFace.c_str(), name.gguf}, ".weight");
    tensor.expert = expert;
    tensor.experts = experts.value;
    return tensor;
  };
  if (fields.format() == Format::Gguf) {
    const NamedTensor tensor = tensorOf(0);
    (void)checkedType(tensor.gguf, {experts, out, in});
    if (!ok())
      return parameter(tensor, {rows, in});
    checkpoint.mergeRows(tensor.gguf);
    Value weight = parameter(tensor, {rows, in});
    for (int64_t expert = 1; expert < experts.value; ++expert)
      named.push_back(tensorOf(expert));
    return weight;
  }
  SmallVector<Value> parts;
  for (int64_t expert = 0; expert < experts.value && ok(); ++expert)
    parts.push_back(parameter(tensorOf(expert), {out, in}));
  if (!ok())
    return parameter(tensorOf(0), {out, in});
  if (parts.size() == 1)
    return parts[0];
  return nn::ConcatOp::create(builder, placeOf(name), parts);
}

Value GraphBuilder::linear(Value x, const std::string &weight, const std::string &bias, const Size &out,
                           const Size &in) {
  NamedTensor matrixName, biasName;
  matrixName.huggingFace = weight;
  biasName.huggingFace = bias;
  Value matrix = parameter(matrixName, {out, in});
  return nn::LinearOp::create(builder, locationOf(weight), x, matrix, vector(biasName, out));
}

Value GraphBuilder::rmsNorm(Value x, Name name, const Size &width, double epsilon, NormWeight form) {
  NamedTensor tensor = fullName(name, ".weight");
  if (form == NormWeight::LessOne)
    tensor.form = NamedTensor::Form::LessOne;
  const Location location = placeOf(name);
  Value weight = vector(tensor, width);
  if (form == NormWeight::LessOne && fields.format() == Format::HuggingFace) {
    Value one = arith::ConstantOp::create(
        builder, location,
        DenseElementsAttr::get(cast<RankedTensorType>(weight.getType()), builder.getF32FloatAttr(1)));
    weight = arith::AddFOp::create(builder, location, weight, one);
  }
  return nn::RmsNormOp::create(builder, location, x, weight, builder.getF64FloatAttr(epsilon));
}

Value GraphBuilder::layerNorm(Value x, Name name, const Size &width, double epsilon) {
  NamedTensor tensor = fullName(name, ".weight"), biasTensor = fullName(name, ".bias");
  // The oldest checkpoints name them as the paper does.
  const NamedTensor gamma = fullName(name, ".gamma");
  if (!checkpoint.find(tensor.in(fields.format())) && checkpoint.find(gamma.huggingFace)) {
    tensor.huggingFace = gamma.huggingFace;
    biasTensor.huggingFace = fullName(name, ".beta").huggingFace;
  }
  Value weight = vector(tensor, width);
  Value bias = vector(biasTensor, width);
  return nn::LayerNormOp::create(builder, placeOf(name), x, weight, bias, builder.getF64FloatAttr(epsilon));
}

Value GraphBuilder::rope(Value x, Value positions, int64_t heads, const Rope &rope) {
  return nn::RopeOp::create(builder, here, x, positions, builder.getI64IntegerAttr(heads),
                            builder.getI64IntegerAttr(rope.dims), builder.getF64FloatAttr(rope.theta),
                            nn::RopeStyleAttr::get(context, rope.style), rope.scaling);
}

Value GraphBuilder::attention(Value query, Value key, Value value, const AttentionShape &shape, Value bias) {
  return nn::AttentionOp::create(
      builder, here, query, key, value, /*segments=*/Value(), /*key_segments=*/Value(), bias,
      /*by_distance=*/UnitAttr(), shape.causal ? builder.getUnitAttr() : UnitAttr(),
      builder.getI64IntegerAttr(shape.heads), builder.getI64IntegerAttr(shape.kvHeads),
      builder.getF64FloatAttr(shape.scale),
      shape.window ? builder.getI64IntegerAttr(*shape.window) : IntegerAttr(),
      shape.softcap ? builder.getF64FloatAttr(*shape.softcap) : FloatAttr(), /*alibi=*/DenseF64ArrayAttr());
}

Value GraphBuilder::relativeBias(Value positions, const RelativeBias &bias) {
  Value table = parameter(bias.table, {bias.buckets, bias.heads});
  auto type = RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic}, builder.getF32Type());
  return nn::RelativePositionBiasOp::create(
      builder, locationOf(bias.table.in(fields.format())), type, positions, positions, table,
      builder.getI64IntegerAttr(bias.maxDistance), bias.bidirectional ? builder.getUnitAttr() : UnitAttr());
}

Value GraphBuilder::appendToCache(Value cache, Value key, Value value, Value positions) {
  return nn::CacheAppendOp::create(builder, here, cache, key, value, positions);
}

Value GraphBuilder::crossAttention(Value query, Value cache, Value ends, const AttentionShape &shape) {
  return nn::CachedAttentionOp::create(
      builder, here, query.getType(), query, cache, ends, /*bias=*/Value(), /*causal=*/builder.getUnitAttr(),
      builder.getI64IntegerAttr(shape.heads), builder.getI64IntegerAttr(shape.kvHeads),
      builder.getF64FloatAttr(shape.scale), /*window=*/IntegerAttr(), /*softcap=*/FloatAttr(),
      /*alibi=*/DenseF64ArrayAttr());
}

Value GraphBuilder::experts(Value x, Value router, ArrayRef<Value> weights, int64_t perToken,
                            RouterScore score, bool renormalize) {
  auto flag = [&](bool isSet) { return isSet ? builder.getUnitAttr() : UnitAttr(); };
  return nn::ExpertsOp::create(builder, here, x.getType(), x, router, weights[0], weights[1], weights[2],
                               builder.getI64IntegerAttr(perToken),
                               nn::GateActivationAttr::get(context, nn::GateActivation::Silu),
                               flag(score == RouterScore::Logistic), flag(renormalize));
}

Value GraphBuilder::silu(Value x) { return nn::SiluOp::create(builder, here, x); }
Value GraphBuilder::tanh(Value x) { return math::TanhOp::create(builder, here, x); }
Value GraphBuilder::activate(Value x, Activation activation) {
  auto gelu = [&](nn::GeluKind kind) {
    return nn::GeluOp::create(builder, here, x, nn::GeluKindAttr::get(context, kind));
  };
  switch (activation) {
  case Activation::Gelu:
    return gelu(nn::GeluKind::Exact);
  case Activation::GeluTanh:
    return gelu(nn::GeluKind::Tanh);
  case Activation::Relu:
    return nn::ReluOp::create(builder, here, x);
  case Activation::Silu:
    return silu(x);
  }
  llvm_unreachable("not an activation");
}
Value GraphBuilder::add(Value a, Value b) { return arith::AddFOp::create(builder, here, a, b); }
Value GraphBuilder::multiply(Value a, Value b) { return arith::MulFOp::create(builder, here, a, b); }
Value GraphBuilder::scale(Value x, double factor) {
  return nn::ScaleOp::create(builder, here, x, builder.getF64FloatAttr(factor));
}
Value GraphBuilder::softcap(Value x, double cap) {
  return nn::SoftcapOp::create(builder, here, x, builder.getF64FloatAttr(cap));
}

SmallVector<Value> GraphBuilder::split(Value x, ArrayRef<int64_t> widths) {
  auto type = cast<RankedTensorType>(x.getType());
  SmallVector<Type> parts;
  for (int64_t width : widths)
    parts.push_back(type.clone({type.getDimSize(0), width}));
  return llvm::to_vector_of<Value>(nn::SplitOp::create(builder, here, parts, x).getResults());
}

Value GraphBuilder::selectRows(Value x, Value rows) {
  return nn::SelectRowsOp::create(builder, here, x, rows);
}

//===----------------------------------------------------------------------===//
// The end
//===----------------------------------------------------------------------===//

void GraphBuilder::ignoreTensors(ArrayRef<StringRef> patterns) {
  for (StringRef pattern : patterns)
    ignored.push_back(pattern.str());
}

absl::StatusOr<OwningOpRef<ModuleOp>> GraphBuilder::finish(Value result) {
  if (!ok())
    return fields.status();
  std::vector<std::string> unused;
  for (const auto &entry : checkpoint.tensors()) {
    StringRef name = entry.getKey();
    bool known = used.contains(name) || llvm::any_of(ignored, [&](const std::string &pattern) {
                   return llvm::cantFail(llvm::GlobPattern::create(pattern)).match(name);
                 });
    if (!known)
      unused.push_back(name.str());
  }
  if (!unused.empty())
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.path(), ": tensor ", io::quote(*std::min_element(unused.begin(), unused.end())), " (and ",
        unused.size() - 1, " others) has no place in architecture '", checkpoint.architecture(), "' as ",
        fields.file(), " describes it"));
  endFunction(result);
  function.setResultAttr(0, "nn.output", builder.getUnitAttr());
  return std::move(module);
}
