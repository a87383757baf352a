//===- BuildModel.cpp - a model definition as nn -----------------------------------------------------===//

#include "frontend/spec/BuildModel.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <cmath>

using namespace mlir;
using namespace llmc;

namespace llmc::spec {

namespace {

/// Deviation of weights; those that end a residual branch are smaller by the root of their number (Radford et
/// al., 2019).
constexpr double kDeviation = 0.02;

class LossBuilder {
public:
  LossBuilder(const ModelDefinition &model, int64_t length, MLIRContext *context)
      : model(model), length(length), module(ModuleOp::create(UnknownLoc::get(context))),
        b(UnknownLoc::get(context), context), residual(kDeviation / std::sqrt(2.0 * model.layers())) {}

  OwningOpRef<ModuleOp> build() {
    b.setInsertionPointToEnd(module->getBody());
    auto ids = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
    auto function = func::FuncOp::create(b, "loss", b.getFunctionType(SmallVector<Type>(4, ids), {}));
    constexpr StringLiteral names[] = {"tokens", "positions", "segments", "targets"};
    for (auto [index, name] : llvm::enumerate(names))
      function.setArgAttr(index, "nn.input", b.getStringAttr(name));
    Block *body = function.addEntryBlock();
    b.setInsertionPointToEnd(body);
    positions = body->getArgument(1);
    segments = body->getArgument(2);
    const bool isLlama = model.family() == ModelDefinition::LLAMA;
    Value x = embed(body->getArgument(0));
    for (uint32_t i = 0; i < model.layers(); ++i)
      x = isLlama ? llamaLayer(x, absl::StrCat("model.layers.", i, "."))
                  : gpt2Layer(x, absl::StrCat("transformer.h.", i, "."));
    x = norm(x, isLlama ? "model.norm" : "transformer.ln_f");
    Value head =
        model.tied() ? table : weight("lm_head.weight", {model.vocabulary(), model.width()}, kDeviation);
    Value logits = nn::LinearOp::create(b, x, head, Value());
    Value losses = nn::CrossEntropyOp::create(b, logits, body->getArgument(3), b.getF64FloatAttr(0));
    func::ReturnOp::create(b, losses);
    function.setFunctionType(b.getFunctionType(body->getArgumentTypes(), losses.getType()));
    function.setResultAttr(0, "nn.output", b.getStringAttr("losses"));
    return std::move(module);
  }

private:
  //===--------------------------------------------------------------------===//
  // Parameters
  //===--------------------------------------------------------------------===//

  nn::ParamOp declare(const std::string &name, ArrayRef<int64_t> shape) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(module->lookupSymbol("loss"));
    return nn::ParamOp::create(b, name, RankedTensorType::get(shape, b.getF32Type()), StringAttr());
  }
  Value load(nn::ParamOp param) { return nn::LoadOp::create(b, param.getType(), param.getSymName()); }

  Value weight(const std::string &name, ArrayRef<int64_t> shape, double deviation, bool transposed = false) {
    nn::ParamOp param = declare(name, shape);
    param->setAttr(kDeviationAttribute, b.getF64FloatAttr(deviation));
    if (transposed)
      param->setAttr(kTransposedAttribute, b.getUnitAttr());
    return load(param);
  }
  Value vector(const std::string &name, int64_t size, double value) {
    nn::ParamOp param = declare(name, {size});
    param->setAttr(kValueAttribute, b.getF64FloatAttr(value));
    return load(param);
  }

  //===--------------------------------------------------------------------===//
  // Blocks
  //===--------------------------------------------------------------------===//

  Value embed(Value tokens) {
    const bool isLlama = model.family() == ModelDefinition::LLAMA;
    auto type = RankedTensorType::get({ShapedType::kDynamic, model.width()}, b.getF32Type());
    table = weight(isLlama ? "model.embed_tokens.weight" : "transformer.wte.weight",
                   {model.vocabulary(), model.width()}, kDeviation);
    Value x = nn::EmbeddingOp::create(b, type, tokens, table);
    if (model.positions().kind() != Positions::LEARNED)
      return x;
    Value places = weight("transformer.wpe.weight", {model.context(), model.width()}, kDeviation / 2);
    return arith::AddFOp::create(b, x, nn::EmbeddingOp::create(b, type, positions, places));
  }

  Value norm(Value x, const std::string &name) {
    Value scale = vector(name + ".weight", model.width(), 1);
    auto epsilon = b.getF64FloatAttr(model.norm().epsilon());
    if (model.norm().kind() == Norm::RMS)
      return nn::RmsNormOp::create(b, x, scale, epsilon);
    Value shift = vector(name + ".bias", model.width(), 0);
    return nn::LayerNormOp::create(b, x, scale, shift, epsilon);
  }

  Value linear(Value x, const std::string &name, int64_t out, bool bias, double deviation,
               bool transposed = false) {
    const int64_t in = cast<RankedTensorType>(x.getType()).getDimSize(1);
    Value matrix = weight(name + ".weight", {out, in}, deviation, transposed);
    return nn::LinearOp::create(b, x, matrix, bias ? vector(name + ".bias", out, 0) : Value());
  }

  Value rope(Value x, int64_t heads) {
    return nn::RopeOp::create(
        b, x, positions, b.getI64IntegerAttr(heads), b.getI64IntegerAttr(model.attention().head_size()),
        b.getF64FloatAttr(model.positions().theta()),
        nn::RopeStyleAttr::get(b.getContext(), nn::RopeStyle::Half), nn::RopeScalingAttr());
  }

  Value attend(Value query, Value key, Value value) {
    const Attention &attention = model.attention();
    auto op =
        nn::AttentionOp::create(b, query, key, value, segments, /*key_segments=*/Value(), /*bias=*/Value(),
                                /*by_distance=*/UnitAttr(),
                                /*causal=*/b.getUnitAttr(), b.getI64IntegerAttr(attention.heads()),
                                b.getI64IntegerAttr(attention.kv_heads()),
                                b.getF64FloatAttr(1 / std::sqrt(double(attention.head_size()))),
                                IntegerAttr(), FloatAttr(), DenseF64ArrayAttr());
    op->setAttr(nn::kSequenceRowsAttribute, b.getI64IntegerAttr(length));
    return op;
  }

  Value add(Value a, Value c) { return arith::AddFOp::create(b, a, c); }

  Value llamaLayer(Value x, const std::string &prefix) {
    const Attention &attention = model.attention();
    const int64_t queries = int64_t{attention.heads()} * attention.head_size(),
                  keys = int64_t{attention.kv_heads()} * attention.head_size();
    const bool bias = attention.bias(), mlpBias = model.mlp().bias();
    Value normed = norm(x, prefix + "input_layernorm");
    Value query = linear(normed, prefix + "self_attn.q_proj", queries, bias, kDeviation);
    Value key = linear(normed, prefix + "self_attn.k_proj", keys, bias, kDeviation);
    Value value = linear(normed, prefix + "self_attn.v_proj", keys, bias, kDeviation);
    Value mixed = attend(rope(query, attention.heads()), rope(key, attention.kv_heads()), value);
    x = add(x, linear(mixed, prefix + "self_attn.o_proj", model.width(), bias, residual));
    normed = norm(x, prefix + "post_attention_layernorm");
    Value gate = linear(normed, prefix + "mlp.gate_proj", model.mlp().inner(), mlpBias, kDeviation);
    Value up = linear(normed, prefix + "mlp.up_proj", model.mlp().inner(), mlpBias, kDeviation);
    Value gated = arith::MulFOp::create(b, nn::SiluOp::create(b, gate), up);
    return add(x, linear(gated, prefix + "mlp.down_proj", model.width(), mlpBias, residual));
  }

  // Its matrices are [in, out] in checkpoints, and those of queries, keys and values one.
  Value gpt2Layer(Value x, const std::string &prefix) {
    const int64_t width = model.width();
    Value normed = norm(x, prefix + "ln_1");
    Value merged = linear(normed, prefix + "attn.c_attn", 3 * width, true, kDeviation, true);
    auto part = RankedTensorType::get({ShapedType::kDynamic, width}, b.getF32Type());
    auto split = nn::SplitOp::create(b, TypeRange{part, part, part}, merged);
    Value mixed = attend(split.getResult(0), split.getResult(1), split.getResult(2));
    x = add(x, linear(mixed, prefix + "attn.c_proj", width, true, residual, true));
    normed = norm(x, prefix + "ln_2");
    Value inner = linear(normed, prefix + "mlp.c_fc", model.mlp().inner(), true, kDeviation, true);
    const nn::GeluKind kind = model.mlp().kind() == Mlp::GELU_TANH ? nn::GeluKind::Tanh : nn::GeluKind::Exact;
    Value activated = nn::GeluOp::create(b, inner, nn::GeluKindAttr::get(b.getContext(), kind));
    return add(x, linear(activated, prefix + "mlp.c_proj", width, true, residual, true));
  }

  const ModelDefinition &model;
  const int64_t length;
  OwningOpRef<ModuleOp> module;
  ImplicitLocOpBuilder b;
  const double residual;
  Value positions, segments, table;
};

} // namespace

OwningOpRef<ModuleOp> buildLoss(const ModelDefinition &definition, int64_t length, MLIRContext *context) {
  return LossBuilder(definition, length, context).build();
}

} // namespace llmc::spec
