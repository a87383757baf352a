//===- ProductSums.h - where sums of products go in training, on GPUs -----------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_TRAINING_PRODUCTSUMS_H
#define LLMC_CODEGEN_CUDA_TRAINING_PRODUCTSUMS_H

#include "codegen/cuda/SharedMatrix.h"
#include "codegen/cuda/training/CudaTrainingLowering.h"

namespace llmc::codegen {

/// Where the sums of a product go: to its destination, or, where `splits` blocks share the inputs of a tile,
/// into a part for each of them first.
class ProductSums {
public:
  /// Tiles have `tileRows` x `tileColumns` sums.
  ProductSums(CudaTrainingLowering &lowering, mlir::Location loc, const ProductForm &form,
              const Destination &destination, int64_t splits, int64_t tileRows, int64_t tileColumns);

  /// Stores the sums of a warp, whose first one is that of `row` and `column`.
  void store(GpuKernel &kernel, WarpProduct &product, llvm::ArrayRef<mlir::Value> sums, mlir::Value split,
             mlir::Value row, mlir::Value column);
  /// Launches what adds up the parts in their order, if there are any.
  void addUp();

private:
  CudaTrainingLowering &lowering;
  mlir::Location loc;
  const ProductForm &form;
  const Destination &destination;
  const int64_t splits, tileRows, tileColumns;
  Destination target; ///< of blocks
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_TRAINING_PRODUCTSUMS_H
