//===- ActivationReader.h - loads of quantized activations ---------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_ACTIVATIONREADER_H
#define LLMC_CODEGEN_CPU_ACTIVATIONREADER_H

#include "codegen/common/KernelBuilder.h"

namespace llmc::codegen {

/// Reads what one run of weights meets in rows of activation blocks.
class ActivationReader {
public:
  ActivationReader(KernelBuilder &b, mlir::Value rows, mlir::Value run) : b(b), rows(rows), run(run) {}

  /// Parts of a code, from the high one down.
  int64_t parts() const { return ActivationBlock::isWide(rows.getType()) ? 2 : 1; }

  /// Indices of word `word` of part `part` of the codes in row `row`.
  llvm::SmallVector<mlir::Value, 3> place(mlir::Value row, int64_t part, mlir::Value word) {
    return {row, run, b.add(word, part == 0 ? ActivationBlock::codes : ActivationBlock::lowCodes)};
  }
  /// The bytes of inputs 4 word .. 4 word + 3 of the run, in every lane.
  mlir::Value bytes(mlir::Value row, int64_t part, mlir::Value word) {
    return b.broadcast(b.load(rows, place(row, part, word)));
  }
  /// The sum of part `part` of the codes of group `group` of the run, in every lane.
  mlir::Value sum(mlir::Value row, int64_t part, mlir::Value group, int64_t groupSize) {
    const int64_t count = groupSize / ActivationBlock::sumSize;
    mlir::Value word = b.add(b.mul(group, count), ActivationBlock::sums), total;
    for (int64_t i = 0; i < count; ++i) {
      mlir::Value both = b.broadcast(b.load(rows, {row, run, b.add(word, i)}));
      total = total ? b.add(total, both) : both;
    }
    // The low part is signed: rounded to the nearest multiple of 2^16, what is left is the high one.
    return part == 0 ? b.shiftRight(b.add(total, b.splatInt(1 << 15)), 16)
                     : b.shiftRight(b.shiftLeft(total, 16), 16);
  }
  /// The pair sums of part `part` of the codes of group `group` of ActivationBlock::pairSumSize, in every
  /// lane.
  mlir::Value pairSums(mlir::Value row, int64_t part, mlir::Value group) {
    return b.broadcast(
        b.load(rows, {row, run, b.add(group, ActivationBlock::pairSums(rows.getType(), part))}));
  }
  /// The scale of the run's codes, in every lane.
  mlir::Value scale(mlir::Value row) {
    mlir::Value word = b.load(rows, {row, run, b.index(ActivationBlock::scale)});
    return b.broadcast(mlir::arith::BitcastOp::create(b, b.getF32Type(), word));
  }

private:
  KernelBuilder &b;
  mlir::Value rows, run;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_ACTIVATIONREADER_H
