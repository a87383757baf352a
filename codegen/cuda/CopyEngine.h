//===- CopyEngine.h - copies to shared memory that no thread waits for -----------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_COPYENGINE_H
#define LLMC_CODEGEN_CUDA_COPYENGINE_H

#include "codegen/cuda/SharedMatrix.h"

namespace llmc::codegen {

/// Barriers in the shared memory of a block, one for each stage (PTX ISA, "mbarrier"). A phase of a barrier
/// ends when as many threads as it expects have arrived, and all bytes of copies that they announced.
class StageBarriers {
public:
  /// Each phase expects `arrivals` threads.
  StageBarriers(GpuKernel &kernel, int64_t stages, int64_t arrivals);

  /// Makes the barriers: by one thread, before a barrier of the block.
  void initialize();
  /// Arrives at the barrier of `stage`.
  void arrive(mlir::Value stage);
  /// Announces copies of `bytes` and arrives.
  void expect(mlir::Value stage, int64_t bytes);
  void expect(mlir::Value stage, mlir::Value bytes);
  /// Waits until the phase with `parity` has ended: 0 is that of the first one, the third ...; before the
  /// first one those with 1 have.
  void wait(mlir::Value stage, mlir::Value parity);
  /// Starts to copy a box of the tensor map at `map` (GpuKernel::importTensorMap()), from `row` and `column`
  /// on, to a panel of `to`. It arrives with its bytes.
  void copyBox(mlir::Value map, mlir::Value row, mlir::Value column, const SharedMatrix &to, int64_t panel);
  /// Starts to copy `bytes`, a multiple of 16, from `at` in `from`, a matrix in global memory, to `place` in
  /// `to`. They arrive at the barrier of `stage`.
  void copyBytes(mlir::Value from, mlir::ValueRange at, mlir::Value to, mlir::ValueRange place,
                 mlir::Value bytes, mlir::Value stage);

private:
  mlir::Value at(mlir::Value stage);

  KernelBuilder &b;
  const int64_t stages, arrivals;
  mlir::Value memory;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_COPYENGINE_H
