//===- HostKernels.cpp - kernels for GPUs, compiled for the host ----------------------------------------===//

#include "codegen/cuda/HostKernels.h"

#include "absl/strings/str_cat.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cuda/FragmentReader.h"
#include "codegen/cuda/GpuKernel.h"
#include "codegen/cuda/KernelImages.h"
#include "codegen/cuda/SimtAbi.h"
#include "codegen/cuda/TensorCore.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Cells that the largest call needs.
constexpr int64_t kCells = 160;

/// Makes a kernel one for the host.
class HostKernel {
public:
  HostKernel(ModuleOp host, LLVM::LLVMFuncOp kernel, bool overlaps)
      : host(host), kernel(kernel), overlaps(overlaps),
        pointer(LLVM::LLVMPointerType::get(host.getContext())), i64(IntegerType::get(host.getContext(), 64)) {
  }

  absl::Status convert() {
    findTensorMaps();
    forgetDevice();
    OpBuilder builder(host.getContext());
    builder.setInsertionPointToStart(&kernel.getBody().front());
    Location loc = kernel.getLoc();
    cells = LLVM::AllocaOp::create(builder, loc, pointer, i64, constant(builder, loc, kCells), 8);
    SmallVector<Operation *> accesses, foreign, halves;
    kernel.walk([&](Operation *op) {
      if (isa<LLVM::FPTruncOp, LLVM::FSubOp, LLVM::FAddOp, LLVM::FMulOp>(op) &&
          getElementTypeOrSelf(op->getResult(0).getType()).isBF16())
        halves.push_back(op);
      else if (isa<LLVM::LoadOp, LLVM::StoreOp>(op))
        accesses.push_back(op);
      else if (isa<NVVM::NVVMDialect>(op->getDialect()) ||
               isa<LLVM::InlineAsmOp, LLVM::CallIntrinsicOp, LLVM::AddressOfOp>(op))
        foreign.push_back(op);
    });
    for (Operation *op : halves)
      computeInF32(op);
    for (Operation *op : accesses)
      checkAccess(op);
    for (Operation *op : foreign)
      if (absl::Status status = replace(op); !status.ok())
        return status;
    addEntry();
    return absl::OkStatus();
  }

private:
  static Value constant(OpBuilder &builder, Location loc, int64_t value) {
    return LLVM::ConstantOp::create(builder, loc, IntegerType::get(builder.getContext(), 64), value);
  }

  void findTensorMaps() {
    if (auto maps = kernel->getAttrOfType<ArrayAttr>(kTensorMapsAttribute))
      for (auto map : maps.getAsRange<DenseI64ArrayAttr>())
        tensorMaps.insert(map[0]);
  }

  /// Attributes mean something to GPUs only.
  void forgetDevice() {
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i)
      kernel.setArgAttrs(i, ArrayRef<NamedAttribute>{});
    for (NamedAttribute attribute : llvm::to_vector(kernel->getDiscardableAttrs()))
      kernel->removeDiscardableAttr(attribute.getName());
    kernel.setLinkage(LLVM::Linkage::Internal);
  }

  /// Processors compute in f32 what GPUs compute in bf16, and few round to it: LLVM would call functions.
  void computeInF32(Operation *op) {
    OpBuilder builder(op);
    Location loc = op->getLoc();
    Type half = op->getResult(0).getType();
    auto like = [&](Type element) -> Type {
      auto vector = dyn_cast<VectorType>(half);
      return vector ? Type(vector.clone(element)) : element;
    };
    Type single = like(builder.getF32Type()), word = like(builder.getI32Type());
    SmallVector<Value> wide;
    for (Value operand : op->getOperands())
      wide.push_back(operand.getType() == single ? operand
                                                 : LLVM::FPExtOp::create(builder, loc, single, operand));
    Value value = wide[0];
    if (isa<LLVM::FSubOp>(op))
      value = LLVM::FSubOp::create(builder, loc, wide[0], wide[1]);
    else if (isa<LLVM::FAddOp>(op))
      value = LLVM::FAddOp::create(builder, loc, wide[0], wide[1]);
    else if (isa<LLVM::FMulOp>(op))
      value = LLVM::FMulOp::create(builder, loc, wide[0], wide[1]);
    auto number = [&](int32_t bits) -> Value {
      auto vector = dyn_cast<VectorType>(word);
      Attribute attribute = builder.getI32IntegerAttr(bits);
      if (vector)
        attribute = DenseElementsAttr::get(vector, attribute);
      return LLVM::ConstantOp::create(builder, loc, word, attribute);
    };
    // To the nearest, ties to even; not a number stays that. Nothing is selected behind the sum: LLVM would
    // select numbers of bf16, which needs functions.
    Value bits = LLVM::BitcastOp::create(builder, loc, word, value);
    Value isOdd =
        LLVM::AndOp::create(builder, loc, LLVM::LShrOp::create(builder, loc, bits, number(16)), number(1));
    Value increment = LLVM::AddOp::create(builder, loc, isOdd, number(0x7fff));
    Value isNumber = LLVM::FCmpOp::create(builder, loc, LLVM::FCmpPredicate::ord, value, value);
    increment = LLVM::SelectOp::create(builder, loc, isNumber, increment, number(0));
    Value quiet = LLVM::SelectOp::create(builder, loc, isNumber, number(0), number(0x400000));
    Value rounded = LLVM::OrOp::create(builder, loc, bits, quiet);
    rounded = LLVM::AddOp::create(builder, loc, rounded, increment);
    rounded = LLVM::LShrOp::create(builder, loc, rounded, number(16));
    rounded = LLVM::TruncOp::create(builder, loc, like(builder.getI16Type()), rounded);
    op->getResult(0).replaceAllUsesWith(LLVM::BitcastOp::create(builder, loc, half, rounded));
    op->erase();
  }

  Value widen(OpBuilder &builder, Value number) {
    return LLVM::SExtOp::create(builder, number.getLoc(), i64, number);
  }

  Value cell(OpBuilder &builder, Location loc, int64_t i) {
    return LLVM::GEPOp::create(builder, loc, pointer, i64, cells,
                               ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
  }

  /// Calls the simulator with `arguments`; results are then in cells.
  void call(OpBuilder &builder, Location loc, simt::Call what, ValueRange arguments) {
    int64_t count = 0;
    for (Value value : arguments) {
      if (isa<LLVM::LLVMPointerType>(value.getType()))
        value = LLVM::PtrToIntOp::create(builder, loc, i64, value);
      LLVM::StoreOp::create(builder, loc, value, cell(builder, loc, count++));
    }
    Value table = LLVM::AddressOfOp::create(builder, loc, pointer, simt::kTable);
    Value place = LLVM::GEPOp::create(builder, loc, pointer, pointer, table,
                                      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(what)});
    Value function = LLVM::LoadOp::create(builder, loc, pointer, place);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(host.getContext()), {pointer});
    LLVM::CallOp::create(builder, loc, type, ValueRange{function, cells});
  }

  /// Replaces the result of `op` by what the call left in the cells.
  void takeResult(OpBuilder &builder, Operation *op) {
    if (op->getNumResults() == 1) {
      Location loc = op->getLoc();
      Type type = op->getResult(0).getType();
      Value result;
      if (auto tuple = dyn_cast<LLVM::LLVMStructType>(type)) {
        result = LLVM::PoisonOp::create(builder, loc, type);
        for (auto [i, element] : llvm::enumerate(tuple.getBody())) {
          Value member = LLVM::LoadOp::create(builder, loc, element, cell(builder, loc, i));
          result = LLVM::InsertValueOp::create(builder, loc, result, member, static_cast<int64_t>(i));
        }
      } else {
        result = LLVM::LoadOp::create(builder, loc, type, cell(builder, loc, 0));
      }
      op->getResult(0).replaceAllUsesWith(result);
    }
    op->erase();
  }

  void replaceByCall(Operation *op, simt::Call what, ValueRange arguments) {
    OpBuilder builder(op);
    call(builder, op->getLoc(), what, arguments);
    takeResult(builder, op);
  }

  absl::Status replace(Operation *op) {
    if (isa<NVVM::ThreadIdXOp>(op))
      return replaceByCall(op, simt::ThreadX, {}), absl::OkStatus();
    if (isa<NVVM::BlockIdXOp>(op))
      return replaceByCall(op, simt::BlockX, {}), absl::OkStatus();
    if (isa<NVVM::BlockIdYOp>(op))
      return replaceByCall(op, simt::BlockY, {}), absl::OkStatus();
    if (isa<NVVM::GridDimXOp>(op))
      return replaceByCall(op, simt::BlocksX, {}), absl::OkStatus();
    if (isa<NVVM::Barrier0Op, NVVM::BarrierOp>(op))
      return replaceByCall(op, simt::Barrier, {}), absl::OkStatus();
    OpBuilder builder(op);
    if (auto shuffle = dyn_cast<NVVM::ShflOp>(op); shuffle && shuffle.getKind() == NVVM::ShflKind::bfly)
      return replaceByCall(op, simt::Shuffle, {shuffle.getVal(), shuffle.getOffset()}), absl::OkStatus();
    if (auto product = dyn_cast<NVVM::MmaOp>(op);
        product && product.getMultiplicandAPtxType() == NVVM::MMATypes::bf16)
      return replaceByCall(op, simt::MmaBf16, op->getOperands()), absl::OkStatus();
    if (auto load = dyn_cast<NVVM::LdMatrixOp>(op))
      return replaceByCall(op, simt::LdMatrix,
                           {load.getPtr(), constant(builder, op->getLoc(), load.getNum()),
                            constant(builder, op->getLoc(), load.getLayout() == NVVM::MMALayout::col)}),
             absl::OkStatus();
    if (auto copy = dyn_cast<NVVM::CpAsyncOp>(op)) {
      Location loc = op->getLoc();
      Value bytes = constant(builder, loc, copy.getSize()), given = bytes;
      if (copy.getCpSize())
        given = LLVM::ZExtOp::create(builder, loc, i64, copy.getCpSize());
      return replaceByCall(op, simt::CopyAsync, {copy.getDst(), copy.getSrc(), bytes, given}),
             absl::OkStatus();
    }
    if (isa<NVVM::CpAsyncCommitGroupOp>(op))
      return replaceByCall(op, simt::CommitGroup, {}), absl::OkStatus();
    if (auto wait = dyn_cast<NVVM::CpAsyncWaitGroupOp>(op))
      return replaceByCall(op, simt::WaitGroup, {constant(builder, op->getLoc(), wait.getN())}),
             absl::OkStatus();
    if (isa<NVVM::WgmmaFenceAlignedOp>(op))
      return replaceByCall(op, simt::WarpgroupFence, {}), absl::OkStatus();
    if (isa<NVVM::WgmmaGroupSyncAlignedOp>(op))
      return replaceByCall(op, simt::WarpgroupCommit, {}), absl::OkStatus();
    if (auto wait = dyn_cast<NVVM::WgmmaWaitGroupSyncOp>(op))
      return replaceByCall(op, simt::WarpgroupWait, {constant(builder, op->getLoc(), wait.getGroup())}),
             absl::OkStatus();
    if (auto barrier = dyn_cast<NVVM::MBarrierInitOp>(op))
      return replaceByCall(op, simt::BarrierInit, {barrier.getAddr(), widen(builder, barrier.getCount())}),
             absl::OkStatus();
    if (auto barrier = dyn_cast<NVVM::MBarrierArriveOp>(op); barrier && op->use_empty())
      return replaceByCall(op, simt::BarrierArrive, {barrier.getAddr()}), absl::OkStatus();
    if (auto barrier = dyn_cast<NVVM::MBarrierArriveExpectTxOp>(op))
      return replaceByCall(op, simt::BarrierExpect,
                           {barrier.getAddr(), widen(builder, barrier.getTxcount())}),
             absl::OkStatus();
    if (auto wait = dyn_cast<NVVM::MBarrierTryWaitParityOp>(op))
      return replaceByCall(op, simt::BarrierWait, {wait.getAddr(), widen(builder, wait.getPhase())}),
             absl::OkStatus();
    if (auto copy = dyn_cast<NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp>(op);
        copy && copy.getCoordinates().size() == 2 && copy.getIsCTAOnly())
      return replaceByCall(op, simt::CopyBox,
                           {copy.getDstMem(), copy.getTmaDescriptor(),
                            widen(builder, copy.getCoordinates()[0]),
                            widen(builder, copy.getCoordinates()[1]), copy.getMbar()}),
             absl::OkStatus();
    if (auto copy = dyn_cast<NVVM::CpAsyncBulkGlobalToSharedClusterOp>(op); copy && !copy.getMulticastMask())
      return replaceByCall(
                 op, simt::CopyBytes,
                 {copy.getDstMem(), copy.getSrcMem(), widen(builder, copy.getSize()), copy.getMbar()}),
             absl::OkStatus();
    if (isa<NVVM::SyncWarpOp>(op))
      return replaceByCall(op, simt::SyncWarp, {}), absl::OkStatus();
    if (auto control = dyn_cast<NVVM::GriddepcontrolOp>(op)) {
      if (overlaps && control.getKind() == NVVM::GridDepActionKind::wait)
        return replaceByCall(op, simt::WaitForLaunches, {}), absl::OkStatus();
      return op->erase(), absl::OkStatus();
    }
    // A barrier of the block follows; registers are the host's.
    if (isa<NVVM::FenceMbarrierInitOp, NVVM::SetMaxRegisterOp>(op))
      return op->erase(), absl::OkStatus();
    if (isa<NVVM::FenceProxyOp>(op))
      return replaceByCall(op, simt::FenceProxy, {}), absl::OkStatus();
    if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op);
        assembly && assembly.getAsmString().starts_with(kWarpgroupProduct)) {
      const size_t sums = cast<LLVM::LLVMStructType>(op->getResult(0).getType()).getBody().size();
      const bool isShared = op->getNumOperands() == sums + 2;
      SmallVector<Value> arguments{constant(builder, op->getLoc(), static_cast<int64_t>(2 * sums))};
      StringRef text = assembly.getAsmString();
      text.consume_back("; }");
      const auto [rest, right] = text.rsplit(", ");
      const bool leftTransposed = isShared && rest.ends_with("1, 1, 1"), rightTransposed = right == "1";
      arguments.push_back(
          constant(builder, op->getLoc(), isShared ? leftTransposed + 2 * rightTransposed : rightTransposed));
      llvm::append_range(arguments, op->getOperands());
      return replaceByCall(op, isShared ? simt::WarpgroupBf16Shared : simt::WarpgroupBf16, arguments),
             absl::OkStatus();
    }
    if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op); assembly && assembly.getAsmString() == kAndOr) {
      Value bits = LLVM::AndOp::create(builder, op->getLoc(), op->getOperand(0), op->getOperand(1));
      op->getResult(0).replaceAllUsesWith(LLVM::OrOp::create(builder, op->getLoc(), bits, op->getOperand(2)));
      return op->erase(), absl::OkStatus();
    }
    if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op); assembly && assembly.getAsmString().empty()) {
      Value same = LLVM::PoisonOp::create(builder, op->getLoc(), op->getResult(0).getType());
      for (auto [i, operand] : llvm::enumerate(op->getOperands()))
        same = LLVM::InsertValueOp::create(builder, op->getLoc(), same, operand, static_cast<int64_t>(i));
      op->getResult(0).replaceAllUsesWith(same);
      op->erase();
      return absl::OkStatus();
    }
    if (auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(op)) {
      if (intrinsic.getIntrin() == "llvm.nvvm.ex2.approx.ftz.f32") {
        return replaceByCall(op, simt::Exp2, intrinsic.getArgs()), absl::OkStatus();
      }
      if (!intrinsic.getIntrin().starts_with("llvm.nvvm"))
        return absl::OkStatus();
    }
    if (auto address = dyn_cast<LLVM::AddressOfOp>(op)) {
      auto type = cast<LLVM::LLVMPointerType>(address.getType());
      if (type.getAddressSpace() == 0)
        return absl::OkStatus();
      call(builder, op->getLoc(), simt::Shared, {});
      Value number = LLVM::LoadOp::create(builder, op->getLoc(), i64, cell(builder, op->getLoc(), 0));
      op->getResult(0).replaceAllUsesWith(LLVM::IntToPtrOp::create(builder, op->getLoc(), type, number));
      op->erase();
      return absl::OkStatus();
    }
    return absl::UnimplementedError(absl::StrCat("kernel '", kernel.getName().str(), "' has ",
                                                 op->getName().getStringRef().str(),
                                                 ", which has no simulation in this form"));
  }

  void checkAccess(Operation *op) {
    OpBuilder builder(op);
    Location loc = op->getLoc();
    auto load = dyn_cast<LLVM::LoadOp>(op);
    auto store = dyn_cast<LLVM::StoreOp>(op);
    Type type = load ? load.getType() : store.getValue().getType();
    std::string place = absl::StrCat(kernel.getName().str(), ": ", load ? "load of " : "store of ");
    llvm::raw_string_ostream(place) << type << " (access " << accessCount++ << ")";
    const int64_t bytes = DataLayout(host).getTypeSize(type);
    std::optional<uint64_t> alignment = load ? load.getAlignment() : store.getAlignment();
    // GPUs refuse what is not aligned to its size, which is what they are told.
    const int64_t promised = alignment ? static_cast<int64_t>(*alignment) : bytes;
    call(builder, loc, load ? simt::CheckLoad : simt::CheckStore,
         {load ? load.getAddr() : store.getAddr(), constant(builder, loc, bytes), text(builder, loc, place),
          constant(builder, loc, promised)});
  }

  Value text(OpBuilder &builder, Location loc, StringRef contents) {
    const std::string name = absl::StrCat("place.", kernel.getName().str(), ".", accessCount);
    std::string data = contents.str();
    data.push_back('\0');
    OpBuilder globals = OpBuilder::atBlockBegin(host.getBody());
    auto type = LLVM::LLVMArrayType::get(IntegerType::get(host.getContext(), 8), data.size());
    LLVM::GlobalOp::create(globals, loc, type, true, LLVM::Linkage::Internal, name,
                           globals.getStringAttr(data));
    return LLVM::AddressOfOp::create(builder, loc, pointer, name);
  }

  /// void llmc_kernel_NAME(void **arguments)
  void addEntry() {
    OpBuilder builder = OpBuilder::atBlockEnd(host.getBody());
    Location loc = kernel.getLoc();
    SmallVector<int64_t> sizes{kernel.getNumArguments()};
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i)
      sizes.push_back(tensorMaps.contains(i) ? simt::TensorMap::kBytes : 8);
    const auto count = static_cast<int64_t>(sizes.size());
    LLVM::GlobalOp::create(
        builder, loc, LLVM::LLVMArrayType::get(i64, sizes.size()), true, LLVM::Linkage::External,
        absl::StrCat(simt::kArgumentsPrefix, kernel.getName().str()),
        DenseElementsAttr::get(RankedTensorType::get({count}, i64), ArrayRef<int64_t>(sizes)));
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(host.getContext()), {pointer});
    auto entry = LLVM::LLVMFuncOp::create(builder, loc,
                                          absl::StrCat(simt::kKernelPrefix, kernel.getName().str()), type);
    builder.setInsertionPointToStart(entry.addEntryBlock(builder));
    SmallVector<Value> arguments;
    for (auto [i, argument] : llvm::enumerate(kernel.getArgumentTypes())) {
      Value place = LLVM::GEPOp::create(builder, loc, pointer, pointer, entry.getArgument(0),
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      Value address = LLVM::LoadOp::create(builder, loc, pointer, place);
      if (tensorMaps.contains(i))
        arguments.push_back(address);
      else
        arguments.push_back(LLVM::LoadOp::create(builder, loc, argument, address));
    }
    LLVM::CallOp::create(builder, loc, kernel, arguments);
    LLVM::ReturnOp::create(builder, loc, ValueRange{});
  }

  ModuleOp host;
  LLVM::LLVMFuncOp kernel;
  const bool overlaps; ///< waits for earlier launches itself
  Type pointer, i64;
  Value cells;                             ///< memory of the running thread for calls
  llvm::SmallDenseSet<int64_t> tensorMaps; ///< arguments
  int64_t accessCount = 0;
};

} // namespace

absl::StatusOr<std::string> emitHostKernels(ModuleOp program, const std::string &arch,
                                            const std::string &folder) {
  absl::StatusOr<Target> target = getTarget("x86-64-v3"); // with fused multiply-adds
  if (!target.ok())
    return target.status();
  OwningOpRef<ModuleOp> host = ModuleOp::create(program.getLoc());
  OpBuilder builder = OpBuilder::atBlockBegin(host->getBody());
  auto pointer = LLVM::LLVMPointerType::get(program.getContext());
  auto tableType = LLVM::LLVMArrayType::get(pointer, simt::kCalls);
  auto table = LLVM::GlobalOp::create(builder, program.getLoc(), tableType, false, LLVM::Linkage::External,
                                      simt::kTable, Attribute());
  builder.createBlock(&table.getInitializerRegion());
  LLVM::ReturnOp::create(builder, program.getLoc(),
                         ValueRange{LLVM::ZeroOp::create(builder, program.getLoc(), tableType)});
  builder.setInsertionPointToEnd(host->getBody());
  for (auto module : program.getOps<gpu::GPUModuleOp>())
    for (auto kernel : module.getOps<LLVM::LLVMFuncOp>())
      if (isKernelFor(kernel, arch))
        builder.clone(*kernel);
  for (auto kernel : llvm::to_vector(host->getOps<LLVM::LLVMFuncOp>()))
    if (absl::Status status = HostKernel(*host, kernel, overlapsLaunches(arch)).convert(); !status.ok())
      return status;
  absl::StatusOr<std::string> object = emitCode(*host, *target, CodeForm::Object);
  if (!object.ok())
    return object.status();
  return linkShared(*object, folder);
}

} // namespace llmc::codegen
