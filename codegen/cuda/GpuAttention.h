//===- GpuAttention.h - attention to a cache on a GPU --------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_GPUATTENTION_H
#define LLMC_CODEGEN_CUDA_GPUATTENTION_H

#include "codegen/cuda/GpuKernel.h"
#include "dialects/nn/NN.h"

namespace llmc::codegen {

/// Attention of one row to the keys of one head of the cache, which a block does for all query heads that share
/// them: block (kv head, row).
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

  void emit(GpuKernel &kernel);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_GPUATTENTION_H
