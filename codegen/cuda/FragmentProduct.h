//===- FragmentProduct.h - matrix products on tensor cores with fused epilogues ------------------------===//
#ifndef LLMC_CODEGEN_CUDA_FRAGMENTPRODUCT_H
#define LLMC_CODEGEN_CUDA_FRAGMENTPRODUCT_H

#include "codegen/common/FragmentLayout.h"
#include "codegen/cpu/ProductKernel.h"
#include "codegen/cuda/GpuKernel.h"

namespace llmc::codegen {

/// How weights come to the warps of a block: turn by turn, each to a stage of shared memory.
struct WeightStream {
  int64_t records;    ///< that a warp has of each panel in a turn
  int64_t turns;      ///< of a tile
  int64_t panelBytes; ///< of each panel in a turn
  int64_t stages;
};

/// One product kernel: y = epilogue(x W^T), x and the numbers that stand for W in bf16, sums in f32. Operand
/// A of the matrix instruction are 16 outputs (a panel), operand B are 8 rows. A warp makes a tile: a few
/// panels for the rows of its block, so that each weight is read once a block. Scales of quantized weights
/// multiply the sums of their groups; where many rows use a weight (`staged`), they multiply the weight
/// itself, which is rounded to bf16, and rows of x come by way of shared memory. Where there is one row and
/// the copy engine (`streamed`), weights do.
struct FragmentProduct {
  nn::LinearOp linear;
  FragmentLayout weights;
  int64_t inputs; ///< K

  /// Arguments of the kernel. x is `memref<rows x padded K x bf16>`, w `memref<tiles x tile bytes x i8>`.
  mlir::Value x, w, bias, rows;
  CacheRows cacheRows;
  /// Emits what makes x, in shared memory, of one row; none if it is there already.
  std::function<void()> prologue;
  std::vector<Store> stores;

  int64_t rowsPerBlock = 8;  ///< a multiple of 8
  int64_t inputWarps = 1;    ///< warps that share a tile, each with a part of the inputs
  int64_t outputWarps = 1;   ///< tiles of a block
  int64_t panelsPerTile = 1; ///< of stores without rotation
  bool staged = false;       ///< needs inputWarps of 1
  bool warpgroups = false;   ///< of staged products: by the instructions of sm_90a, for four warps at a time
  bool streamed = false;     ///< of one row; needs outputWarps of 1 and room for `leastStages`
  static constexpr int64_t leastStages = 2;

  /// For tiles that need `panels` panels of the weights.
  WeightStream stream(int64_t panels) const;

  /// A warp more brings what is streamed.
  int64_t threads() const { return GpuKernel::warp * (inputWarps * outputWarps + (streamed ? 1 : 0)); }
  /// Blocks of the grid in the dimension of outputs.
  int64_t blocks() const;
  /// Blocks that follow each other share what is larger: weights, where there are many rows.
  mlir::gpu::Dimension outputDimension() const {
    return staged ? mlir::gpu::Dimension::y : mlir::gpu::Dimension::x;
  }
  mlir::gpu::Dimension rowDimension() const {
    return staged ? mlir::gpu::Dimension::x : mlir::gpu::Dimension::y;
  }

  /// Emits the kernel's body. `tile` knows the buffers of outside values and split bases.
  void emit(GpuKernel &kernel, TileEmitter &tile);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_FRAGMENTPRODUCT_H
