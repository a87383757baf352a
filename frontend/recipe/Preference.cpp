//===- Preference.cpp - which of two texts is the better one ------------------------------------------------===//
//
// Direct preference optimization (Rafailov et al., 2023): with r the logarithm of how much more likely the
// model makes a text than the reference does, the loss of a pair is -log(sigmoid(beta (r_chosen -
// r_rejected))), which is the cross entropy of the logits (beta r_chosen, beta r_rejected).
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/recipe/LossFunction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace llmc::recipe {

void addPreference(func::FuncOp loss, ModuleOp reference, double beta, int64_t texts) {
  nn::CrossEntropyOp ofModel = crossEntropyOf(loss);
  Value logits = addReferenceModel(loss, reference);
  Operation *terminator = loss.front().getTerminator();
  ImplicitLocOpBuilder b(loss.getLoc(), terminator);
  Value ofReference = nn::CrossEntropyOp::create(b, logits, ofModel.getTargets(), b.getF64FloatAttr(0));
  // Losses are negative logarithms; rows without a target, prompts and padding, have none of either model.
  Value ratios = arith::SubFOp::create(b, ofReference, ofModel);
  Value sums = nn::ScatterRowsOp::create(b, RankedTensorType::get({texts, 1}, b.getF32Type()), ratios,
                                         addInput(loss, "sequences", loss.getArgument(0).getType()));
  auto flat = RankedTensorType::get({texts}, b.getF32Type());
  auto pairs = RankedTensorType::get({texts / 2, 2}, b.getF32Type());
  sums = tensor::CollapseShapeOp::create(b, flat, sums, ArrayRef<ReassociationIndices>{{0, 1}});
  sums = tensor::ExpandShapeOp::create(b, pairs, sums, ArrayRef<ReassociationIndices>{{0, 1}});
  Value scores = nn::ScaleOp::create(b, sums, b.getF64FloatAttr(beta));
  Value choices = addInput(loss, "choices", RankedTensorType::get({texts / 2}, b.getI32Type()));
  Value losses = nn::CrossEntropyOp::create(b, scores, choices, b.getF64FloatAttr(0));
  terminator->setOperand(0, losses);
  loss.setFunctionType(b.getFunctionType(loss.getArgumentTypes(), losses.getType()));
}

} // namespace llmc::recipe
