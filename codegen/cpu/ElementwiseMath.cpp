//===- ElementwiseMath.cpp - element-wise operations of upstream on vectors ---------------------------===//

#include "codegen/cpu/ElementwiseMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace llmc::codegen {

bool isElementwiseMath(Operation *op) {
  return isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) &&
         OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1 && op->getNumOperands() > 0 &&
         llvm::all_equal(op->getOperandTypes()) && op->getOperandTypes()[0] == op->getResultTypes()[0];
}

Value applyElementwise(OpBuilder &builder, Operation *op, ValueRange operands) {
  IRMapping mapping;
  mapping.map(op->getOperands(), operands);
  Operation *clone = builder.clone(*op, mapping);
  clone->getResult(0).setType(operands[0].getType());
  return clone->getResult(0);
}

bool becomesInstructions(Operation *op) {
  // The remainder is fmodf; polynomials of sine and cosine lose digits as angles grow.
  if (isa<arith::RemFOp, math::SinOp, math::CosOp>(op))
    return false;
  // What approximate-math makes of it says whether there is a polynomial.
  OpBuilder builder(op->getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, op->getLoc());
  builder.setInsertionPointToStart(module->getBody());
  SmallVector<Type> inputs(op->getNumOperands(), VectorType::get({4}, builder.getF32Type()));
  auto function = func::FuncOp::create(builder, op->getLoc(), "f",
                                       builder.getFunctionType(inputs, ArrayRef(inputs).take_front()));
  builder.setInsertionPointToStart(function.addEntryBlock());
  func::ReturnOp::create(builder, op->getLoc(), applyElementwise(builder, op, function.getArguments()));
  RewritePatternSet patterns(op->getContext());
  populateApproximateMath(patterns);
  if (failed(applyPatternsGreedily(*module, std::move(patterns))))
    return false;
  // Processors have these, or a few instructions for them. Only floor may be a call, to what every artifact
  // may call (Linker.cpp).
  auto result = function.walk([](Operation *nested) {
    bool isFunction =
        isa<math::MathDialect>(nested->getDialect()) &&
        !isa<math::AbsFOp, math::CopySignOp, math::FloorOp, math::RsqrtOp, math::SqrtOp>(nested);
    return isFunction ? WalkResult::interrupt() : WalkResult::advance();
  });
  return !result.wasInterrupted();
}

bool keepsZero(Operation *op) {
  return isa<arith::AddFOp, arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp, arith::MinNumFOp,
             arith::MulFOp, arith::NegFOp, arith::SubFOp, math::AbsFOp, math::CopySignOp, math::FloorOp,
             math::SqrtOp>(op);
}

} // namespace llmc::codegen
