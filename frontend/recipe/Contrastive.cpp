//===- Contrastive.cpp - texts that belong together, among others -----------------------------------------===//
//
// InfoNCE (van den Oord et al., 2018) over the texts of a batch. The products of all anchors with all
// candidates are one matrix, of which each row is a classification.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/recipe/LossFunction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <cmath>

using namespace mlir;

namespace llmc::recipe {

namespace {

/// What the root-mean-square norm adds to mean squares: sums over texts are larger by far.
constexpr double kEpsilon = 1e-12;

class ContrastiveLoss {
public:
  ContrastiveLoss(func::FuncOp loss, const ContrastiveForm &form, ImplicitLocOpBuilder &b)
      : loss(loss), form(form), b(b) {}

  absl::StatusOr<Value> build(Value states) {
    absl::StatusOr<Value> pooled = pool(states);
    if (!pooled.ok())
      return pooled;
    Value texts = normalize(*pooled);
    const int64_t groups = form.texts / form.groupSize;
    Value anchors = nn::SelectRowsOp::create(b, texts, addIds("anchors", groups));
    Value candidates = nn::SelectRowsOp::create(b, texts, addIds("candidates", form.texts - groups));
    Value products = nn::LinearOp::create(b, anchors, candidates, /*bias=*/Value()); // [groups, candidates]
    Value logits = nn::ScaleOp::create(b, products, b.getF64FloatAttr(1 / form.temperature));
    return Value(nn::CrossEntropyOp::create(b, logits, addIds("choices", groups), b.getF64FloatAttr(0)));
  }

private:
  Value addIds(StringRef name, int64_t count) {
    return addInput(loss, name, RankedTensorType::get({count}, b.getI32Type()));
  }

  /// A row for each text, and maybe one more, of which only the direction counts.
  absl::StatusOr<Value> pool(Value states) {
    auto type = cast<RankedTensorType>(states.getType());
    switch (form.pooling) {
    case frontend::Pooling::Mode::Mean: // the direction of a mean is that of the sum; padding has a row of
                                        // its own
      return Value(nn::ScatterRowsOp::create(
          b, RankedTensorType::get({form.texts + 1, type.getDimSize(1)}, type.getElementType()), states,
          addInput(loss, "texts", loss.getArgument(0).getType())));
    case frontend::Pooling::Mode::First:
      return Value(nn::SelectRowsOp::create(b, states, addIds("first_rows", form.texts)));
    case frontend::Pooling::Mode::Max:
    case frontend::Pooling::Mode::Last:
    case frontend::Pooling::Mode::WeightedMean:
      return absl::UnimplementedError("pools the largest values of tokens, the last one or a weighted mean, "
                                      "which can not be trained; expected the mean or the first token");
    }
    llvm_unreachable("unknown pooling");
  }

  /// Rows divided by their lengths.
  Value normalize(Value rows) {
    const int64_t width = cast<RankedTensorType>(rows.getType()).getDimSize(1);
    auto type = RankedTensorType::get({width}, b.getF32Type());
    const auto factor = static_cast<float>(1 / std::sqrt(static_cast<double>(width)));
    Value weight = arith::ConstantOp::create(b, DenseElementsAttr::get(type, factor));
    return nn::RmsNormOp::create(b, rows, weight, b.getF64FloatAttr(kEpsilon));
  }

  func::FuncOp loss;
  const ContrastiveForm &form;
  ImplicitLocOpBuilder &b;
};

} // namespace

absl::StatusOr<Value> buildContrastiveLoss(func::FuncOp loss, Value states, const ContrastiveForm &form,
                                           ImplicitLocOpBuilder &b) {
  return ContrastiveLoss(loss, form, b).build(states);
}

} // namespace llmc::recipe
