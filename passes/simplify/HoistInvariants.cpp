//===- HoistInvariants.cpp - work that callers can do once -------------------------------------------===//

#include "mlir/IR/IRMapping.h"
#include "passes/Calls.h"
#include "passes/NumericBound.h"
#include "passes/Parameters.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_HOISTINVARIANTS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

struct HoistInvariants : passes::impl::HoistInvariantsBase<HoistInvariants>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    passes::Calls calls(getOperation());
    // Callees first, so that what leaves a function can leave its caller too.
    for (func::FuncOp function : calls.getCalleesFirst()) {
      auto calling = calls.getCallsOf(function);
      if (!function.isPrivate() || calling.empty() || !calls.areChangeable(function))
        continue;
      hoist(function, calling);
      removeUnreadArguments(function, calling);
    }
  }

private:
  /// Whether a caller can compute `op` from what it passes.
  static bool isInvariant(Operation *op) {
    if (isa<RopeTableOp>(op))
      return isa<BlockArgument>(op->getOperand(0));
    return op->getNumResults() && passes::isParameterExpression(op->getResult(0));
  }

  void hoist(func::FuncOp function, ArrayRef<func::CallOp> calling) {
    Block &body = function.getBody().front();
    llvm::SetVector<Operation *> hoisted;
    for (Operation &op : body.without_terminator())
      if (isInvariant(&op))
        hoisted.insert(&op);
    if (hoisted.empty())
      return;
    // Values that the rest of the function reads: the new arguments.
    SmallVector<Value> values;
    for (Operation *op : hoisted)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !hoisted.contains(user); }))
          values.push_back(result);

    const unsigned firstNew = function.getNumArguments();
    for (func::CallOp call : calling)
      call->insertOperands(firstNew, computeAt(call, function, hoisted.getArrayRef(), values));
    for (Value value : values) {
      unsigned index = function.getNumArguments();
      SmallVector<NamedAttribute> attributes;
      Builder builder(&getContext());
      if (!isa<RopeTableOp>(value.getDefiningOp()))
        attributes.push_back(builder.getNamedAttr(kParameterArgument, builder.getUnitAttr()));
      (void)function.insertArgument(index, value.getType(), builder.getDictionaryAttr(attributes),
                                    value.getLoc());
      value.replaceAllUsesWith(function.getArgument(index));
    }
    for (Operation *op : llvm::reverse(hoisted))
      op->erase();
    count(hoisted.size(), "operations moved to callers");
  }

  /// Clones the operations `hoisted` of `function` before `call`, with the operands of `call` as arguments.
  /// Returns the clones of `values`.
  static SmallVector<Value> computeAt(func::CallOp call, func::FuncOp function, ArrayRef<Operation *> hoisted,
                                      ArrayRef<Value> values) {
    IRMapping mapping;
    mapping.map(function.getArguments(), call.getOperands());
    OpBuilder builder(call);
    for (Operation *op : hoisted) {
      for (Value operand : op->getOperands()) // what is not mapped is a constant
        if (!mapping.contains(operand))
          builder.clone(*operand.getDefiningOp(), mapping);
      builder.clone(*op, mapping);
    }
    return llvm::map_to_vector(values, [&](Value value) { return mapping.lookup(value); });
  }

  void removeUnreadArguments(func::FuncOp function, ArrayRef<func::CallOp> calling) {
    llvm::BitVector unread(function.getNumArguments());
    for (BlockArgument argument : function.getArguments())
      if (argument.use_empty())
        unread.set(argument.getArgNumber());
    if (unread.none())
      return;
    for (func::CallOp call : calling)
      call->eraseOperands(unread);
    (void)function.eraseArguments(unread);
    count(unread.count(), "arguments removed");
  }
};

} // namespace
