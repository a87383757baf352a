//===- ProductEmitter.h - what kernels of products consist of ------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_PRODUCTEMITTER_H
#define LLMC_CODEGEN_CUDA_PRODUCTEMITTER_H

#include "codegen/cuda/CopyEngine.h"
#include "codegen/cuda/FragmentProduct.h"
#include "codegen/cuda/FragmentReader.h"
#include "codegen/cuda/TensorCore.h"

namespace llmc::codegen {

/// Emits one FragmentProduct. Sums come about in one of three ways, a file each: from registers
/// (FragmentProduct.cpp), with rows in shared memory (StagedProduct.cpp), with weights in shared memory
/// (StreamedProduct.cpp).
class ProductEmitter {
public:
  ProductEmitter(GpuKernel &gpu, TileEmitter &tile, FragmentProduct &kernel);

  void run();

private:
  static constexpr int64_t panelOutputs = FragmentLayout::tileOutputs;
  /// Columns of operand B: rows of x that one instruction works on.
  static constexpr int64_t instructionRows = 8;
  /// Sums of one instruction that a thread holds: of outputs g, g, g + 8, g + 8 and rows 2 t, 2 t + 1, 2 t,
  /// 2 t + 1.
  static constexpr int64_t instructionSums = 4;

  /// Where a class has its tile.
  struct Place {
    mlir::Value isHere, inHead, base;
  };
  /// The panels of tile `index` of all, and where it lies in each class.
  llvm::SmallVector<mlir::Value> find(mlir::Value index, llvm::SmallVectorImpl<Place> *found);
  size_t largestNeed();
  /// What `compute` gives if `condition` holds, else `otherwise`.
  llvm::SmallVector<mlir::Value> valuesIf(mlir::Value condition,
                                          llvm::function_ref<llvm::SmallVector<mlir::Value>()> compute,
                                          mlir::ValueRange otherwise);

  //===--- Sums from registers ---===//

  /// Sums of products: panels x blocks of rows x instructionSums, of this warp's inputs.
  llvm::SmallVector<mlir::Value> sumProducts(llvm::ArrayRef<mlir::Value> panels);
  llvm::SmallVector<mlir::Value> addAll(FragmentReader &reader, size_t panels, mlir::Value base,
                                        int64_t batch, mlir::ValueRange words,
                                        llvm::SmallVector<mlir::Value> totals);
  /// Adds the products of record `record` of each of `panels`.
  void addRecord(FragmentReader &reader, llvm::ArrayRef<FragmentReader::Record> panels, mlir::Value record,
                 llvm::SmallVectorImpl<mlir::Value> &totals);
  double codeOffset(const FragmentReader &reader) const;
  /// Operand B of each step of a record for the rows from `n` instructions on.
  llvm::SmallVector<llvm::SmallVector<mlir::Value, 2>> loadInputs(int64_t n, mlir::Value record);
  llvm::SmallVector<mlir::Value> multiply(llvm::ArrayRef<mlir::Value> operandA,
                                          llvm::ArrayRef<mlir::Value> operandB,
                                          llvm::ArrayRef<mlir::Value> sums);
  /// Adds the sums of the warps that share a tile; the first of them gets the totals.
  llvm::SmallVector<mlir::Value> addUpWarps(llvm::SmallVector<mlir::Value> partial);

  //===--- Rows in shared memory ---===//

  /// Sums of products of all inputs.
  llvm::SmallVector<mlir::Value> sumStaged(llvm::ArrayRef<mlir::Value> panels);
  llvm::SmallVector<mlir::Value> sumByWarps(FragmentReader &reader, llvm::ArrayRef<mlir::Value> panels);
  llvm::SmallVector<mlir::Value> sumByWarpgroups(FragmentReader &reader, llvm::ArrayRef<mlir::Value> panels);
  llvm::SmallVector<mlir::Value> loadRecord(FragmentReader &reader, llvm::ArrayRef<mlir::Value> panels,
                                            mlir::Value record);
  void copyFirstRows(int64_t ahead);
  void waitForRows(int64_t ahead);
  void copyRowsAhead(mlir::Value record, int64_t ahead);
  mlir::Value copyRows(mlir::Value stage, mlir::Value record);
  void multiplyRecord(FragmentReader &reader, mlir::ValueRange words, mlir::Value stage, size_t panels,
                      llvm::SmallVectorImpl<mlir::Value> &totals);
  void startProducts(llvm::SmallVector<mlir::Value> operands, mlir::Value stage, size_t panels,
                     llvm::MutableArrayRef<mlir::Value> totals);

  //===--- Weights in shared memory ---===//

  /// All tiles of this block, their epilogues too.
  void runStreamed();
  void sumStream(const WeightStream &stream, mlir::Value ring, StageBarriers &arrivals,
                 StageBarriers &releases, StageBarriers &exchanges);
  void bringRow(StageBarriers &arrival, mlir::Value brings);
  void addUpStreamed(mlir::Value exchange, StageBarriers &exchanges, mlir::Value count,
                     llvm::ArrayRef<Place> places);

  //===--- Epilogue ---===//

  /// The tile of that class of which there is one, at its place.
  void storeTiles(llvm::ArrayRef<Place> places);
  void storeTile(const TileClass &tileClass, const Place &place);
  void storeElements(const TileClass &tileClass, int64_t n, mlir::Value row, int64_t member, int64_t high);
  void storeElement(const Store &store, mlir::Value value, mlir::Value row, mlir::Value panel);

  GpuKernel &gpu;
  KernelBuilder &b;
  TileEmitter &tile;
  FragmentProduct &kernel;
  const llvm::SmallVector<TileClass> classes;
  const int64_t blockRows; ///< instructions side by side for the rows of a block
  mlir::Value lane, isFirstLane, inputWarp, firstRow;
  mlir::Value stages; ///< records of x in shared memory
  mlir::Value token;  ///< of a copy: waits are for groups by their number, whichever token they are given
  llvm::SmallVector<mlir::Value> sums; ///< panels x blockRows x instructionSums
  llvm::SmallVector<int64_t> needed;   ///< of the tile that is emitted
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_PRODUCTEMITTER_H
