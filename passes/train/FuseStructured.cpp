//===- FuseStructured.cpp - formulas where their results are read ------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/NumericBound.h"
#include "passes/Passes.h"

namespace llmc::passes {
#define GEN_PASS_DEF_FUSESTRUCTURED
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;

namespace {

/// Whether the formula of `op` is computed again for less than reading its result costs: no function of
/// mathematics, no division, and no more is read than the result is. (Sums of two tensors, were they computed
/// again, would make each layer add up those of all layers before.)
bool isCheap(linalg::GenericOp op) {
  const int64_t elements = cast<ShapedType>(op.getResultTypes().front()).getNumElements();
  const auto large = llvm::count_if(op.getDpsInputs(), [&](Value input) {
    auto type = dyn_cast<ShapedType>(input.getType());
    return type && type.getNumElements() >= elements;
  });
  return large <= 1 && op.getBody()->getOperations().size() <= 4 &&
         llvm::none_of(op.getBody()->getOperations(), [](Operation &inner) {
           return isa<math::MathDialect>(inner.getDialect()) || isa<arith::DivFOp>(inner);
         });
}

bool isFused(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!producer || !consumer || linalg::isaContractionOpInterface(consumer))
    return false;
  // What is reduced is computed once for each element.
  return producer->hasOneUse() || isCheap(producer);
}

struct FuseStructured : passes::impl::FuseStructuredBase<FuseStructured>, NumericallyBounded {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, isFused);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
