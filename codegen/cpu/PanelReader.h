//===- PanelReader.h - loads of packed weights ---------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PANELREADER_H
#define LLMC_CODEGEN_CPU_PANELREADER_H

#include "codegen/cpu/KernelBuilder.h"

namespace llmc::codegen {

/// Reads one record of `memref<panels x groups x record x i8>` (see PanelLayout.h).
class PanelReader {
public:
  PanelReader(KernelBuilder &b, mlir::Value weights, const PanelLayout &layout, mlir::Value panel,
              mlir::Value group)
      : b(b), weights(weights), layout(layout), panel(panel), group(group) {}

  /// Word `word` of every lane.
  mlir::Value words(int64_t word) {
    return mlir::vector::BitCastOp::create(b, b.i32Vector, bytes(4 * b.lanes * word, 4 * b.lanes));
  }
  /// The codes of word `word`, one a byte: of the first four inputs of every lane, then, if they have four
  /// bits, of the next four.
  llvm::SmallVector<mlir::Value, 2> codes(int64_t word) {
    mlir::Value packed = words(word);
    if (layout.codeBits == 8)
      return {packed};
    mlir::Value mask = b.splatInt(0x0f0f0f0f);
    mlir::Value high = mlir::arith::ShRUIOp::create(b, packed, b.splatInt(4));
    return {mlir::arith::AndIOp::create(b, packed, mask), mlir::arith::AndIOp::create(b, high, mask)};
  }
  /// A scale or a minimum a lane, in f32.
  mlir::Value scales() { return floats(layout.scaleOffset()); }
  mlir::Value minima() { return floats(layout.minOffset()); }

private:
  mlir::Value bytes(int64_t offset, int64_t count) {
    auto type = mlir::VectorType::get({count}, b.getI8Type());
    return mlir::vector::LoadOp::create(b, type, weights, mlir::ValueRange{panel, group, b.index(offset)});
  }
  mlir::Value floats(int64_t offset) {
    mlir::Value raw = bytes(offset, layout.scaleBytes());
    if (layout.wideScales)
      return mlir::vector::BitCastOp::create(b, b.f32Vector, raw);
    mlir::Value halves =
        mlir::vector::BitCastOp::create(b, mlir::VectorType::get({b.lanes}, b.getF16Type()), raw);
    return b.extendF16(halves);
  }

  KernelBuilder &b;
  mlir::Value weights;
  const PanelLayout &layout;
  mlir::Value panel, group;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PANELREADER_H
