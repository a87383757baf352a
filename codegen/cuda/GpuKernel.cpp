//===- GpuKernel.cpp - a kernel for GPUs in the making -------------------------------------------------===//

#include "codegen/cuda/GpuKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

const Target &gpuThread(int64_t elements) {
  auto make = [](int64_t lanes) {
    Target target;
    target.lanes = lanes;
    target.hasBf16Dot = true; // conversions to bf16 are instructions
    return target;
  };
  static const Target one = make(1), four = make(kGpuVector);
  return elements == 1 ? one : four;
}

/// The module of kernels of `module`, made when the first is.
static gpu::GPUModuleOp kernelModule(ModuleOp module) {
  if (auto found = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModule))
    return found;
  module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), UnitAttr::get(module.getContext()));
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  return gpu::GPUModuleOp::create(builder, module.getLoc(), kKernelModule);
}

GpuKernel::GpuKernel(ModuleOp module, StringRef name, Location loc, OpBuilder &builder, int64_t threads,
                     int64_t elements)
    : b(loc, builder, gpuThread(elements)), threads(threads) {
  gpu::GPUModuleOp kernels = kernelModule(module);
  b.setInsertionPointToEnd(kernels.getBody());
  function = gpu::GPUFuncOp::create(b, name, b.getFunctionType({}, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  function.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  function->remove(); // the symbol table gives it a name of its own
  SymbolTable(kernels).insert(function);
  b.setInsertionPointToStart(&function.getBody().front());
  gpu::ReturnOp::create(b);
  b.setInsertionPointToStart(&function.getBody().front());
}

Value GpuKernel::import(Value operand) {
  Value &argument = imported[operand];
  if (!argument) {
    argument = function.getBody().front().addArgument(operand.getType(), operand.getLoc());
    operands.push_back(operand);
  }
  return argument;
}

void GpuKernel::launch(OpBuilder &host, Value blocksX, Value blocksY) {
  function.setFunctionType(b.getFunctionType(function.getBody().front().getArgumentTypes(), {}));
  Location loc = function.getLoc();
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(host, loc, value); };
  Value one = index(1);
  Value bytes =
      arith::ConstantOp::create(host, loc, host.getI32IntegerAttr(static_cast<int32_t>(sharedBytes)));
  gpu::LaunchFuncOp::create(host, loc, function, gpu::KernelDim3{blocksX, blocksY, one},
                            gpu::KernelDim3{index(threads), one, one}, sharedBytes ? bytes : Value(),
                            operands);
}

Value GpuKernel::importTensorMap(Value matrix, int64_t boxRows) {
  Value argument = function.getBody().front().addArgument(matrix.getType(), matrix.getLoc());
  tensorMaps.push_back(b.getDenseI64ArrayAttr({static_cast<int64_t>(operands.size()), boxRows}));
  operands.push_back(matrix);
  function->setAttr(kTensorMapsAttribute, b.getArrayAttr(tensorMaps));
  Value address = arith::IndexCastOp::create(b, b.getI64Type(),
                                             memref::ExtractAlignedPointerAsIndexOp::create(b, argument));
  return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), address);
}

void GpuKernel::syncWarp() { NVVM::SyncWarpOp::create(b, b.i32(-1)); }

void GpuKernel::launchDependents() {
  NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::launch_dependents);
}

void GpuKernel::waitForEarlierLaunches() { NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::wait); }

Value GpuKernel::shared(MemRefType contents) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  auto bytes = sharedType({ShapedType::kDynamic}, b.getI8Type());
  Value all = gpu::DynamicSharedMemoryOp::create(b, bytes);
  Value view = memref::ViewOp::create(b, contents, all, b.index(sharedBytes), ValueRange{});
  sharedBytes += padTo(contents.getNumElements() * contents.getElementTypeBitWidth() / 8, 16);
  return view;
}

void GpuKernel::forEachWork(int64_t count, ValueRange start,
                            llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, block(), b.index(count), blocks(count), start);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b, body(loop.getInductionVar(), loop.getRegionIterArgs()));
}

Value GpuKernel::reduceWarp(Value value, llvm::function_ref<Value(Value, Value)> combine, int64_t lanes) {
  for (int64_t offset = lanes / 2; offset > 0; offset /= 2) {
    auto other = gpu::ShuffleOp::create(b, value, b.i32(static_cast<int32_t>(offset)), b.i32(warp),
                                        gpu::ShuffleMode::XOR);
    value = combine(value, other.getShuffleResult());
  }
  return value;
}

Value GpuKernel::reduceBlock(Value value, llvm::function_ref<Value(Value, Value)> combine) {
  value = reduceWarp(value, combine);
  const int64_t warps = threads / warp;
  if (warps == 1)
    return value;
  Value parts = shared(sharedType({warps}, value.getType()));
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.rem(thread(), warp), b.index(0));
  b.ifThen(isFirst, [&] { b.store(value, parts, {b.div(thread(), warp)}); });
  barrier();
  value = b.load(parts, {b.index(0)});
  for (int64_t i = 1; i < warps; ++i)
    value = combine(value, b.load(parts, {b.index(i)}));
  return value;
}

} // namespace llmc::codegen
