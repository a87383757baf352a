//===- ActivationReader.h - loads of quantized activations ---------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_ACTIVATIONREADER_H
#define LLMC_CODEGEN_CPU_ACTIVATIONREADER_H

#include "codegen/cpu/KernelBuilder.h"

namespace llmc::codegen {

/// Reads what one group of weights meets in rows of activation records.
class ActivationReader {
public:
  ActivationReader(KernelBuilder &b, mlir::Value rows, const PanelLayout &layout, mlir::Value group)
      : b(b), rows(rows), layout(layout) {
    parts.push_back(ActivationRecord::codes);
    if (ActivationRecord::isWide(rows.getType()))
      parts.push_back(ActivationRecord::lowCodes);
    // Weight groups of 16 share activation groups of 32.
    const int64_t groupsPerRecord = ActivationRecord::groupSize / layout.groupSize;
    record = b.div(group, groupsPerRecord);
    half = groupsPerRecord == 1 ? mlir::Value() : b.rem(group, groupsPerRecord);
  }

  /// Where the bytes of codes begin in a record: of codes of 8 bits, or of the high and the low ones.
  llvm::SmallVector<int64_t, 2> parts;

  /// Indices of the group's first word of part `part` in row `row`.
  llvm::SmallVector<mlir::Value, 3> place(mlir::Value row, int64_t part, int64_t word = 0) {
    mlir::Value first = b.index(part + word);
    return {row, record, half ? b.add(first, b.mul(half, layout.groupSize / 4)) : first};
  }
  /// The bytes of inputs 4 word .. 4 word + 3 of the group, in every lane.
  mlir::Value bytes(mlir::Value row, int64_t part, int64_t word) {
    return b.broadcast(b.load(rows, place(row, part, word)));
  }
  /// The sum of the group's codes.
  mlir::Value sumOfCodes(mlir::Value row) {
    if (half)
      return b.load(rows, {row, record, b.add(half, ActivationRecord::lowSum)});
    return b.add(field(row, ActivationRecord::lowSum), field(row, ActivationRecord::highSum));
  }
  /// `sum` and what the group adds to it, where `integers` are its sums of products of codes for each part:
  /// the one place that rounds, so that all kernels agree to the bit. `weightMin` is null where weights have
  /// none.
  mlir::Value addScaled(mlir::Value sum, mlir::Value row, mlir::ValueRange integers, mlir::Value weightScale,
                        mlir::Value weightMin) {
    mlir::Value integer = integers[0];
    if (integers.size() == 2)
      integer = b.add(mlir::arith::ShLIOp::create(b, integer, b.splatInt(8)), integers[1]);
    mlir::Value product = mlir::arith::SIToFPOp::create(b, b.f32Vector, integer);
    sum = b.fma(product, b.mulf(weightScale, b.broadcast(number(row, ActivationRecord::scale))), sum);
    return weightMin ? b.fma(weightMin, b.broadcast(number(row, ActivationRecord::scaledSum)), sum) : sum;
  }

private:
  mlir::Value field(mlir::Value row, int64_t word) { return b.load(rows, {row, record, b.index(word)}); }
  mlir::Value number(mlir::Value row, int64_t word) {
    return mlir::arith::BitcastOp::create(b, b.getF32Type(), field(row, word));
  }

  KernelBuilder &b;
  mlir::Value rows;
  const PanelLayout &layout;
  mlir::Value record;
  mlir::Value half; ///< which half of the record; null where the group is all of it
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_ACTIVATIONREADER_H
