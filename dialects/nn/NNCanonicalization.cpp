//===- NNCanonicalization.cpp - rewrites that make any program simpler -------------------------------===//
//
// All of them are exact to the bit.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace llmc::nn;

namespace {

/// A split into one part of the operand's own type is the operand.
struct DropTrivialSplit : OpRewritePattern<SplitOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SplitOp op, PatternRewriter &rewriter) const override {
    if (op.getNumResults() != 1 || op.getResult(0).getType() != op.getInput().getType())
      return failure();
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

/// A part that is only split further is split at once.
struct MergeNestedSplits : OpRewritePattern<SplitOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SplitOp op, PatternRewriter &rewriter) const override {
    auto outer = op.getInput().getDefiningOp<SplitOp>();
    if (!outer || !op.getInput().hasOneUse())
      return failure();
    const unsigned part = cast<OpResult>(op.getInput()).getResultNumber();
    SmallVector<Type> types(outer.getResultTypes());
    types.erase(types.begin() + part);
    types.insert(types.begin() + part, op.getResultTypes().begin(), op.getResultTypes().end());

    rewriter.setInsertionPoint(outer);
    auto merged = SplitOp::create(rewriter, rewriter.getFusedLoc({outer.getLoc(), op.getLoc()}), types,
                                  outer.getInput());
    SmallVector<Value> parts(merged.getResults());
    rewriter.replaceOp(op, ArrayRef(parts).slice(part, op.getNumResults()));
    // The part itself has no reader any more; any value of its type stands for it.
    SmallVector<Value> others(ArrayRef(parts).take_front(part));
    others.push_back(outer.getResult(part));
    llvm::append_range(others, ArrayRef(parts).drop_front(part + types.size() + 1 - outer.getNumResults()));
    for (auto [old, made] : llvm::zip(outer.getResults(), others))
      if (old != made)
        rewriter.replaceAllUsesWith(old, made);
    rewriter.eraseOp(outer);
    return success();
  }
};

/// The inputs of a concatenation that is only concatenated further take its place.
struct FlattenNestedConcats : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    for (Value input : op.getInputs()) {
      auto nested = input.getDefiningOp<ConcatOp>();
      if (nested && input.hasOneUse())
        llvm::append_range(inputs, nested.getInputs());
      else
        inputs.push_back(input);
    }
    if (inputs.size() == op.getInputs().size())
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getInputsMutable().assign(inputs); });
    return success();
  }
};

/// Whether every number of type `narrow` is one of type `wide`.
bool isExactIn(Type narrow, Type wide) {
  auto from = dyn_cast<FloatType>(narrow), to = dyn_cast<FloatType>(wide);
  if (!from || !to)
    return false;
  const llvm::fltSemantics &a = from.getFloatSemantics(), &b = to.getFloatSemantics();
  return llvm::APFloat::semanticsPrecision(a) <= llvm::APFloat::semanticsPrecision(b) &&
         llvm::APFloat::semanticsMaxExponent(a) <= llvm::APFloat::semanticsMaxExponent(b) &&
         llvm::APFloat::semanticsMinExponent(a) >= llvm::APFloat::semanticsMinExponent(b);
}

/// A conversion by way of a wider type is one conversion.
struct SkipExactConversion : OpRewritePattern<ConvertOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvertOp op, PatternRewriter &rewriter) const override {
    auto first = op.getInput().getDefiningOp<ConvertOp>();
    if (!first || !isExactIn(cast<ShapedType>(first.getInput().getType()).getElementType(),
                             cast<ShapedType>(first.getResult().getType()).getElementType()))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getInputMutable().assign(first.getInput()); });
    return success();
  }
};

} // namespace

void SplitOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropTrivialSplit, MergeNestedSplits>(context);
}

void ConcatOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FlattenNestedConcats>(context);
}

void ConvertOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SkipExactConversion>(context);
}
