//===- Launches.cpp - from kernel launches to calls of the runtime -------------------------------------===//

#include "codegen/cuda/GpuKernel.h"
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

constexpr StringLiteral kLaunch = "llmc_gpu_launch", kTensorMap = "llmc_gpu_tensor_map";
/// On a launcher: its kernel, and how blocks of it are.
constexpr StringLiteral kKernelAttribute = "llmc.kernel", kThreadsAttribute = "llmc.threads",
                        kSharedBytesAttribute = "llmc.shared_bytes";
/// Arguments of a launcher before those of its kernel: worker, blocks.
constexpr unsigned kLauncherArguments = 3;
/// On an argument of a launcher that its kernel takes as a tensor map: where the matrix begins, in bytes
/// behind the address, its rows, columns and bytes of a row, the rows of a box.
constexpr StringLiteral kMapAttribute = "llmc.tensor_map";
constexpr int64_t kMapAlignment = 64;

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
      Operation *function = SymbolTable::lookupSymbolIn(module, op.getKernel());
      if (function->hasAttr(kPersistentAttribute))
        launcher->setAttr(kPersistentAttribute, builder.getUnitAttr());
      if (failed(describeTensorMaps(op, function, launcher)))
        return failure();
    }
    func::CallOp::create(builder, op.getLoc(), launcher, operands);
    op.erase();
    return success();
  }

  static LogicalResult describeTensorMaps(gpu::LaunchFuncOp op, Operation *kernel, func::FuncOp launcher) {
    auto maps = kernel->getAttrOfType<ArrayAttr>(kTensorMapsAttribute);
    if (!maps)
      return success();
    for (auto map : maps.getAsRange<DenseI64ArrayAttr>()) {
      const auto number = static_cast<unsigned>(map[0]);
      auto type = cast<MemRefType>(op.getKernelOperands()[number].getType());
      auto [strides, offset] = type.getStridesAndOffset();
      if (!type.hasStaticShape() || type.getRank() != 2 || !type.getElementType().isBF16() ||
          ShapedType::isDynamic(offset) || strides[1] != 1)
        return op.emitOpError() << "has " << type << " where its kernel takes a tensor map: expected a "
                                << "matrix of bf16 with a static shape";
      constexpr int64_t kBytes = 2;
      launcher.setArgAttr(
          kLauncherArguments + number, kMapAttribute,
          Builder(op).getDenseI64ArrayAttr(
              {offset * kBytes, type.getDimSize(0), type.getDimSize(1), strides[0] * kBytes, map[1]}));
    }
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
    LLVM::LLVMFuncOp launch =
        hostFunction(builder, loc, kLaunch, {pointer, i64, i64, i64, i64, i64, i64, pointer});
    LLVM::LLVMFuncOp makeMap =
        hostFunction(builder, loc, kTensorMap, {pointer, i64, pointer, pointer, i64, i64, i64, i64});
    builder.setInsertionPointToStart(launcher.addEntryBlock(builder));
    auto constant = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(builder, loc, i64, value);
    };
    auto memory = [&](Type of, int64_t count, int64_t alignment) -> Value {
      return LLVM::AllocaOp::create(builder, loc, pointer, of, constant(std::max<int64_t>(count, 1)),
                                    static_cast<unsigned>(alignment));
    };
    auto at = [&](Value base, Type of, int64_t i) -> Value {
      return LLVM::GEPOp::create(builder, loc, pointer, of, base,
                                 ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    };
    auto arguments = launcher.getArguments().drop_front(kLauncherArguments);
    const auto count = static_cast<int64_t>(arguments.size());
    Value words = memory(i64, count, 8), places = memory(pointer, count, 8);
    for (auto [i, argument] : llvm::enumerate(arguments)) {
      const auto place64 = static_cast<int64_t>(i);
      Value place = at(words, i64, place64);
      const auto argumentNumber = static_cast<unsigned>(kLauncherArguments + i);
      if (auto map = launcher.getArgAttrOfType<DenseI64ArrayAttr>(argumentNumber, kMapAttribute)) {
        place = memory(i64, kTensorMapWords, kMapAlignment);
        Value matrix = LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), argument,
                                           ArrayRef<LLVM::GEPArg>{constant(map[0])});
        LLVM::CallOp::create(builder, loc, makeMap,
                             ValueRange{launcher.getArgument(0), constant(number), place, matrix,
                                        constant(map[1]), constant(map[2]), constant(map[3]),
                                        constant(map[4])});
        launcher.removeArgAttr(argumentNumber, kMapAttribute);
      } else {
        LLVM::StoreOp::create(builder, loc, argument, place);
      }
      LLVM::StoreOp::create(builder, loc, place, at(places, pointer, place64));
    }
    auto number64 = [&](StringRef name) {
      return constant(launcher->getAttrOfType<IntegerAttr>(name).getInt());
    };
    LLVM::CallOp::create(builder, loc, launch,
                         ValueRange{launcher.getArgument(0), constant(number), launcher.getArgument(1),
                                    launcher.getArgument(2), number64(kThreadsAttribute),
                                    number64(kSharedBytesAttribute),
                                    constant(launcher->hasAttr(kPersistentAttribute)), places});
    LLVM::ReturnOp::create(builder, loc, ValueRange{});
  }

  /// A function of the runtime (runtime/core/StepAbi.h).
  LLVM::LLVMFuncOp hostFunction(OpBuilder &builder, Location loc, StringRef name, ArrayRef<Type> types) {
    if (auto function = getOperation().lookupSymbol<LLVM::LLVMFuncOp>(name))
      return function;
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), types);
    return LLVM::LLVMFuncOp::create(builder, loc, name, type);
  }
};

} // namespace

} // namespace llmc::codegen
