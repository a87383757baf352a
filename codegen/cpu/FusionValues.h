//===- FusionValues.h - what a fusion reads and stores, for the kernels of all targets ------------------===//
#ifndef LLMC_CODEGEN_CPU_FUSIONVALUES_H
#define LLMC_CODEGEN_CPU_FUSIONVALUES_H

#include "codegen/cpu/FunctionLowering.h"
#include "codegen/cpu/ProductKernel.h"

namespace llmc::codegen {

/// Makes a value of the step an argument of a kernel.
using Import = llvm::function_ref<mlir::Value(mlir::Value)>;

/// The values of one fusion in a function that is lowered.
class FusionValues {
public:
  FusionValues(FunctionLowering &f, mlir::Location loc) : f(f), loc(loc), builder(f.builder) {}

protected:
  ~FusionValues() = default;
  /// Memory for rows of `outer`, a result of the fusion.
  virtual Lowered allocateResult(mlir::Value outer, const WidthLayout &layout, mlir::Value rows) {
    return f.allocateRows(outer, layout, rows);
  }
  /// What became of `inner`, which comes from outside of the fusion.
  mlir::FailureOr<Lowered> operand(mlir::Value inner);
  /// The kernel's form of `inner`, a parameter that comes from outside of the fusion.
  mlir::FailureOr<mlir::Value> parameter(mlir::Value inner, llvm::ArrayRef<int64_t> segments);
  /// Makes the outside values that `value` is computed from known to a tile emitter, as arguments of the
  /// kernel. Stops at `stop` (the product's result).
  mlir::LogicalResult importOperands(Import import, TileEmitter &tile, mlir::Value value, mlir::Value stop);
  /// The rows in which `value`'s computation takes place.
  mlir::Value rowsOf(mlir::Value value);
  mlir::LogicalResult refuseWithoutRows();
  /// nn.align_heads segments of the product's outputs and, in `tile`, where parts of a split begin.
  llvm::SmallVector<int64_t> placeParts(nn::LinearOp op, TileEmitter &tile);
  /// What the kernel stores that computes `rows` of the fusion, in memory that becomes the fusion's results.
  /// Sets `cacheRows` if it appends to a cache.
  mlir::LogicalResult addStores(Import import, mlir::Value rows, std::vector<Store> &stores,
                                CacheRows &cacheRows);
  mlir::LogicalResult addStores(Import import, nn::LinearOp product, std::vector<Store> &stores,
                                CacheRows &cacheRows) {
    return addStores(import, rowsOf(product.getInput()), stores, cacheRows);
  }
  /// The places of rows in `cache`, for which `positions` are.
  static CacheRows importRows(Import import, const Lowered &cache, const Lowered &positions) {
    return {import(positions.memrefs[0]), cache.cacheOffsets ? import(cache.cacheOffsets) : mlir::Value()};
  }

  FunctionLowering &f;
  mlir::Location loc;
  mlir::OpBuilder &builder;
  nn::FusionOp fusion;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_FUSIONVALUES_H
