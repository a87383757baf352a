//===- Distillation.cpp - learning from a teacher's probabilities -----------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/recipe/LossFunction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace llmc::recipe {

absl::Status addDistillation(func::FuncOp loss, ModuleOp teacher, const train::Distillation &distillation) {
  nn::CrossEntropyOp entropy = crossEntropyOf(loss);
  Value logits = entropy.getLogits(), ofTeacher = addReferenceModel(loss, teacher);
  auto widthOf = [](Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); };
  if (widthOf(ofTeacher) != widthOf(logits))
    return absl::InvalidArgumentError(
        absl::StrCat("distillation.teacher: ", distillation.teacher(), " tells ", widthOf(ofTeacher),
                     " tokens or labels apart, expected ", widthOf(logits), " as the model that learns"));
  Operation *terminator = loss.front().getTerminator();
  ImplicitLocOpBuilder b(loss.getLoc(), terminator);
  auto scale = [&](Value value, double factor) -> Value {
    return factor == 1 ? value : Value(nn::ScaleOp::create(b, value, b.getF64FloatAttr(factor)));
  };
  const double temperature = distillation.temperature(), weight = distillation.weight();
  Value divergence =
      nn::KlDivergenceOp::create(b, scale(logits, 1 / temperature), scale(ofTeacher, 1 / temperature));
  // Gradients of logits over a temperature are smaller by its square.
  divergence = scale(divergence, weight * temperature * temperature);
  // 1 in rows with a target, else 0.
  divergence = arith::MulFOp::create(b, divergence, addInput(loss, "weights", divergence.getType()));
  Value losses =
      weight == 1 ? divergence : Value(arith::AddFOp::create(b, scale(entropy, 1 - weight), divergence));
  terminator->setOperand(0, losses);
  return absl::OkStatus();
}

} // namespace llmc::recipe
