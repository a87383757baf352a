//===- FlashAttention.h - attention of many rows on tensor cores ---------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_FLASHATTENTION_H
#define LLMC_CODEGEN_CUDA_FLASHATTENTION_H

#include "codegen/cuda/GpuAttention.h"

namespace llmc::codegen {

/// Attention of a block of rows, for all query heads that share a head of the cache: block (kv head, rows). A
/// warp has 16 rows of one query head. Queries and weights are rounded to bf16, sums are f32.
struct FlashAttention {
  static constexpr int64_t rowsPerWarp = 16;
  static constexpr int64_t keysPerBlock = 64;

  GpuAttention attention;  ///< what it computes, and its arguments
  bool warpgroups = false; ///< by the instructions of sm_90a

  /// Whether there is a kernel for this: caches of bf16 with heads of up to 128, no slopes.
  static bool applies(const GpuAttention &attention);
  /// Warps that share a query head.
  int64_t rowTiles() const;
  int64_t rowsPerBlock() const { return rowsPerWarp * rowTiles(); }
  int64_t threads() const;
  /// Whether its warps are warpgroups.
  bool hasWarpgroups() const { return threads() % (4 * GpuKernel::warp) == 0; }

  void emit(GpuKernel &kernel);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_FLASHATTENTION_H
