//===- Lora.cpp - low-rank adaptation --------------------------------------------------------------------===//
//
// y = W x becomes y + B' (A x), where B' = alpha / rank * B (Hu et al., 2021). A begins with numbers of the
// same variance as PEFT's, and B with zeros, so that training begins with the model as it is.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dialects/nn/NN.h"
#include "frontend/recipe/LossFunction.h"
#include "frontend/recipe/TrainingGraph.h"
#include "frontend/spec/ParameterAttributes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

using namespace mlir;

namespace llmc::recipe {

namespace {

constexpr StringLiteral kPrefix = "base_model.model.", kUp = ".lora_B.weight";

/// Whether `target` is `layer`, or the end of its name after a dot.
bool isEndOf(StringRef target, StringRef layer) {
  return layer.consume_back(target) && (layer.empty() || layer.back() == '.');
}

class Adaptation {
public:
  Adaptation(ModuleOp module, const train::Lora &lora)
      : module(module), loss(module.lookupSymbol<func::FuncOp>("loss")), lora(lora),
        b(module.getLoc(), module.getContext()) {}

  absl::Status run() {
    for (auto param : module.getOps<nn::ParamOp>())
      param->setAttr(nn::kFrozenAttribute, b.getUnitAttr());
    std::set<std::string> unmatched(lora.targets().begin(), lora.targets().end()), layers;
    const auto heads = findHeads(loss);
    for (auto linear : llvm::to_vector(loss.getOps<nn::LinearOp>())) {
      auto load = linear.getWeight().getDefiningOp<nn::LoadOp>();
      if (!load)
        continue;
      StringRef layer = load.getParam();
      layer.consume_back(".weight");
      layers.insert(layer.str());
      bool wanted = lora.targets().empty() && !heads.contains(linear);
      for (const std::string &target : lora.targets())
        if (isEndOf(target, layer)) {
          wanted = true;
          unmatched.erase(target);
        }
      if (wanted)
        adapt(linear, layer);
    }
    if (unmatched.empty())
      return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("lora.targets: '", *unmatched.begin(),
                     "' is the end of no linear layer's name, which are: ", absl::StrJoin(layers, ", ")));
  }

private:
  Value addParameter(StringRef layer, StringRef suffix, ArrayRef<int64_t> shape, double deviation) {
    const std::string name = (kPrefix + layer + suffix).str();
    auto type = RankedTensorType::get(shape, b.getF32Type());
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(loss);
      auto param = nn::ParamOp::create(b, name, type, StringAttr());
      param->setAttr(spec::kDeviationAttribute, b.getF64FloatAttr(deviation));
    }
    return nn::LoadOp::create(b, type, name);
  }

  void adapt(nn::LinearOp linear, StringRef layer) {
    const auto weight = cast<RankedTensorType>(linear.getWeight().getType());
    const int64_t out = weight.getDimSize(0), in = weight.getDimSize(1), rank = lora.rank();
    b.setInsertionPointAfter(linear);
    Value down =
        addParameter(layer, kLoraDownSuffix, {rank, in}, 1 / std::sqrt(3.0 * static_cast<double>(in)));
    Value up = addParameter(layer, kUp, {out, rank}, 0);
    auto type = cast<RankedTensorType>(up.getType());
    const auto scale = static_cast<float>(lora.alpha() / static_cast<double>(rank));
    Value scales = arith::ConstantOp::create(b, DenseElementsAttr::get(type, scale));
    up = arith::MulFOp::create(b, up, scales);
    Value low = nn::LinearOp::create(b, linear.getInput(), down, Value());
    Value sum = arith::AddFOp::create(b, linear, Value(nn::LinearOp::create(b, low, up, Value())));
    linear.getResult().replaceAllUsesExcept(sum, sum.getDefiningOp());
  }

  ModuleOp module;
  func::FuncOp loss;
  const train::Lora &lora;
  ImplicitLocOpBuilder b;
};

} // namespace

absl::Status addLora(ModuleOp module, const train::Lora &lora) { return Adaptation(module, lora).run(); }

std::string adapterConfig(ModuleOp module, const train::Lora &lora, double dropout, const std::string &base) {
  std::set<std::string> targets(lora.targets().begin(), lora.targets().end());
  bool transposed = false;
  for (auto param : module.getOps<nn::ParamOp>()) {
    StringRef layer = param.getSymName();
    transposed |= param->hasAttr(spec::kTransposedAttribute);
    if (layer.consume_front(kPrefix) && layer.consume_back(kLoraDownSuffix) && lora.targets().empty())
      targets.insert(layer.rsplit('.').second.str());
  }
  const nlohmann::ordered_json config = {
      {"peft_type", "LORA"},   {"task_type", "CAUSAL_LM"},     {"base_model_name_or_path", base},
      {"r", lora.rank()},      {"lora_alpha", lora.alpha()},   {"lora_dropout", dropout},
      {"bias", "none"},        {"fan_in_fan_out", transposed}, {"target_modules", targets},
      {"inference_mode", true}};
  return config.dump(2) + "\n";
}

} // namespace llmc::recipe
