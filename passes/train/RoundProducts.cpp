//===- RoundProducts.cpp - products of 16 bits in training ---------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/NumericBound.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_ROUNDPRODUCTS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;

namespace {

struct RoundProducts : passes::impl::RoundProductsBase<RoundProducts>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override {
    return half ? NumericBound::relative(0.003, "operands of products are rounded to f16")
                : NumericBound::relative(0.02, "operands of products are rounded to bf16");
  }

  using RoundProductsBase::RoundProductsBase;

  void runOnOperation() override {
    rounded.clear();
    SmallVector<linalg::GenericOp> products;
    getOperation().walk([&](linalg::GenericOp op) {
      if (linalg::isaContractionOpInterface(op))
        products.push_back(op);
    });
    for (linalg::GenericOp op : products) {
      for (OpOperand *input : op.getDpsInputOperands())
        if (getElementTypeOrSelf(input->get()).isF32())
          roundInput(op, *input);
      count(1, "products");
    }
  }

private:
  Type roundedType() {
    return half ? Type(Float16Type::get(&getContext())) : Type(BFloat16Type::get(&getContext()));
  }

  /// Weights are rounded where they are multiplied: they are stored in f32. What is computed is rounded once,
  /// in a tensor of its own.
  void roundInput(linalg::GenericOp op, OpOperand &input) {
    OpBuilder builder = OpBuilder::atBlockBegin(op.getBody());
    BlockArgument argument = op.getMatchingBlockArgument(&input);
    Type element = roundedType(), f32 = builder.getF32Type();
    if (input.get().getDefiningOp<nn::LoadOp>()) {
      auto narrow = arith::TruncFOp::create(builder, op.getLoc(), element, argument);
      Value wide = arith::ExtFOp::create(builder, op.getLoc(), f32, narrow.getResult());
      argument.replaceAllUsesExcept(wide, narrow);
      return;
    }
    input.set(roundTensor(input.get()));
    argument.setType(element);
    auto wide = arith::ExtFOp::create(builder, op.getLoc(), f32, argument);
    argument.replaceAllUsesExcept(wide, wide);
  }

  Value roundTensor(Value value) {
    Value &result = rounded[value];
    if (result)
      return result;
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(value);
    auto type = cast<RankedTensorType>(value.getType());
    Value empty = tensor::EmptyOp::create(builder, value.getLoc(), type.getShape(), roundedType());
    const AffineMap identity = builder.getMultiDimIdentityMap(type.getRank());
    auto generic = linalg::GenericOp::create(
        builder, value.getLoc(), empty.getType(), ValueRange{value}, ValueRange{empty},
        ArrayRef<AffineMap>{identity, identity},
        SmallVector<utils::IteratorType>(type.getRank(), utils::IteratorType::parallel),
        [&](OpBuilder &nested, Location loc, ValueRange arguments) {
          Value narrow = arith::TruncFOp::create(nested, loc, roundedType(), arguments[0]);
          linalg::YieldOp::create(nested, loc, narrow);
        });
    return result = generic.getResult(0);
  }

  DenseMap<Value, Value> rounded;
};

} // namespace
