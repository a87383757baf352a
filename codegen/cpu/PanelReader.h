//===- PanelReader.h - loads of packed weights ---------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_PANELREADER_H
#define LLMC_CODEGEN_CPU_PANELREADER_H

#include "codegen/common/KernelBuilder.h"

namespace llmc::codegen {

/// Reads one record of packed weights, `memref<panels x groups x record x i8>` or, of aligned ones,
/// `memref<panels x panel bytes x i8>` (see PanelLayout.h).
class PanelReader {
public:
  PanelReader(KernelBuilder &b, mlir::Value weights, const PanelLayout &layout, int64_t inputs,
              mlir::Value panel, mlir::Value group)
      : b(b), weights(weights), layout(layout), inputs(inputs), panel(panel), group(group) {}

  /// `count` bytes from `offset` on.
  mlir::Value bytes(mlir::Value offset, int64_t count) {
    auto type = mlir::VectorType::get({count}, b.getI8Type());
    llvm::SmallVector<mlir::Value, 3> place{panel, group, offset};
    if (layout.aligned)
      place = {panel, b.add(b.add(b.mul(group, layout.recordBytes()), offset), layout.unitBytes(inputs))};
    return mlir::vector::LoadOp::create(b, type, weights, place);
  }

  /// Asks the memory for what lies a little behind this record: a panel is soon over, and the processor finds
  /// out late that the next one follows.
  void prefetch() {
    constexpr int64_t ahead = 2048, line = 64;
    mlir::Value record = b.add(b.mul(group, layout.recordBytes()), layout.unitBytes(inputs) + ahead);
    for (int64_t offset = 0; offset < layout.recordBytes(); offset += line)
      mlir::memref::PrefetchOp::create(b, weights, mlir::ValueRange{panel, b.add(record, offset)},
                                       /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
  }

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
  /// Of aligned weights: a word a lane, the scale in its lower half and the minimum, or zero, in the upper.
  mlir::Value alignedScales() {
    mlir::Value raw = bytes(layout.scaleOffset(), layout.scaleBytes());
    if (layout.hasMin)
      return mlir::vector::BitCastOp::create(b, b.i32Vector, raw);
    auto halves = mlir::VectorType::get({b.lanes}, b.getI16Type());
    return mlir::arith::ExtUIOp::create(b, b.i32Vector,
                                        mlir::Value(mlir::vector::BitCastOp::create(b, halves, raw)));
  }

private:
  mlir::Value bytes(int64_t offset, int64_t count) { return bytes(b.index(offset), count); }

  KernelBuilder &b;
  mlir::Value weights;
  const PanelLayout &layout;
  const int64_t inputs;
  mlir::Value panel, group;
};

/// The units of run `run` of a panel of aligned weights, in f32.
inline mlir::Value loadUnits(KernelBuilder &b, mlir::Value weights, mlir::Value panel, mlir::Value run) {
  auto type = mlir::VectorType::get({b.lanes}, b.getI8Type());
  mlir::Value exponents =
      mlir::vector::LoadOp::create(b, type, weights, mlir::ValueRange{panel, b.mul(run, b.lanes)});
  mlir::Value bits = b.shiftLeft(mlir::arith::ExtUIOp::create(b, b.i32Vector, exponents), 23);
  return mlir::arith::BitcastOp::create(b, b.f32Vector, bits);
}

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_PANELREADER_H
