//===- TensorCore.h - instructions of GPUs that several kernels use ------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_TENSORCORE_H
#define LLMC_CODEGEN_CUDA_TENSORCORE_H

#include "codegen/cuda/GpuKernel.h"

namespace llmc::codegen {

/// Adds the product of m16n8k16 in bf16 to `sums`, four f32. `a` are four words of two bf16, `b` two: PTX ISA, "Matrix
/// Fragments for mma.m16n8k16 with floating point type".
void multiplyAdd(KernelBuilder &builder, llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> b,
                 llvm::MutableArrayRef<mlir::Value> sums);

/// 2^x by the special function unit, off by 2 ulps; 0 from -126 down.
mlir::Value exp2(KernelBuilder &builder, mlir::Value x);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_TENSORCORE_H
