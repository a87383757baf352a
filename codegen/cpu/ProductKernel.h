//===- ProductKernel.h - kernels of matrix products with fused epilogues --------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PRODUCTKERNEL_H
#define LLMC_CODEGEN_CPU_PRODUCTKERNEL_H

#include "codegen/cpu/TileEmitter.h"

namespace llmc::codegen {

/// Where a kernel puts a value.
struct Store {
  enum class Kind {
    Rows,      ///< rows of f32 of padded width
    Output,    ///< rows of f32 of the exact width: the step's output
    CacheKey,  ///< keys of a cache, `memref<heads x blocks x head size x block x f32>`
    CacheValue ///< values of a cache, `memref<heads x positions x head size x f32>`
  };
  Kind kind;
  mlir::Value value;       ///< in the fusion
  mlir::Value destination; ///< argument of the kernel
  WidthLayout layout;      ///< of the value's width
};

/// Where the rows of a step lie in caches.
struct CacheRows {
  mlir::Value positions; ///< `memref<rows x i32>`; null: the kernel has no caches
  mlir::Value offsets;   ///< Lowered::cacheOffsets

  /// `cache`, a memref of keys or values, of the sequence that `row` is of.
  mlir::Value of(KernelBuilder &b, mlir::Value cache, mlir::Value row) const;
  /// The position of `row`, an index.
  mlir::Value position(KernelBuilder &b, mlir::Value row) const;
};

/// Writes `vector`, which is panel `panel` of a stored value in row `row`.
void storePanel(KernelBuilder &b, const Store &store, mlir::Value vector, mlir::Value row, mlir::Value panel,
                const CacheRows &cacheRows);

/// A family of tiles of one store: `count` tiles, each of which holds the panels base + offsets[i].
struct TileClass {
  const Store *store;
  int64_t count;
  llvm::SmallVector<int64_t> offsets;
  int64_t tilesPerHead; ///< tile t starts at panel t / tilesPerHead * headPanels + firstPanel + t %
                        ///< tilesPerHead * step
  int64_t headPanels;
  int64_t firstPanel;
  int64_t step;
  bool rotates;
};

/// The families of tiles that `stores` consist of, in panels of `lanes` outputs.
llvm::SmallVector<TileClass> tileClasses(llvm::ArrayRef<Store> stores, int64_t lanes, int64_t panelsPerTile);

/// Panels of the product, relative to a tile's first, that the stores of a class need. Sets how `tile`
/// rotates.
llvm::SmallVector<int64_t> neededPanels(TileEmitter &tile, const TileClass &tileClass);

/// The sums of products x W^T on vectors.
struct PanelProduct {
  KernelBuilder &b;
  const PanelLayout &weights;
  int64_t inputs;
  mlir::Value x, w; ///< as ProductKernel has them

  /// rows x panels. All kernels add up an output in the same order, however many they compute at once.
  llvm::SmallVector<mlir::Value> sum(llvm::ArrayRef<mlir::Value> rows, llvm::ArrayRef<mlir::Value> panels);
};

/// One product kernel: y = epilogue(x W^T) for all rows of a step and a chunk of the outputs.
struct ProductKernel {
  nn::LinearOp linear;
  PanelLayout weights;
  int64_t inputs; ///< K

  /// Arguments of the kernel. x is `memref<rows x padded K x f32>`, `memref<rows x padded K / 2 x i32>` of
  /// bf16 pairs, or activation blocks; w is `memref<panels x groups x record x i8>`, or, with aligned scales,
  /// `memref<panels x panel bytes x i8>`.
  mlir::Value x, w, bias;
  CacheRows cacheRows;
  mlir::Value rows, chunk;
  std::vector<Store> stores;

  bool isDecode = false;      ///< the step has one row
  bool matrixTiles = false;   ///< products go to the matrix unit
  bool rowsAreChosen = false; ///< rows are those whose outputs are wanted
  int64_t rowsPerTile = 1;
  int64_t tilesPerChunk = 1;
  int64_t panelsPerTile = 4; ///< of stores without rotation
  int64_t rowsPerBlock = 0;  ///< rows of a chunk at most; 0: all

  /// Tiles of all stores.
  int64_t tiles(int64_t lanes) const;
  /// Blocks of rows, as alike as tiles allow.
  mlir::Value blocks(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows) const;
  /// Chunks of the parallel region that a block of rows has. The blocks follow each other.
  int64_t chunksPerBlock(int64_t lanes) const { return (tiles(lanes) + tilesPerChunk - 1) / tilesPerChunk; }

  /// Emits the kernel's body at the builder's insertion point. `tile` knows the buffers of outside values and
  /// split bases.
  void emit(KernelBuilder &b, TileEmitter &tile);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PRODUCTKERNEL_H
