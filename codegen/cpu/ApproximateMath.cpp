//===- ApproximateMath.cpp - exp, tanh and erf as polynomials -------------------------------------------===//

#include "codegen/cpu/ElementwiseMath.h"
#include "codegen/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_APPROXIMATEMATH
#include "codegen/cpu/Passes.h.inc"

namespace {

/// vector.fma is what the processor has; math.fma would call fmaf where it has none.
struct UseProcessorFma : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !isa<VectorType>(op.getType()))
      return failure();
    if (isa<VectorType>(op.getType())) {
      rewriter.replaceOpWithNewOp<vector::FMAOp>(op, op.getA(), op.getB(), op.getC());
      return success();
    }
    Value product = arith::MulFOp::create(rewriter, op.getLoc(), op.getA(), op.getB());
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, product, op.getC());
    return success();
  }
};

class ApproximateMath : public impl::ApproximateMathBase<ApproximateMath>, public NumericallyBounded {
public:
  NumericBound getNumericBound() const override {
    return NumericBound::relative(2e-6, "polynomials are off by a few ulps");
  }

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateApproximateMath(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

void populateApproximateMath(RewritePatternSet &patterns) {
  populateMathPolynomialApproximationPatterns(patterns);
  patterns.add<UseProcessorFma>(patterns.getContext());
}

} // namespace llmc::codegen
