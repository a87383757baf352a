//===- TensorCore.cpp - instructions of GPUs that several kernels use ----------------------------------===//

#include "codegen/cuda/TensorCore.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

void multiplyAdd(KernelBuilder &builder, ArrayRef<Value> a, ArrayRef<Value> b, MutableArrayRef<Value> sums) {
  Type f32 = builder.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(sums.size(), f32));
  std::array<NVVM::MMATypes, 2> types{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16};
  std::array<NVVM::MMALayout, 2> layouts{NVVM::MMALayout::row, NVVM::MMALayout::col};
  Value result = NVVM::MmaOp::create(builder, type, a, b, ValueRange(ArrayRef<Value>(sums)),
                                     ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt, types, layouts);
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, f32, result, ArrayRef<int64_t>{static_cast<int64_t>(i)});
}

Value exp2(KernelBuilder &builder, Value x) {
  return LLVM::CallIntrinsicOp::create(builder, builder.getF32Type(),
                                       builder.getStringAttr("llvm.nvvm.ex2.approx.ftz.f32"), ValueRange{x})
      .getResult(0);
}

} // namespace llmc::codegen
