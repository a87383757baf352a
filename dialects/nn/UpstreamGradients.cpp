//===- UpstreamGradients.cpp - gradients of arith, math and tensor ----------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace llmc::nn;

using Gradients = FailureOr<SmallVector<Value>>;

namespace {

template <typename Op>
struct GradientModel : DifferentiableOpInterface::ExternalModel<GradientModel<Op>, Op> {
  Gradients buildGradients(Operation *op, OpBuilder &builder, ValueRange gradients,
                           const llvm::SmallBitVector &wanted) const {
    SmallVector<Value> results(op->getNumOperands());
    if (gradients[0])
      for (unsigned index = 0; index < op->getNumOperands(); ++index)
        if (wanted.test(index))
          results[index] = build(cast<Op>(op), builder, gradients[0], index);
    return results;
  }

private:
  static Value build(arith::AddFOp, OpBuilder &, Value gradient, unsigned) { return gradient; }
  static Value build(arith::SubFOp op, OpBuilder &builder, Value gradient, unsigned index) {
    return index == 0 ? gradient : Value(arith::NegFOp::create(builder, op.getLoc(), gradient));
  }
  static Value build(arith::NegFOp op, OpBuilder &builder, Value gradient, unsigned) {
    return arith::NegFOp::create(builder, op.getLoc(), gradient);
  }
  static Value build(arith::MulFOp op, OpBuilder &builder, Value gradient, unsigned index) {
    return arith::MulFOp::create(builder, op.getLoc(), gradient, op->getOperand(1 - index));
  }
};

/// d tanh(x) = 1 - tanh(x)^2.
struct TanhGradientModel : DifferentiableOpInterface::ExternalModel<TanhGradientModel, math::TanhOp> {
  Gradients buildGradients(Operation *op, OpBuilder &builder, ValueRange gradients,
                           const llvm::SmallBitVector &wanted) const {
    SmallVector<Value> results(1);
    if (!gradients[0] || !wanted.test(0))
      return results;
    Value result = op->getResult(0);
    Value scaled = arith::MulFOp::create(builder, op->getLoc(), gradients[0], result);
    scaled = arith::MulFOp::create(builder, op->getLoc(), scaled, result);
    results[0] = arith::SubFOp::create(builder, op->getLoc(), gradients[0], scaled);
    return results;
  }
};

/// Of an operation that only changes the shape: that of the other direction.
template <typename Op, typename Inverse>
struct ReshapeGradientModel
    : DifferentiableOpInterface::ExternalModel<ReshapeGradientModel<Op, Inverse>, Op> {
  Gradients buildGradients(Operation *op, OpBuilder &builder, ValueRange gradients,
                           const llvm::SmallBitVector &wanted) const {
    SmallVector<Value> results(op->getNumOperands());
    auto reshape = cast<Op>(op);
    if (gradients[0] && wanted.test(0))
      results[0] = Inverse::create(builder, op->getLoc(), reshape.getSrcType(), gradients[0],
                                   reshape.getReassociationIndices());
    return results;
  }
};

template <typename... Ops> void attach(MLIRContext *context) {
  (Ops::template attachInterface<GradientModel<Ops>>(*context), ...);
}

} // namespace

void llmc::nn::registerGradientModels(DialectRegistry &registry) {
  registry.insert<NNDialect, arith::ArithDialect, math::MathDialect, tensor::TensorDialect>();
  registry.addExtension(+[](MLIRContext *context, NNDialect *, arith::ArithDialect *, math::MathDialect *) {
    attach<arith::AddFOp, arith::SubFOp, arith::NegFOp, arith::MulFOp>(context);
    math::TanhOp::attachInterface<TanhGradientModel>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, NNDialect *, tensor::TensorDialect *) {
    using tensor::CollapseShapeOp, tensor::ExpandShapeOp;
    CollapseShapeOp::attachInterface<ReshapeGradientModel<CollapseShapeOp, ExpandShapeOp>>(*context);
    ExpandShapeOp::attachInterface<ReshapeGradientModel<ExpandShapeOp, CollapseShapeOp>>(*context);
  });
}
