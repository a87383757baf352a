//===- AttentionKernel.h - attention to a cache with online softmax ------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_ATTENTIONKERNEL_H
#define LLMC_CODEGEN_CPU_ATTENTIONKERNEL_H

#include "codegen/cpu/ProductKernel.h"

namespace llmc::codegen {

/// One attention kernel: a chunk is one query head of one block of rows.
struct AttentionKernel {
  /// Keys that are scored before the running maximum is updated: measured, four vectors are 6% slower. Caches
  /// hold a multiple of it.
  static constexpr int64_t keysPerBlock(int64_t lanes) { return 2 * lanes; }

  nn::CachedAttentionOp op;
  int64_t headDim;      ///< as in the model
  int64_t alignedQuery; ///< size of a query's and key's head in memory
  int64_t alignedValue; ///< size of a value's head in memory

  /// Arguments of the kernel.
  mlir::Value query;  ///< `memref<rows x (heads * alignedQuery) x f32>`
  mlir::Value keys;   ///< `memref<kvHeads x blocks x alignedQuery x block x f32>`
  mlir::Value values; ///< `memref<kvHeads x positions x alignedValue x f32>`
  CacheRows cacheRows;
  mlir::Value bias; ///< of distances, `[heads, 2 * reach + 1]` packed (PanelLayout of f32); may be null
  mlir::Value destination; ///< `memref<rows x padded (heads * headDim) x f32>`
  mlir::Value rows, chunk;

  int64_t rowsPerTile = 1; ///< query rows that share each key and value load
  bool isDecode = false;   ///< the step has one row

  /// Rows of a chunk in a step of `rows` rows.
  mlir::Value rowsPerChunk(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows) const;
  /// Chunks of the parallel region.
  mlir::Value chunks(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows) const;
  /// Emits the kernel's body.
  void emit(KernelBuilder &b);

private:
  friend class AttentionEmitter;
  void copyBias(KernelBuilder &b, mlir::Value head);

  int64_t reach = 0;
  mlir::Value distances; ///< `memref<(2 * (reach + lanes) + 1) x f32>`: the bias of this head
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_ATTENTIONKERNEL_H
