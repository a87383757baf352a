//===- Iteration.h - the loops that an operation is --------------------------------------------------===//
//
// How an operation runs through its operands and results, in one description for whoever cuts it up: into
// tiles of a cache, chunks of a thread, or shards of a device.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_ITERATION_H
#define LLMC_DIALECTS_NN_ITERATION_H

#include "mlir/Interfaces/TilingInterface.h"

namespace llmc::nn {

/// How the loops of an operation reach one dimension of an operand or result.
struct DimAccess {
  /// The loop each of whose iterations takes a part of the dimension. Nothing: each iteration needs all of
  /// the dimension, or, in a result, gives all of it.
  std::optional<unsigned> loop;
  /// Consecutive elements that one iteration takes: those of a head, a group, a block.
  int64_t unit = 1;
};

/// The loops of an operation. Iterations of a parallel loop are independent: each computes its own part of
/// the results from its parts of the operands. Those of a reduction give summands of the results.
struct IterationSpace {
  /// Parallel loops, then reductions.
  llvm::SmallVector<mlir::utils::IteratorType, 3> loops;
  /// Dimensions of operands and results, in order. A value that is no tensor (a cache) has none and is needed
  /// whole.
  llvm::SmallVector<llvm::SmallVector<DimAccess, 2>, 4> operands, results;

  unsigned countParallel() const { return llvm::count(loops, mlir::utils::IteratorType::parallel); }
};

/// The number of iterations of `loop` of `op`, which implements IterationOpInterface.
mlir::OpFoldResult getLoopExtent(mlir::OpBuilder &builder, mlir::Operation *op, unsigned loop);

/// Creates slices of the operands of `op`, which implements IterationOpInterface, and the operation that
/// computes the tile of iterations `offsets`, `sizes` of the first loops; loops that follow are whole. A tile
/// of a reduction gives summands of the results. Fails where the operation can not be made for such a tile
/// (heads whose number is not known).
mlir::FailureOr<mlir::TilingResult> computeTile(mlir::OpBuilder &builder, mlir::Operation *op,
                                                llvm::ArrayRef<mlir::OpFoldResult> offsets,
                                                llvm::ArrayRef<mlir::OpFoldResult> sizes);

// What TilingInterface asks, of the parallel loops: a tile of a sum is not a tile of the result.
llvm::SmallVector<mlir::utils::IteratorType> getParallelLoops(mlir::Operation *op);
llvm::SmallVector<mlir::Range> getParallelDomain(mlir::OpBuilder &builder, mlir::Operation *op);
mlir::LogicalResult getResultTile(mlir::OpBuilder &builder, mlir::Operation *op, unsigned result,
                                  llvm::ArrayRef<mlir::OpFoldResult> offsets,
                                  llvm::ArrayRef<mlir::OpFoldResult> sizes,
                                  llvm::SmallVector<mlir::OpFoldResult> &resultOffsets,
                                  llvm::SmallVector<mlir::OpFoldResult> &resultSizes);
/// The tile of iterations that gives a tile of a result. Fails if that is not known to consist of whole
/// iterations.
mlir::LogicalResult getTileOfResult(mlir::OpBuilder &builder, mlir::Operation *op, unsigned result,
                                    llvm::ArrayRef<mlir::OpFoldResult> resultOffsets,
                                    llvm::ArrayRef<mlir::OpFoldResult> resultSizes,
                                    llvm::SmallVectorImpl<mlir::OpFoldResult> &offsets,
                                    llvm::SmallVectorImpl<mlir::OpFoldResult> &sizes);
mlir::FailureOr<mlir::TilingResult> computeResultTile(mlir::OpBuilder &builder, mlir::Operation *op,
                                                      unsigned result,
                                                      llvm::ArrayRef<mlir::OpFoldResult> resultOffsets,
                                                      llvm::ArrayRef<mlir::OpFoldResult> resultSizes);

} // namespace llmc::nn

#endif // LLMC_DIALECTS_NN_ITERATION_H
