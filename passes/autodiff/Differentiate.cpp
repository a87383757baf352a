//===- Differentiate.cpp - gradients of parameters, in reverse ---------------------------------------===//
//
// Values are active if they depend on a trainable parameter in a differentiable way; only these have
// gradients. Operations are gone through in reverse, each with the sums of the gradients of its results.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

bool isNumeric(Value value) { return isa<FloatType>(getElementTypeOrSelf(value)); }

/// The backward part of one function.
class Reverse {
public:
  explicit Reverse(func::FuncOp function)
      : function(function), module(function->getParentOfType<ModuleOp>()), block(function.front()),
        builder(block.getTerminator()) {}

  /// Operations that were differentiated.
  int64_t differentiated = 0;

  LogicalResult run() {
    findActive();
    SmallVector<Operation *> forward;
    for (Operation &op : block.without_terminator())
      forward.push_back(&op);
    addSeeds();
    for (Operation *op : llvm::reverse(forward))
      if (failed(differentiate(op)))
        return failure();
    return addResults();
  }

private:
  void findActive() {
    for (Operation &op : block.without_terminator()) {
      if (auto load = dyn_cast<LoadOp>(op)) {
        auto param = module.lookupSymbol<ParamOp>(load.getParam());
        if (param && !param->hasAttr(kFrozenAttribute) && isNumeric(load.getResult()))
          active.insert(load.getResult());
        continue;
      }
      auto rule = dyn_cast<DifferentiableOpInterface>(op);
      for (OpOperand &operand : op.getOpOperands())
        if (active.contains(operand.get()) &&
            (!rule || rule.isDifferentiableIn(operand.getOperandNumber()))) {
          active.insert_range(op.getResults());
          break;
        }
    }
  }

  /// The gradients of the function's results are its new arguments.
  void addSeeds() {
    Operation *terminator = block.getTerminator();
    for (auto [index, result] : llvm::enumerate(terminator->getOperands())) {
      if (!isNumeric(result))
        continue;
      (void)function.insertArgument(
          function.getNumArguments(), result.getType(),
          builder.getDictionaryAttr(builder.getNamedAttr(kSeedAttribute, builder.getI64IntegerAttr(index))),
          result.getLoc());
      if (active.contains(result))
        add(result, block.getArguments().back());
    }
  }

  void add(Value value, Value gradient) {
    if (value.getDefiningOp<LoadOp>()) {
      ofParameters.emplace_back(value, gradient);
      return;
    }
    Value &sum = gradients[value];
    sum = sum ? Value(arith::AddFOp::create(builder, gradient.getLoc(), sum, gradient)) : gradient;
  }

  LogicalResult differentiate(Operation *op) {
    if (isa<LoadOp>(op) || llvm::none_of(op->getResults(), [&](Value v) { return gradients.contains(v); }))
      return success();
    auto rule = dyn_cast<DifferentiableOpInterface>(op);
    if (!rule)
      return op->emitOpError() << "can not be differentiated: it has no rule for gradients";
    SmallVector<Value> ofResults;
    for (Value result : op->getResults())
      ofResults.push_back(gradients.lookup(result));
    llvm::SmallBitVector wanted(op->getNumOperands());
    for (OpOperand &operand : op->getOpOperands())
      wanted[operand.getOperandNumber()] = active.contains(operand.get());
    FailureOr<SmallVector<Value>> built = rule.buildGradients(builder, ofResults, wanted);
    if (failed(built))
      return failure();
    for (auto [operand, gradient] : llvm::zip_equal(op->getOperands(), *built))
      if (gradient)
        add(operand, gradient);
    ++differentiated;
    return success();
  }

  LogicalResult addResults() {
    if (ofParameters.empty())
      return function.emitOpError() << "depends on no parameter that can be trained";
    Operation *terminator = block.getTerminator();
    // In the order of the function's loads, so that the result does not depend on that of the backward part.
    for (auto load : block.getOps<LoadOp>())
      for (auto [source, gradient] : ofParameters) {
        if (source != load.getResult())
          continue;
        auto mark = builder.getNamedAttr(kGradientAttribute, load.getParamAttr());
        (void)function.insertResult(function.getNumResults(), gradient.getType(),
                                    builder.getDictionaryAttr(mark));
        terminator->insertOperands(terminator->getNumOperands(), gradient);
      }
    return success();
  }

  func::FuncOp function;
  ModuleOp module;
  Block &block;
  OpBuilder builder;
  DenseSet<Value> active;
  DenseMap<Value, Value> gradients;
  SmallVector<std::pair<Value, Value>> ofParameters; ///< loads, and a gradient for each use
};

struct Differentiate : passes::impl::DifferentiateBase<Differentiate>, Counting {
  using DifferentiateBase::DifferentiateBase;

  void runOnOperation() override {
    auto target = getOperation().lookupSymbol<func::FuncOp>(function.getValue());
    if (!target || !target.getBody().hasOneBlock()) {
      getOperation().emitError() << "has no function @" << function.getValue()
                                 << " with one block, which nn-differentiate is asked for";
      return signalPassFailure();
    }
    if (!target.front().getOps<func::CallOp>().empty()) {
      target.emitOpError() << "has calls, which nn-differentiate expects to be inlined";
      return signalPassFailure();
    }
    Reverse reverse(target);
    if (failed(reverse.run()))
      return signalPassFailure();
    count(reverse.differentiated, "operations differentiated");
  }
};

} // namespace
