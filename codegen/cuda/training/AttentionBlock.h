//===- AttentionBlock.h - a block of attention over whole sequences, on GPUs ------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_TRAINING_ATTENTIONBLOCK_H
#define LLMC_CODEGEN_CUDA_TRAINING_ATTENTIONBLOCK_H

#include "codegen/cuda/SharedMatrix.h"
#include "codegen/cuda/training/CudaTrainingLowering.h"

namespace llmc::codegen {

/// How blocks of 64 queries and 64 keys of a head are multiplied: by matrix instructions of warps or of the
/// warpgroup that a block is, or in f32. A thread has the sums that WarpProduct says for one row tile.
class BlockProducts {
public:
  BlockProducts(GpuKernel &kernel, mlir::Type element, bool warpgroups);

  static constexpr int64_t rows = 64, threads = 128;
  /// Tiles of eight columns of `size` numbers of a head, an even number.
  static int64_t columnTiles(int64_t size) { return padTo(size, 16) / 8; }
  static constexpr int64_t scoreTiles = rows / 8, scoreCount = scoreTiles * WarpProduct::sumsPerTile;

  llvm::SmallVector<mlir::Value> zeros(int64_t tiles = scoreTiles) {
    return llvm::SmallVector<mlir::Value>(tiles * WarpProduct::sumsPerTile, kernel.b.f32(0));
  }
  /// Rows of `left` times rows of `right`, of `size` numbers.
  struct OfRows {
    const SharedMatrix &left, &right;
    int64_t size;
    llvm::MutableArrayRef<mlir::Value> sums;
  };
  /// Scores that threads have times the rows of `right`.
  struct OfScores {
    llvm::ArrayRef<mlir::Value> scores;
    const SharedMatrix &right;
    llvm::MutableArrayRef<mlir::Value> sums;
  };
  /// Adds products to their sums.
  void multiplyAdd(llvm::ArrayRef<OfRows> products);
  void multiplyAdd(llvm::ArrayRef<OfScores> products);
  /// Waits for the copies to shared memory that all threads have started but the last `pending` groups.
  void waitForCopies(mlir::Value token, int64_t pending);

  /// The first of this warp's 16 rows.
  mlir::Value warpFirst() const { return first; }
  /// Row and columns of a thread's sums.
  mlir::Value rowOf(int64_t high) { return kernel.b.add(first, product(scoreTiles).rowOf(0, high)); }
  mlir::Value columnOf(int64_t tile) { return product(scoreTiles).columnOf(tile); }

private:
  void multiplyByWarpgroup(llvm::MutableArrayRef<WarpgroupProduct> products);
  void storeScores(llvm::ArrayRef<mlir::Value> scores);
  WarpProduct product(int64_t tiles) const { return WarpProduct(kernel, 1, tiles); }

  GpuKernel &kernel;
  const mlir::Type element;
  const bool warpgroups;
  mlir::Value first;
  std::optional<SharedMatrix> scoreTile; ///< of f32, whose left operands lie in shared memory
};

/// Attention of a head in a sequence, inside of a kernel. Queries and keys are counted in the sequence.
class AttentionBlock {
public:
  AttentionBlock(GpuKernel &kernel, const AttentionForm &form, mlir::Type element)
      : kernel(kernel), b(kernel.b), form(form), element(element) {}

  static constexpr int64_t size = BlockProducts::rows;

  SharedMatrix matrix(int64_t columns, int64_t stages = 1) {
    return SharedMatrix(kernel, size, columns, element, stages);
  }
  static int64_t blocksOf(const AttentionForm &form) { return (form.sequence + size - 1) / size; }

  /// Starts to copy rows `first` to first + 63 of the sequence, `width` columns from `column` on; zeros where
  /// there are none. Copies of all matrices up to the next commit() are a group.
  void load(const SharedMatrix &to, mlir::Value from, mlir::Value first, mlir::Value column, int64_t width);
  mlir::Value commit();
  /// Copies numbers of rows `first` to first + 63 to shared memory: `at` gives that of a row of all, `store`
  /// puts it.
  void loadColumn(mlir::Value first, llvm::function_ref<mlir::Value(mlir::Value)> at,
                  llvm::function_ref<void(mlir::Value number, mlir::Value place)> store);

  /// Whether query `i` sees key `j`, both there.
  mlir::Value sees(mlir::Value i, mlir::Value j, mlir::Value iSegment, mlir::Value jSegment);
  /// Of a product of a query and a key: the logit times log2(e), and the derivative of the logit.
  mlir::Value logit(mlir::Value product);
  mlir::Value slope(mlir::Value product);
  /// The keys that the queries from `first` on see are in blocks from the one to below the other.
  std::pair<mlir::Value, mlir::Value> keysOf(mlir::Value first);
  /// Likewise the queries that see keys from `first` on.
  std::pair<mlir::Value, mlir::Value> queriesOf(mlir::Value first);

  /// Calls `body` with the places of a thread's sums: high, tile, column, place among the sums.
  static void forSums(int64_t tiles,
                      llvm::function_ref<void(int64_t high, int64_t tile, int64_t i, int64_t at)> body);
  /// Stores a thread's sums, times factors of its rows, to rows from `first` on (in the sequence).
  void storeRows(mlir::Value to, BlockProducts &products, llvm::ArrayRef<mlir::Value> sums, mlir::Value first,
                 mlir::Value column, int64_t width, llvm::ArrayRef<mlir::Value> factors);
  mlir::Value reduceRow(mlir::Value value, bool isSum);
  /// The row of all that is row `i` of the sequence, or its last.
  mlir::Value rowOf(mlir::Value i);

  GpuKernel &kernel;
  KernelBuilder &b;
  const AttentionForm &form;
  const mlir::Type element;
  mlir::Value firstRow; ///< of the sequence

private:
  mlir::Value capped(mlir::Value product);
};

/// What kernels for blocks of queries have in common: the block that they are for, and segments.
class QueryBlock {
public:
  QueryBlock(AttentionBlock &block, BlockProducts &products, mlir::Value segments);

  void loadSegments(mlir::Value keys, mlir::Value stage);
  /// Which of a thread's scores with keys from `keys` on count, in the order of the sums.
  llvm::SmallVector<mlir::Value> seen(mlir::Value keys, mlir::Value stage);

  mlir::Value number; ///< of the head
  mlir::Value first;  ///< query
  mlir::Value queryColumn, keyColumn, valueColumn, outputColumn;
  mlir::Value queries[2]; ///< of this thread's rows

private:
  AttentionBlock &block;
  BlockProducts &products;
  KernelBuilder &b;
  mlir::Value segments, querySegments[2], keySegments;
};

/// Blocks that go by are copied while the one before is worked on.
inline constexpr int64_t kAttentionStages = 2;

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_TRAINING_ATTENTIONBLOCK_H
