//===- RoundProducts.cpp - products of bf16 in training ------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
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
    return NumericBound::relative(0.02, "operands of products are rounded to bf16");
  }

  void runOnOperation() override {
    getOperation().walk([&](linalg::GenericOp op) {
      if (!linalg::isaContractionOpInterface(op))
        return;
      OpBuilder builder = OpBuilder::atBlockBegin(op.getBody());
      for (BlockArgument argument : op.getRegionInputArgs()) {
        if (!argument.getType().isF32())
          continue;
        auto narrow = arith::TruncFOp::create(builder, op.getLoc(), builder.getBF16Type(), argument);
        Value rounded = arith::ExtFOp::create(builder, op.getLoc(), builder.getF32Type(), narrow.getResult());
        argument.replaceAllUsesExcept(rounded, narrow);
      }
      count(1, "products");
    });
  }
};

} // namespace
