//===- SharedMatrix.h - matrices in shared memory, and products of warps -------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_SHAREDMATRIX_H
#define LLMC_CODEGEN_CUDA_SHAREDMATRIX_H

#include "codegen/cuda/TensorCore.h"

namespace llmc::codegen {

/// A matrix of bf16 or f32 in the shared memory of a block, in as many stages as copies are under way. Its
/// columns are panels of 128 bytes; of a panel, chunk c of 16 bytes of row r lies at place c ^ (r % 8), so
/// that eight rows are read and written without conflicts.
class SharedMatrix {
public:
  /// `rows` are a multiple of 8. Columns beyond the last one are there up to whole panels.
  SharedMatrix(GpuKernel &kernel, int64_t rows, int64_t columns, mlir::Type element, int64_t stages = 1);

  int64_t chunk() const { return isBf16() ? 8 : 4; } ///< elements of 16 bytes
  int64_t chunksPerRow() const { return columns / chunk(); }
  bool isBf16() const { return element.isBF16(); }

  /// Indices of the first element of a chunk, `inEight` rows below `eightRows`, a multiple of 8.
  llvm::SmallVector<mlir::Value> at(mlir::Value eightRows, mlir::Value inEight, mlir::Value chunk) const;
  /// The matrix of bf16 from row `first` on, or, `transposed`, from column `first` on, a multiple of 64, as
  /// warpgroups find it.
  MatrixOperand operand(bool transposed, mlir::Value first) const;
  /// Where a panel begins.
  mlir::Value panelPointer(int64_t panel) const;

  const int64_t rows, columns;
  const mlir::Type element;
  mlir::Value memory; ///< memref<panels in all stages x rows x elements of a panel>
  mlir::Value stage;  ///< the one that is read and written; null if there is one only

private:
  GpuKernel &kernel;
  const int64_t panelColumns;
};

/// Four matrices of 8 by 8 of bf16 as operands of matrix instructions, a word each: lanes 8 i to 8 i + 7 say
/// where the rows of the i-th lie, from `eightRows` on, in chunk `chunk`.
llvm::SmallVector<mlir::Value, 4> loadMatrices(KernelBuilder &b, const SharedMatrix &matrix, mlir::Value lane,
                                               mlir::Value eightRows, mlir::Value chunk, bool transposed);

/// What a warp multiplies: rows of a matrix, or, transposed, its columns.
struct WarpOperand {
  const SharedMatrix &matrix;
  bool transposed;   ///< the sums are over the matrix's rows
  mlir::Value first; ///< row or column from which on the warp has its part, a multiple of 16
};

/// Sums of products of a warp: 16 `rowTiles` rows and 8 `columnTiles` columns, an even number of tiles. A
/// thread of the warp has of each tile the sums of rows g, g, g + 8, g + 8 and columns 2 t, 2 t + 1, 2 t, 2 t
/// + 1, where it is thread 4 g + t: as m16n8k16 leaves them (PTX ISA). In bf16 it is that instruction, in f32
/// fused multiply-adds.
class WarpProduct {
public:
  WarpProduct(GpuKernel &kernel, int64_t rowTiles, int64_t columnTiles);

  static constexpr int64_t sumsPerTile = 4;
  llvm::SmallVector<mlir::Value> zeros() {
    return llvm::SmallVector<mlir::Value>(rowTiles * columnTiles * sumsPerTile, b.f32(0));
  }
  /// Adds sum_k a[row, k] b[k, column] for k < `size`, a multiple of 16. `sums` are in the order of row
  /// tiles, column tiles, sums of a tile.
  void multiplyAdd(const WarpOperand &left, const WarpOperand &right, int64_t size,
                   llvm::MutableArrayRef<mlir::Value> sums);
  /// The same in bf16 with the left operand in registers: four words for each 16 k and row tile.
  void multiplyAdd(llvm::ArrayRef<mlir::Value> left, const WarpOperand &right,
                   llvm::MutableArrayRef<mlir::Value> sums);

  /// Row of sums `high` (0 or 1) of a row tile, and first of the two columns of a column tile, in the warp's
  /// part.
  mlir::Value rowOf(int64_t tile, int64_t high) { return b.add(group, tile * 16 + high * 8); }
  mlir::Value columnOf(int64_t tile) { return b.add(b.mul(inGroup, 2), tile * 8); }
  static int64_t place(int64_t high, int64_t column) { return 2 * high + column; }
  /// Sums of one row tile, rounded to bf16, as a left operand in registers: they lie where it wants them.
  static llvm::SmallVector<mlir::Value> toOperand(KernelBuilder &b, llvm::ArrayRef<mlir::Value> sums);

  const int64_t rowTiles, columnTiles;

private:
  /// Sixteen rows or columns of k and an even number of eights of the other, from `offset` on.
  llvm::SmallVector<mlir::Value, 4> loadOperand(const WarpOperand &operand, int64_t offset, int64_t k,
                                                bool isLeft);
  void multiplyStep(llvm::ArrayRef<mlir::Value> rows, const WarpOperand &right, int64_t k,
                    llvm::MutableArrayRef<mlir::Value> sums);
  void multiplyF32(const WarpOperand &left, const WarpOperand &right, int64_t size,
                   llvm::MutableArrayRef<mlir::Value> sums);
  /// Four numbers of k from `k` on, a multiple of 4, of row (or column) `eight` + `inEight`.
  llvm::SmallVector<mlir::Value, 4> numbers(const WarpOperand &operand, mlir::Value eight,
                                            mlir::Value inEight, mlir::Value k);

  KernelBuilder &b;
  mlir::Value lane, group, inGroup; ///< the thread in its warp, g, t
};

/// A product of a warpgroup of sm_90a: of 64 rows of `left` and 8 columns for each tile of `right`, over
/// `size` inputs, a multiple of 16. Warp w of the warpgroup has the sums of rows 16 w to 16 w + 15, as
/// WarpProduct has them for one row tile.
struct WarpgroupProduct {
  MatrixOperand left; ///< in shared memory, or
  llvm::SmallVector<mlir::Value>
      leftWords; ///< in registers: four words for each 16 inputs, of this warp's rows
  MatrixOperand right;
  int64_t size;
  llvm::MutableArrayRef<mlir::Value> sums;
};

/// Asks for products, which are added to sums when they are waited for. Until then neither sums nor operands
/// may be touched, nor new sums be made. `areHeld`: sums are in registers already, and products that were
/// asked for before may still be added to them.
void startWarpgroupProducts(KernelBuilder &b, llvm::MutableArrayRef<WarpgroupProduct> products,
                            bool areHeld = false);
/// Waits until all products but the last `pending` that were asked for are there.
void waitForWarpgroupProducts(KernelBuilder &b, int64_t pending, llvm::MutableArrayRef<mlir::Value> sums);
/// Makes copies to shared memory that this thread has waited for seen by products of warpgroups, after the
/// next barrier.
void showCopiesToWarpgroups(KernelBuilder &b);

/// Stores two numbers of f32 side by side, of a row `inEight` below `eightRows`, at an even column.
void storePair(KernelBuilder &b, const SharedMatrix &matrix, mlir::Value eightRows, mlir::Value inEight,
               mlir::Value column, mlir::Value first, mlir::Value second);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_SHAREDMATRIX_H
