//===- TensorCore.h - instructions of GPUs that several kernels use ------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_TENSORCORE_H
#define LLMC_CODEGEN_CUDA_TENSORCORE_H

#include "codegen/cuda/GpuKernel.h"

namespace llmc::codegen {

/// The architecture that has the matrix instructions of warpgroups.
inline constexpr llvm::StringLiteral kWarpgroupArch = "sm_90a";

/// The pointer to shared memory at `address`, an index.
mlir::Value sharedPointer(KernelBuilder &builder, mlir::Value address);

/// Adds the product of m16n8k16 in bf16 to `sums`, four f32. `a` are four words of two bf16, `b` two: PTX
/// ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
void multiplyAdd(KernelBuilder &builder, llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> b,
                 llvm::MutableArrayRef<mlir::Value> sums);

/// A matrix of bf16 in shared memory as the instructions of warpgroups find it.
struct MatrixOperand {
  mlir::Value descriptor; ///< matrixDescriptor()
  bool transposed;        ///< rows of memory are inputs
  int64_t panelBytes;     ///< from one panel of 128 bytes a row to the next

  /// The same from input `k` on, a multiple of 16.
  MatrixOperand from(KernelBuilder &builder, int64_t k) const;
};

/// Of warpgroups of sm_90a (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"): adds the product of
/// m64nNk16 in bf16 to `sums`, N / 2 f32 a thread, when what is asked for is waited for. `a` are this warp's
/// four words of its 16 of the 64 rows.
void warpgroupMultiplyAdd(KernelBuilder &builder, llvm::ArrayRef<mlir::Value> a, const MatrixOperand &b,
                          llvm::MutableArrayRef<mlir::Value> sums);
/// The same with both operands in shared memory.
void warpgroupMultiplyAdd(KernelBuilder &builder, const MatrixOperand &a, const MatrixOperand &b,
                          llvm::MutableArrayRef<mlir::Value> sums);

/// Has `values`, of 32 bits each, in registers here: written before, and what is made of them read after.
/// LLVM does not know which registers a warpgroup's products hold from their fence to their wait.
void holdInRegisters(KernelBuilder &builder, llvm::MutableArrayRef<mlir::Value> values);

/// The descriptor of a matrix in shared memory: rows of 128 bytes from a multiple of 1024 bytes on, chunk c
/// of 16 bytes of row r at place c ^ (r % 8). `address` is an i64. Of a transposed matrix that is wider than
/// a row, the next 64 columns lie `panelBytes` further.
mlir::Value matrixDescriptor(KernelBuilder &builder, mlir::Value address, int64_t panelBytes = 16);

/// The text by which the instruction of warpgroupMultiplyAdd() begins, for who simulates it.
inline constexpr llvm::StringLiteral kWarpgroupProduct =
    "{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async";

/// Two numbers of f32 rounded to bf16, in a word; the first one is the lower half.
mlir::Value packPair(KernelBuilder &builder, mlir::Value low, mlir::Value high);

/// 2^x by the special function unit, off by 2 ulps; 0 from -126 down.
mlir::Value exp2(KernelBuilder &builder, mlir::Value x);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_TENSORCORE_H
