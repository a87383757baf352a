//===- LowerToCpu.cpp - from fused nn to kernels and steps -------------------------------------------===//

#include "codegen/cpu/LowerToCpu.h"

#include "codegen/cpu/FunctionLowering.h"
#include "codegen/cpu/Passes.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/NotSupported.h"
#include "passes/NumericBound.h"
#include "llvm/ADT/SetVector.h"

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

/// `root` and what it calls, callees before callers. Calls do not recurse: a model has a finite number of
/// layers.
SmallVector<func::FuncOp> inCallOrder(func::FuncOp root) {
  auto module = root->getParentOfType<ModuleOp>();
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
  visit(root);
  return order;
}

/// The function that reads a source, if there is one, and the forward pass.
struct PublicFunctions {
  func::FuncOp encode, forward;
};

FailureOr<PublicFunctions> findPublicFunctions(ModuleOp module) {
  PublicFunctions found;
  SmallVector<func::FuncOp> others;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function.isPublic() || function.isDeclaration())
      continue;
    if (readsSource(function) && !found.encode)
      found.encode = function;
    else
      others.push_back(function);
  }
  if (others.size() != 1)
    return emitNotSupported(module.getLoc())
           << "has " << others.size() << " public functions, expected one: the forward pass";
  found.forward = others.front();
  return found;
}

/// The width of the outputs of a step.
FailureOr<int64_t> outputWidthOf(func::FuncOp forward) {
  auto result =
      dyn_cast<RankedTensorType>(forward.getNumResults() == 0 ? Type() : forward.getResultTypes()[0]);
  if (!result || result.getRank() != 2 || !result.getElementType().isF32() || result.isDynamicDim(1))
    return emitNotSupported(forward) << "is a step and needs a result of type tensor<?xWIDTHxf32>";
  return result.getDimSize(1);
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
  FailureOr<PublicFunctions> functions = findPublicFunctions(module);
  if (failed(functions))
    return failure();
  const SmallVector<func::FuncOp> forward = inCallOrder(functions->forward);
  SmallVector<func::FuncOp> encode;
  if (functions->encode)
    encode = inCallOrder(functions->encode);
  llvm::SetVector<func::FuncOp> all(forward.begin(), forward.end());
  all.insert(encode.begin(), encode.end());
  for (func::FuncOp function : all) {
    if (failed(checkForm(function)))
      return failure();
    wrapInFusions(function);
  }
  FailureOr<int64_t> outputWidth = outputWidthOf(functions->forward);
  if (failed(outputWidth))
    return failure();

  WeightLayout weights(module, target.lanes, kernels.weightOrder());
  CacheSection caches;
  auto lower = [&](ArrayRef<func::FuncOp> functions, StringRef name, int64_t maxRows) {
    FunctionLowering lowering(module, kernels, target, sizes, weights, caches, *outputWidth, maxRows, name);
    return success(llvm::all_of(functions, [&](func::FuncOp f) { return succeeded(lowering.lower(f)); }));
  };
  Builder builder(module.getContext());
  if (functions->encode) {
    if (failed(lower(encode, "source", sizes.context)))
      return failure();
    module->setAttr(kSourceCacheBytesAttribute, builder.getI64IntegerAttr(caches.bytes()));
  }
  if (failed(lower(forward, "prefill", sizes.maxRows)))
    return failure();
  if (llvm::any_of(functions->forward.getArgumentTypes(), llvm::IsaPred<nn::KvCacheType>) &&
      failed(lower(forward, "decode", 1)))
    return failure();
  for (func::FuncOp function : llvm::reverse(all))
    function.erase();
  module->setAttr(kCacheBytesAttribute, builder.getI64IntegerAttr(caches.bytes()));
  if (!caches.runs().empty())
    module->setAttr(kCacheRunsAttribute, builder.getDenseI64ArrayAttr(caches.runs()));
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
