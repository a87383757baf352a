//===- IntegerTile.h - integer products on the processor's matrix unit -----------------------------------===//
#ifndef LLMC_CODEGEN_CPU_INTEGERTILE_H
#define LLMC_CODEGEN_CPU_INTEGERTILE_H

#include "codegen/cpu/IntegerProduct.h"
#include "codegen/cpu/TileProduct.h"

namespace llmc::codegen {

/// Sums tiles of 16 rows by one panel of an IntegerProduct with AMX. The bytes of activations' codes and of
/// weights' integers are multiplied each with each, 64 inputs at a time, and stay in tile registers for a run
/// of inputs, byte products of equal weight together.
class IntegerTile {
public:
  IntegerTile(const IntegerProduct &product, mlir::Value results);

  /// Computes rows `begin` .. `end - 1` of `panel` into the results.
  void emit(mlir::Value begin, mlir::Value end, mlir::Value panel);

private:
  static constexpr int64_t rows = TileProduct::rows;
  /// Inputs of a tile of codes.
  static constexpr int64_t step = 64;
  /// Runs whose integers are made at a time: they stay in the nearest cache for all rows of a block.
  int64_t runsPerChunk() const { return std::min<int64_t>(4, layout.runs(product.inputs)); }
  /// Accumulators: byte products of equal weight.
  int64_t levels() const { return product.activationBytes() + layout.weightBytes() - 1; }

  /// A chunk of `count` runs from `first` on, of which the last one has `lastInputs` inputs.
  void addChunk(mlir::Value begin, mlir::Value end, mlir::Value panel, mlir::Value first, int64_t count,
                int64_t lastInputs);
  /// Makes the integers of the weights of `inputs` inputs from run `first` on.
  void unpack(mlir::Value panel, mlir::Value first, int64_t inputs);
  /// Bytes of the integers of a vector of codes, lowest byte first.
  llvm::SmallVector<mlir::Value, 3> integers(mlir::Value codes, mlir::Value scales);
  /// Integer sums of `inputs` inputs of a run, number `index` of its chunk, in tile registers.
  llvm::SmallVector<mlir::Value, 4> multiply(mlir::Value row, mlir::Value run, int64_t index, int64_t inputs);
  void store(mlir::ValueRange accumulators);
  /// Scales the integer sums that were stored and adds them to the results of rows from `r` of the block on.
  void addRun(mlir::Value row, mlir::Value r, mlir::Value run, int64_t index);

  IntegerProduct product;
  KernelBuilder &b;
  const PanelLayout &layout;
  mlir::Value results; ///< `memref<rows of a block x 16 x f32>`
  mlir::Value weights; ///< `memref<steps x weight bytes x 16 x 64 x i8>`: integers as tiles want them
  mlir::Value units;   ///< `memref<runs of a chunk x 16 x f32>`
  mlir::Value tiles;   ///< `memref<levels x 16 x 16 x i32>`
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_INTEGERTILE_H
