//===- TileProduct.h - products on the processor's matrix unit ------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_TILEPRODUCT_H
#define LLMC_CODEGEN_CPU_TILEPRODUCT_H

#include "codegen/cpu/PanelReader.h"

namespace llmc::codegen {

/// Products of whole tiles of 16 rows, whose sums it leaves in scratch memory. The same to the bit as what
/// the kernels for fewer rows compute.
class TileProduct {
public:
  static constexpr int64_t rows = 16; ///< of a tile
  /// Rows whose sums are kept at a time.
  static constexpr int64_t rowsPerBlock = 256;

  virtual ~TileProduct() = default;

  /// Computes the sums of rows `begin` .. `end - 1` of `panels`, the first one into slot 0: whole tiles, a
  /// block at most.
  virtual void run(mlir::Value begin, mlir::Value end, llvm::ArrayRef<mlir::Value> panels) = 0;

  /// The sums of row `r` of the block in `slot`.
  mlir::Value sum(mlir::Value r, int64_t slot) {
    return b.loadVector(results, {b.index(slot), r, b.index(0)});
  }

protected:
  /// Takes scratch memory for the sums of `panels` at the insertion point, the entry of the kernel.
  TileProduct(KernelBuilder &b, int64_t panels) : b(b) {
    results = scratch({panels, rowsPerBlock, b.lanes}, b.getF32Type());
  }

  mlir::Value scratch(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
    return mlir::memref::AllocaOp::create(b, bufferType(shape, element), mlir::ValueRange{},
                                          b.getI64IntegerAttr(64));
  }

  mlir::Value results; ///< `memref<panels x rows of a block x 16 x f32>`

private:
  KernelBuilder &b;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_TILEPRODUCT_H
