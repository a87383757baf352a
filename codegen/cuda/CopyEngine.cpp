//===- CopyEngine.cpp - copies to shared memory that no thread waits for ---------------------------------===//

#include "codegen/cuda/CopyEngine.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

static Value toI32(KernelBuilder &b, Value index) {
  return arith::IndexCastOp::create(b, b.getI32Type(), index);
}

StageBarriers::StageBarriers(GpuKernel &kernel, int64_t stages, int64_t arrivals)
    : b(kernel.b), stages(stages), arrivals(arrivals),
      memory(kernel.shared(sharedType({stages}, kernel.b.getI64Type()))) {}

Value StageBarriers::at(Value stage) {
  constexpr int64_t kBytes = 8;
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, memory);
  return sharedPointer(b, b.add(base, b.mul(stage, kBytes)));
}

void StageBarriers::initialize() {
  for (int64_t stage = 0; stage < stages; ++stage)
    NVVM::MBarrierInitOp::create(b, at(b.index(stage)), b.i32(static_cast<int32_t>(arrivals)), Value());
  NVVM::FenceMbarrierInitOp::create(b);
}

void StageBarriers::arrive(Value stage) {
  NVVM::MBarrierArriveOp::create(b, b.getI64Type(), at(stage), Value());
}

void StageBarriers::expect(Value stage, int64_t bytes) { expect(stage, b.index(bytes)); }

void StageBarriers::expect(Value stage, Value bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(b, Type(), at(stage), toI32(b, bytes), NVVM::MemScopeKind::CTA,
                                         /*relaxed=*/false, Value());
}

void StageBarriers::wait(Value stage, Value parity) {
  constexpr int32_t kNanoseconds = 10'000'000; // until the wait asks again
  NVVM::MBarrierTryWaitParityOp::create(b, at(stage), toI32(b, parity), b.i32(kNanoseconds));
}

void StageBarriers::copyBox(Value map, Value row, Value column, const SharedMatrix &to, int64_t panel) {
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      b, to.panelPointer(panel), map, ValueRange{toI32(b, column), toI32(b, row)}, at(to.stage), ValueRange{},
      Value(), Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/true, NVVM::CTAGroupKindAttr(), Value());
}

/// The address of an element of a matrix whose rows lie one behind the other.
static Value addressOf(KernelBuilder &b, Value matrix, ValueRange indices) {
  auto type = cast<MemRefType>(matrix.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  Value element = b.add(b.add(b.mul(indices[0], strides[0]), b.mul(indices[1], strides[1])), offset);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, matrix);
  return b.add(base, b.mul(element, type.getElementTypeBitWidth() / 8));
}

void StageBarriers::copyBytes(Value from, ValueRange index, Value to, ValueRange place, Value bytes,
                              Value stage) {
  constexpr unsigned kGlobal = 1;
  Value source = arith::IndexCastOp::create(b, b.getI64Type(), addressOf(b, from, index));
  source = LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext(), kGlobal), source);
  NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(b, sharedPointer(b, addressOf(b, to, place)), source,
                                                   at(stage), toI32(b, bytes), Value(), Value());
}

} // namespace llmc::codegen
