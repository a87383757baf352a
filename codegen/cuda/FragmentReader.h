//===- FragmentReader.h - weights in registers, as tensor cores take them ------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_FRAGMENTREADER_H
#define LLMC_CODEGEN_CUDA_FRAGMENTREADER_H

#include "codegen/common/FragmentLayout.h"
#include "codegen/cuda/GpuKernel.h"

namespace llmc::codegen {

/// The text by which the instruction (a & b) | c begins, for who simulates it. Of two instructions that say
/// the same ptxas makes two.
inline constexpr llvm::StringLiteral kAndOr = "lop3.b32 $0, $1, $2, $3, 0xea;";

/// What one thread reads of weights `memref<tiles x tile bytes x i8>`. All loads of a record come before its
/// first use, so that several records can be on their way.
class FragmentReader {
public:
  FragmentReader(KernelBuilder &b, const FragmentLayout &layout, mlir::Value weights, mlir::Value lane)
      : b(b), layout(layout), weights(weights), lane(lane) {}

  /// A thread's part of a record.
  struct Record {
    llvm::SmallVector<mlir::Value> codes;  ///< i32 words, in the order of steps
    llvm::SmallVector<mlir::Value> scales; ///< i32 words: of outputs g, then of g + 8
  };
  Record load(mlir::Value tile, mlir::Value record);
  /// Records as a list of words, for what loops carry, and back: `count` records.
  static void append(const Record &record, llvm::SmallVectorImpl<mlir::Value> &words);
  llvm::SmallVector<Record> split(mlir::ValueRange words, size_t count) const;

  /// Operand A of step `step`: four registers of two bf16. Of codes the numbers are the codes plus
  /// operandOffset(), which bf16 holds exactly.
  llvm::SmallVector<mlir::Value, 4> operand(const Record &record, int64_t step);
  int64_t operandOffset() const { return layout.codeBits == 4 ? 128 : -layout.zeroCode; }

  /// The same of the weights themselves, rounded to bf16.
  llvm::SmallVector<mlir::Value, 4> scaledOperand(const Record &record, int64_t step);

  /// Scale and minimum (null without) in f32 of group `group` of output g (`high` 0) or g + 8 (1).
  std::pair<mlir::Value, mlir::Value> scale(const Record &record, int64_t group, int64_t high);

  /// The number at `output` (0 to 15) of `tile` and `input`, in f32: for lookups.
  mlir::Value element(mlir::Value tile, mlir::Value output, mlir::Value input);

private:
  mlir::Value words(mlir::Value tile, mlir::Value offset, int64_t count);
  /// The two codes of register `r` of step `step` in f32, less zeroCode.
  llvm::SmallVector<mlir::Value, 2> numbers(const Record &record, int64_t step, int64_t r);
  mlir::Value scaleNumber(llvm::ArrayRef<mlir::Value> words, int64_t index);

  KernelBuilder &b;
  const FragmentLayout &layout;
  mlir::Value weights, lane;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_FRAGMENTREADER_H
