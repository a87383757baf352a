//===- WarpgroupMatrixProduct.h - products of matrices by warpgroups -------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_TRAINING_WARPGROUPMATRIXPRODUCT_H
#define LLMC_CODEGEN_CUDA_TRAINING_WARPGROUPMATRIXPRODUCT_H

#include "codegen/cuda/training/CudaTrainingLowering.h"

namespace llmc::codegen {

/// A product of bf16 matrices by the matrix instructions of sm_90a. A block has two warpgroups that multiply
/// and a thread that has the copy engine bring what they multiply next; it makes tile after tile, whose
/// inputs are on their way before the tile before is stored.
class WarpgroupMatrixProduct {
public:
  WarpgroupMatrixProduct(CudaTrainingLowering &lowering, mlir::Location loc, const ProductForm &form,
                         mlir::Value left, mlir::Value right, const Destination &destination);

  void lower();

private:
  struct Operand;
  struct Tile;
  struct Turn;

  void chooseTiles();
  void emit(GpuKernel &kernel, class ProductSums &sums);
  Tile tileOf(KernelBuilder &b, mlir::Value number) const;
  void copyTiles(GpuKernel &kernel, Operand &a, Operand &w, class StageBarriers &full, StageBarriers &empty);
  void multiplyTiles(GpuKernel &kernel, Operand &a, Operand &w, StageBarriers &full, StageBarriers &empty,
                     ProductSums &sums);
  int64_t tiles() const { return rowBlocks * columnBlocks * splits; }

  CudaTrainingLowering &lowering;
  mlir::Location loc;
  const ProductForm form;
  const Destination destination;
  mlir::Value left, right;
  const int64_t pieces, rowBlocks; ///< pieces of inputs, tiles
  int64_t tileColumns = 0, columnBlocks = 0, splits = 1, piecesPerSplit = 0;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_TRAINING_WARPGROUPMATRIXPRODUCT_H
