//===- ByteSum.h - sums of products of bytes ------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_BYTESUM_H
#define LLMC_CODEGEN_CPU_BYTESUM_H

#include "codegen/common/KernelBuilder.h"

namespace llmc::codegen {

/// Codes as the products of a ByteSum want them: four bytes a lane, unsigned or 128 less; or, where the
/// processor adds products of bytes in 16 bits and the codes have 8, their lower and their upper halves.
using CodeBytes = llvm::SmallVector<mlir::Value, 2>;

/// `codes`, an i32Vector of four unsigned bytes of `codeBits` bits a lane, for ByteSum.
CodeBytes splitCodes(KernelBuilder &b, mlir::Value codes, int64_t codeBits);

/// The sum of (codes[lane][b] - center) * activation[lane][b] over the four bytes b of each lane and over
/// what add() was called with, exactly. With the best instructions that the processor has for it: dot
/// products of bytes, or sums of pairs into 16 bits for as many products as these hold, or products of 32
/// bits.
class ByteSum {
public:
  /// `activationSum`, an i32Vector, is the sum of all activations that add() will be called with.
  ByteSum(KernelBuilder &b, int64_t codeBits, int64_t center, mlir::Value activationSum);

  /// `activation` is an i32Vector of four signed bytes a lane.
  void add(const CodeBytes &codes, mlir::Value activation);
  /// An i32Vector.
  mlir::Value total();

private:
  /// What is summed in 16 bits, of which each lane has two; null if nothing is.
  struct Partial {
    mlir::Value sum;
    int64_t count = 0; ///< products that each 16 bits have
  };
  /// Adds partial `index` to the sum in 32 bits; it begins anew.
  void fold(size_t index);

  KernelBuilder &b;
  const int64_t codeBits;
  mlir::Value sum;
  llvm::SmallVector<Partial, 2> partials; ///< one for each element of CodeBytes
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_BYTESUM_H
