//===- FuseStructured.cpp - formulas where their results are read ------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
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

/// Whether `op` does nothing but round a tensor.
bool isRounding(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 || op.getNumParallelLoops() != op.getNumLoops() ||
      !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return false;
  auto yield = cast<linalg::YieldOp>(op.getBody()->getTerminator());
  auto narrow = yield.getOperand(0).getDefiningOp<arith::TruncFOp>();
  return narrow && narrow.getIn() == op.getBody()->getArgument(0);
}

/// What is read as it is and rounded too is rounded where it is computed, not where it was read again.
struct RoundWhereComputed : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp rounding, PatternRewriter &rewriter) const override {
    if (!isRounding(rounding))
      return failure();
    auto result = dyn_cast<OpResult>(rounding.getDpsInputs()[0]);
    auto producer = result ? dyn_cast<linalg::GenericOp>(result.getOwner()) : nullptr;
    if (!producer || producer->getBlock() != rounding->getBlock() ||
        producer.getNumParallelLoops() != producer.getNumLoops() ||
        !producer.getIndexingMapMatchingResult(result).isIdentity())
      return failure();
    const Location loc = producer.getLoc();
    const unsigned number = result.getResultNumber();
    auto type = cast<RankedTensorType>(rounding.getResultTypes().front());
    rewriter.setInsertionPoint(producer);
    SmallVector<Value> outputs(producer.getDpsInits());
    outputs.push_back(tensor::EmptyOp::create(rewriter, loc, type.getShape(), type.getElementType()));
    SmallVector<Type> types(producer.getResultTypes());
    types.push_back(type);
    SmallVector<AffineMap> maps = producer.getIndexingMapsArray();
    maps.push_back(rewriter.getMultiDimIdentityMap(producer.getNumLoops()));
    auto both = linalg::GenericOp::create(rewriter, loc, types, producer.getDpsInputs(), outputs, maps,
                                          producer.getIteratorTypesArray());
    rewriter.inlineRegionBefore(producer.getRegion(), both.getRegion(), both.getRegion().end());
    Block &body = both.getRegion().front();
    body.addArgument(type.getElementType(), loc);
    Operation *yield = body.getTerminator();
    rewriter.setInsertionPoint(yield);
    SmallVector<Value> yielded(yield->getOperands());
    yielded.push_back(
        arith::TruncFOp::create(rewriter, loc, type.getElementType(), yield->getOperand(number)));
    rewriter.replaceOpWithNewOp<linalg::YieldOp>(yield, yielded);
    rewriter.replaceOp(rounding, both.getResults().back());
    rewriter.replaceOp(producer, both.getResults().drop_back());
    return success();
  }
};

struct FuseStructured : passes::impl::FuseStructuredBase<FuseStructured>, NumericallyBounded {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, isFused);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    patterns.add<RoundWhereComputed>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
