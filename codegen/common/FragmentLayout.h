//===- FragmentLayout.h - weights in the order of tensor cores -----------------------------------------===//
//
// A packed weight is `[tiles][records][record bytes]`. A tile is 16 consecutive outputs, a record holds 64
// inputs of it: codes in the order in which the 32 threads of a warp hold operand A of mma.m16n8k16 (PTX ISA,
// "Matrix Fragments for mma.m16n8k16 with floating point type"), so that each thread loads its own with
// 16-byte loads that lie beside those of its neighbours; then the scales and minima of each group of inputs.
//
// Thread 4 g + t holds outputs g and g + 8, and of each step of 16 inputs those from 2 t and from 2 t + 8 on,
// two each.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_FRAGMENTLAYOUT_H
#define LLMC_CODEGEN_COMMON_FRAGMENTLAYOUT_H

#include "dialects/blocks/BlockFormat.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

namespace llmc::codegen {

/// How a weight with elements of one type is packed for tensor cores.
struct FragmentLayout {
  static constexpr int64_t tileOutputs = 16;
  static constexpr int64_t recordInputs = 64;
  static constexpr int64_t stepInputs = 16; ///< of one matrix instruction
  static constexpr int64_t steps = recordInputs / stepInputs;

  blocks::StorageFormat source = blocks::StorageFormat::BF16;
  int64_t codeBits = 16;            ///< 16: bf16; 8 or 4: codes
  int64_t groupSize = recordInputs; ///< inputs that share a scale: 16, 32 or 64
  int64_t zeroCode = 0;             ///< what a code of zero is worth, in scales, is -zeroCode
  bool hasMin = false;
  bool wideScales = false; ///< scales and minima are f32, else f16

  /// The layout of weights with elements of type `element`: bf16 or blocks, not aligned ones.
  static FragmentLayout get(mlir::Type element);

  bool isQuantized() const { return codeBits < 16; }
  int64_t groups() const { return recordInputs / groupSize; }
  int64_t codeBytes() const { return tileOutputs * recordInputs * codeBits / 8; }
  int64_t scaleBytes() const { return wideScales ? 4 : 2; }
  /// Bytes of the scales and minima of one output in a record: for each group a scale, then a minimum if the
  /// format has them.
  int64_t outputScaleBytes() const { return isQuantized() ? groups() * scaleBytes() * (hasMin ? 2 : 1) : 0; }
  int64_t recordBytes() const { return codeBytes() + tileOutputs * outputScaleBytes(); }
  int64_t records(int64_t inputs) const { return (inputs + recordInputs - 1) / recordInputs; }
  int64_t tiles(int64_t outputs) const { return (outputs + tileOutputs - 1) / tileOutputs; }
  int64_t tileBytes(int64_t inputs) const { return records(inputs) * recordBytes(); }
  /// Sizes of a packed weight in bytes.
  llvm::SmallVector<int64_t> packedShape(int64_t outputs, int64_t inputs) const {
    return {tiles(outputs), tileBytes(inputs)};
  }

  /// Where in a record the codes lie that thread `lane` has for step `step`: byte offset.
  int64_t codeOffset(int64_t step, int64_t lane) const;
  /// Where the scales and minima of outputs g and g + 8 lie, those of g first.
  int64_t scaleOffset(int64_t g) const { return codeBytes() + g * 2 * outputScaleBytes(); }

  /// Packs one tile. `rows` are up to 16 weight rows of `inputs` elements in storage format `source`; a null
  /// row is zeros. Writes tileBytes(inputs) to `target`.
  void packTile(llvm::ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) const;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_FRAGMENTLAYOUT_H
