//===- Bf16Tile.h - products of bf16 on the processor's matrix unit -------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_BF16TILE_H
#define LLMC_CODEGEN_CPU_BF16TILE_H

#include "codegen/cpu/TileProduct.h"

namespace llmc::codegen {

/// Sums tiles of 16 rows by one panel of a Bf16Product with AMX. Two tiles of rows share each load of
/// weights.
class Bf16Tile {
public:
  Bf16Tile(const Bf16Product &product, mlir::Value results)
      : product(product), b(product.b), results(results) {}

  /// Computes rows `begin` .. `end - 1` of `panel` into the results.
  void emit(mlir::Value begin, mlir::Value end, mlir::Value panel);

private:
  static constexpr int64_t rows = TileProduct::rows;
  /// Inputs of a tile, and inputs after which sums visit memory, which bounds the size of the code.
  static constexpr int64_t step = 32, chunk = 1024;

  /// All inputs for `height` tiles of rows from `row` on, row `r` of the block.
  void addInputs(mlir::Value row, mlir::Value r, int64_t height, mlir::Value panel);
  /// Adds `inputs` inputs from number `first` on to `sums`, a tile of rows each.
  void multiply(mlir::Value row, mlir::Value panel, mlir::Value first, int64_t inputs,
                llvm::MutableArrayRef<mlir::Value> sums);

  Bf16Product product;
  KernelBuilder &b;
  mlir::Value results; ///< `memref<rows of a block x 16 x f32>`
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_BF16TILE_H
