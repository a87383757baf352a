//===- GpuAttention.h - attention to a cache on a GPU --------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_GPUATTENTION_H
#define LLMC_CODEGEN_CUDA_GPUATTENTION_H

#include "codegen/cuda/GpuKernel.h"
#include "dialects/nn/NN.h"

namespace llmc::codegen {

/// Attention of one row to the keys of one head of the cache, which a block does for all query heads that
/// share them: block (kv head, row). Where there are fewer of these than the device has room for, several
/// blocks share the keys, block (kv head times splits, row), and another kernel puts together what they
/// found.
struct GpuAttention {
  static constexpr int64_t threads = 128;

  nn::CachedAttentionOp op;
  int64_t headDim;      ///< as in the model
  int64_t alignedQuery; ///< size of a query's and key's head in memory
  int64_t alignedValue; ///< size of a value's head in memory

  /// Arguments of the kernel.
  mlir::Value query;       ///< `memref<rows x (heads * alignedQuery) x f32>`
  mlir::Value keys;        ///< `memref<kvHeads x positions x alignedQuery x element>`
  mlir::Value values;      ///< `memref<kvHeads x positions x alignedValue x element>`
  mlir::Value positions;   ///< `memref<rows x i32>`
  mlir::Value destination; ///< `memref<rows x padded (heads * headDim) x f32>`
  mlir::Value rows;

  int64_t splits = 1;
  /// What a split finds, instead of the destination: weighted values, then the maximum and the sum of
  /// weights, `memref<rows x heads x splits x (alignedValue + 2) x f32>`.
  mlir::Value partial;

  int64_t blocks() const { return static_cast<int64_t>(nn::CachedAttentionOp(op).getKvHeads()) * splits; }
  void emit(GpuKernel &kernel);
  /// The kernel that puts together what splits found: block (head, row). `partial` and `destination` are its
  /// arguments.
  void emitCombination(GpuKernel &kernel);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_GPUATTENTION_H
