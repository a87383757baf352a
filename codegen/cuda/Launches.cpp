//===- Launches.cpp - from kernel launches to calls of the runtime -------------------------------------===//

#include "codegen/cuda/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_LAUNCHESTOCALLS
#define GEN_PASS_DEF_DEFINELAUNCHERS
#include "codegen/cuda/Passes.h.inc"

namespace {

constexpr StringLiteral kLaunch = "llmc_gpu_launch";
/// On a launcher: its kernel, and how blocks of it are.
constexpr StringLiteral kKernelAttribute = "llmc.kernel", kThreadsAttribute = "llmc.threads",
                        kSharedBytesAttribute = "llmc.shared_bytes";
/// Arguments of a launcher before those of its kernel: worker, blocks.
constexpr unsigned kLauncherArguments = 3;

class LaunchesToCalls : public impl::LaunchesToCallsBase<LaunchesToCalls>, public NumericallyBounded {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto pointer = LLVM::LLVMPointerType::get(module.getContext());
    // Functions that launch, or call one that does, need a worker.
    llvm::SmallPtrSet<Operation *, 8> launching;
    for (bool grown = true; grown;) {
      grown = false;
      for (auto function : module.getOps<func::FuncOp>()) {
        bool needed = function->hasAttr(kStepAttribute);
        function.walk([&](Operation *op) {
          needed |= isa<gpu::LaunchFuncOp>(op);
          if (auto call = dyn_cast<func::CallOp>(op))
            needed |= launching.contains(module.lookupSymbol(call.getCallee()));
        });
        if (needed && launching.insert(function).second)
          grown = true;
      }
    }
    for (auto function : llvm::to_vector(module.getOps<func::FuncOp>())) {
      if (!launching.contains(function))
        continue;
      Value worker = function.front().addArgument(pointer, function.getLoc());
      function.setFunctionType(
          FunctionType::get(module.getContext(), function.front().getArgumentTypes(), {}));
      SmallVector<gpu::LaunchFuncOp> launches;
      function.walk([&](Operation *op) {
        if (auto call = dyn_cast<func::CallOp>(op)) {
          if (launching.contains(module.lookupSymbol(call.getCallee())))
            call->insertOperands(call->getNumOperands(), worker);
        } else if (auto launch = dyn_cast<gpu::LaunchFuncOp>(op)) {
          launches.push_back(launch);
        }
      });
      for (gpu::LaunchFuncOp launch : launches)
        if (failed(lower(launch, worker)))
          return signalPassFailure();
    }
  }

private:
  LogicalResult lower(gpu::LaunchFuncOp op, Value worker) {
    std::optional<int64_t> threads = getConstantIntValue(op.getBlockSizeX());
    std::optional<int64_t> bytes = 0;
    if (op.getDynamicSharedMemorySize())
      bytes = getConstantIntValue(op.getDynamicSharedMemorySize());
    if (!threads || !bytes || !isConstantIntValue(op.getGridSizeZ(), 1))
      return op.emitOpError()
             << "has not the form of a launch here: known numbers of threads in one dimension and of "
                "bytes of shared memory, a grid of two dimensions";
    ModuleOp module = getOperation();
    OpBuilder builder(op);
    SmallVector<Value> operands{worker, op.getGridSizeX(), op.getGridSizeY()};
    llvm::append_range(operands, op.getKernelOperands());
    StringRef kernel = op.getKernelName().getValue();
    const std::string name = ("launch." + kernel).str();
    auto launcher = module.lookupSymbol<func::FuncOp>(name);
    if (!launcher) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(module.getBody());
      auto type = builder.getFunctionType(TypeRange(ValueRange(operands)), {});
      launcher = func::FuncOp::create(builder, op.getLoc(), name, type);
      launcher.setPrivate();
      launcher->setAttr(kKernelAttribute, builder.getStringAttr(kernel));
      launcher->setAttr(kThreadsAttribute, builder.getI64IntegerAttr(*threads));
      launcher->setAttr(kSharedBytesAttribute, builder.getI64IntegerAttr(*bytes));
    }
    func::CallOp::create(builder, op.getLoc(), launcher, operands);
    op.erase();
    return success();
  }
};

class DefineLaunchers : public impl::DefineLaunchersBase<DefineLaunchers>, public NumericallyBounded {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<StringRef> kernels;
    for (auto launcher : llvm::to_vector(module.getOps<LLVM::LLVMFuncOp>()))
      if (auto kernel = launcher->getAttrOfType<StringAttr>(kKernelAttribute)) {
        define(launcher, static_cast<int64_t>(kernels.size()));
        kernels.push_back(kernel.getValue());
      }
    module->setAttr(kKernelsAttribute, Builder(module.getContext()).getStrArrayAttr(kernels));
  }

private:
  void define(LLVM::LLVMFuncOp launcher, int64_t number) {
    ModuleOp module = getOperation();
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    Location loc = launcher.getLoc();
    Type i64 = builder.getI64Type();
    auto pointer = LLVM::LLVMPointerType::get(module.getContext());
    auto launch = module.lookupSymbol<LLVM::LLVMFuncOp>(kLaunch);
    if (!launch) {
      SmallVector<Type> types{pointer, i64, i64, i64, i64, i64, pointer, i64};
      launch = LLVM::LLVMFuncOp::create(
          builder, loc, kLaunch,
          LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(module.getContext()), types));
    }
    builder.setInsertionPointToStart(launcher.addEntryBlock(builder));
    auto constant = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(builder, loc, i64, value);
    };
    auto arguments = launcher.getArguments().drop_front(kLauncherArguments);
    const auto count = static_cast<int64_t>(arguments.size());
    Value memory =
        LLVM::AllocaOp::create(builder, loc, pointer, i64, constant(std::max<int64_t>(count, 1)), 8);
    for (auto [i, argument] : llvm::enumerate(arguments)) {
      Value place = LLVM::GEPOp::create(builder, loc, pointer, i64, memory,
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      LLVM::StoreOp::create(builder, loc, argument, place);
    }
    auto number64 = [&](StringRef name) {
      return constant(launcher->getAttrOfType<IntegerAttr>(name).getInt());
    };
    LLVM::CallOp::create(builder, loc, launch,
                         ValueRange{launcher.getArgument(0), constant(number), launcher.getArgument(1),
                                    launcher.getArgument(2), number64(kThreadsAttribute),
                                    number64(kSharedBytesAttribute), memory, constant(count)});
    LLVM::ReturnOp::create(builder, loc, ValueRange{});
  }
};

} // namespace

} // namespace llmc::codegen
