//===- Decompose.cpp - structured operations in place of those of nn ---------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/NumericBound.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_DECOMPOSE
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;

namespace {

struct Decompose : passes::impl::DecomposeBase<Decompose>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override {
    return NumericBound::relative(1e-5, "formulas are computed in another order than the reference does");
  }

  void runOnOperation() override {
    SmallVector<linalg::AggregatedOpInterface> found;
    getOperation().walk([&](linalg::AggregatedOpInterface op) {
      if (isa<nn::NNDialect>(op->getDialect()) && !isa<nn::AttentionGradientOp>(op))
        found.push_back(op);
    });
    for (linalg::AggregatedOpInterface op : found) {
      OpBuilder builder(op);
      FailureOr<SmallVector<Value>> values = op.decomposeOperation(builder);
      if (failed(values)) {
        op->emitOpError() << "can not be taken apart: its width is not known";
        return signalPassFailure();
      }
      op->replaceAllUsesWith(*values);
      op->erase();
      count(1, "operations taken apart");
    }
  }
};

} // namespace
