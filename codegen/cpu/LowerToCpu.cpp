//===- LowerToCpu.cpp - from fused nn to kernels and steps -------------------------------------------===//

#include "codegen/cpu/LowerToCpu.h"

#include "codegen/cpu/FunctionLowering.h"
#include "codegen/cpu/Passes.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/NotSupported.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_LOWERTOCPU
#include "codegen/cpu/Passes.h.inc"

namespace {

/// Gives every operation of nn that is not in a fusion one of its own, so that there is one form to lower.
void wrapInFusions(func::FuncOp function) {
  SmallVector<Operation *> bare;
  for (Operation &op : function.front())
    if (op.getNumResults() > 0 && !isa<nn::FusionOp, nn::LoadOp, nn::EmptyCacheOp, func::CallOp>(op))
      bare.push_back(&op);
  for (Operation *op : bare) {
    OpBuilder builder(op);
    auto fusion = nn::FusionOp::create(builder, op->getLoc(), op->getResultTypes(), op->getOperands());
    Block *body = builder.createBlock(&fusion.getBody());
    op->replaceAllUsesWith(fusion->getResults());
    IRMapping mapping;
    for (Value operand : fusion.getInputs())
      mapping.map(operand, body->addArgument(operand.getType(), operand.getLoc()));
    Operation *inner = builder.clone(*op, mapping);
    nn::YieldOp::create(builder, op->getLoc(), inner->getResults());
    op->erase();
  }
}

/// Callees before callers. Calls do not recurse: a model has a finite number of layers.
SmallVector<func::FuncOp> inCallOrder(ModuleOp module) {
  SmallVector<func::FuncOp> order;
  llvm::SmallPtrSet<Operation *, 8> seen;
  std::function<void(func::FuncOp)> visit = [&](func::FuncOp function) {
    if (function.isDeclaration() || !seen.insert(function).second)
      return;
    function.walk([&](func::CallOp call) {
      if (auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee()))
        visit(callee);
    });
    order.push_back(function);
  };
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic())
      visit(function);
  return order;
}

/// Whether values of `type` that are no parameters have a form in memory.
bool isLowered(Type type) {
  if (isa<nn::KvCacheType>(type))
    return true;
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return false;
  Type element = tensor.getElementType();
  if (tensor.getRank() == 1)
    return element.isInteger(32);
  if (tensor.getRank() != 2 || tensor.isDynamicDim(1))
    return false;
  auto block = dyn_cast<nn::BlockType>(element);
  return element.isF32() || element.isBF16() || (block && block.isActivation());
}

/// Refuses control flow and types that kernels know nothing of, so that what follows can rely on it.
LogicalResult checkForm(func::FuncOp function) {
  if (!function.getBody().hasOneBlock())
    return emitNotSupported(function) << "has control flow, which the CPU code generator does not support";
  auto check = [](Operation *op, Value value) -> WalkResult {
    Value outer = outerValue(value);
    if (isLowered(value.getType()) || nn::isParameter(outer ? outer : value))
      return WalkResult::advance();
    return emitNotSupported(op) << "has a value of type " << value.getType()
                                << ", which the CPU code generator does not support: expected tensor<?xi32>, "
                                   "tensor<?xWIDTHxf32> or !nn.kv_cache";
  };
  return failure(function
                     .walk([&](Operation *op) {
                       for (Region &region : op->getRegions())
                         for (BlockArgument argument : region.getArguments())
                           if (check(op, argument).wasInterrupted())
                             return WalkResult::interrupt();
                       for (Value result : op->getResults())
                         if (check(op, result).wasInterrupted())
                           return WalkResult::interrupt();
                       return WalkResult::advance();
                     })
                     .wasInterrupted());
}

} // namespace

LogicalResult lowerToSteps(ModuleOp module, KernelLowering &kernels, const Target &target,
                           const StepSizes &sizes) {
  SmallVector<func::FuncOp> functions = inCallOrder(module);
  auto steps = llvm::count_if(functions, [](func::FuncOp f) { return f.isPublic(); });
  if (steps != 1)
    return emitNotSupported(module.getLoc())
           << "has " << steps << " public functions, expected one: the forward pass";
  for (func::FuncOp function : functions) {
    if (failed(checkForm(function)))
      return failure();
    wrapInFusions(function);
  }
  func::FuncOp forward = functions.back();
  bool hasCache = llvm::any_of(forward.getArgumentTypes(), llvm::IsaPred<nn::KvCacheType>);

  WeightLayout weights(module, target.lanes, kernels.weightOrder());
  int64_t cacheBytes = 0;
  std::vector<std::pair<StringRef, int64_t>> modes{{"prefill", sizes.maxRows}};
  if (hasCache)
    modes.emplace_back("decode", 1);
  for (auto [name, maxRows] : modes) {
    FunctionLowering lowering(module, kernels, target, sizes, weights, maxRows, name);
    for (func::FuncOp function : functions)
      if (failed(lowering.lower(function)))
        return failure();
    cacheBytes = lowering.cacheBytes();
  }
  for (func::FuncOp function : llvm::reverse(functions))
    function.erase();
  Builder builder(module.getContext());
  module->setAttr(kCacheBytesAttribute, builder.getI64IntegerAttr(cacheBytes));
  module->setAttr(kContextAttribute, builder.getI64IntegerAttr(sizes.context));
  module->setAttr(kTargetAttribute, builder.getStringAttr(target.cpu));
  SmallVector<StringRef> features(target.features.begin(), target.features.end());
  module->setAttr(kTargetFeaturesAttribute, builder.getStrArrayAttr(features));
  module->setAttr(kWeightsBytesAttribute, builder.getI64IntegerAttr(weights.bytes()));
  return success();
}

namespace {

class LowerToCpu : public impl::LowerToCpuBase<LowerToCpu>, public NumericallyBounded {
public:
  using LowerToCpuBase::LowerToCpuBase;

  NumericBound getNumericBound() const override {
    return NumericBound::relative(1e-5, "sums are taken in another order, with fused multiply-adds");
  }

  /// For a target that is known already: one that was named "native" has what this machine has.
  LowerToCpu(const Target &target, const StepSizes &sizes) : given(target) {
    targetCpu = target.cpu;
    context = sizes.context;
    maxRows = sizes.maxRows;
  }

  LogicalResult initialize(MLIRContext *mlirContext) override {
    if (given)
      return success();
    absl::StatusOr<Target> found = getTarget(targetCpu);
    if (!found.ok())
      return emitError(UnknownLoc::get(mlirContext)) << std::string(found.status().message());
    given = *std::move(found);
    return success();
  }

  void runOnOperation() override {
    CpuKernelLowering kernels(given->lanes);
    if (failed(lowerToSteps(getOperation(), kernels, *given, {maxRows, context})))
      signalPassFailure();
  }

private:
  std::optional<Target> given;
};

} // namespace

std::unique_ptr<Pass> createLowerToCpuPass(const Target &target, const StepSizes &sizes) {
  return std::make_unique<LowerToCpu>(target, sizes);
}

} // namespace llmc::codegen
