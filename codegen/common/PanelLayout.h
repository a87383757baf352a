//===- PanelLayout.h - packed weights ------------------------------------------------------------------===//
//
// A packed weight is `[panels][groups][record bytes]`. A panel is `lanes` consecutive outputs, one a vector
// lane. A group is `groupSize` consecutive inputs. A record holds what a product kernel needs of one group
// for all lanes of its panel, in the order in which it reads it:
//
//   f32    one f32 a lane                                            (groupSize 1)
//   bf16   two bf16 a lane                                           (groupSize 2)
//   codes  groupSize / (32 / codeBits) words of 32 bits a lane, then a scale a lane, then (with minimum) a
//   minimum a lane
//
// Weights with aligned scales (dialects/blocks/AlignedScales.h) have integers of 16 bits for scales, or, with
// minimum, a word a lane of which the lower half is the scale and the upper one the minimum. Their units lie
// before the panel's records, where the kernel gets to first: for each run of 128 inputs the exponent, as f32
// has it, of a byte a lane, padded to a cache line, so that such a weight is `[panels][panel bytes]`.
//
// Word t of 8-bit codes holds inputs 4t .. 4t+3 from the low byte up. Word t of 4-bit codes holds inputs 8t
// .. 8t+3 in the low and 8t+4 .. 8t+7 in the high halves of its bytes, so that a mask and a shift give two
// vectors of bytes.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_PANELLAYOUT_H
#define LLMC_CODEGEN_COMMON_PANELLAYOUT_H

#include "dialects/blocks/AlignedScales.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <vector>

namespace llmc::codegen {

/// How one weight is packed.
struct PanelLayout {
  enum class Kind { F32, BF16, Codes };

  Kind kind = Kind::F32;
  blocks::StorageFormat source = blocks::StorageFormat::F32; ///< what is packed
  int64_t lanes = 16;
  int64_t groupSize = 1;
  int64_t codeBits = 0;    ///< 4 or 8: codes of fewer bits are stored in these
  int64_t zeroCode = 0;    ///< value = scale * (code - zeroCode) ...
  bool hasMin = false;     ///< ... or scale * code + minimum
  bool wideScales = false; ///< scales and minima are f32 and not f16
  bool aligned = false;    ///< scales and minima are integers in units of their run

  /// The layout of a weight whose elements are `element` (f32, bf16 or !nn.block, but not of activations).
  static PanelLayout get(mlir::Type element, int64_t lanes);

  int64_t wordsPerGroup() const { return groupSize * codeBits / 32; }
  int64_t scaleBytes() const { return lanes * (wideScales || (aligned && hasMin) ? 4 : 2); }
  /// Bytes of the integer that stands for an aligned weight, and the code that has its minimum.
  int64_t weightBytes() const;
  int64_t center() const;
  /// Inputs of a run of aligned weights, and how many runs there are.
  static constexpr int64_t run = blocks::alignedRun;
  int64_t groupsPerRun() const { return run / groupSize; }
  int64_t runs(int64_t inputs) const { return (inputs + run - 1) / run; }
  /// Where scales and minima start in a record of codes.
  int64_t scaleOffset() const { return 4 * lanes * wordsPerGroup(); }
  int64_t minOffset() const { return scaleOffset() + scaleBytes(); }
  int64_t recordBytes() const;
  int64_t panels(int64_t outputs) const { return (outputs + lanes - 1) / lanes; }
  int64_t groups(int64_t inputs) const { return (inputs + groupSize - 1) / groupSize; }
  /// Bytes of the units that a panel of aligned weights begins with; 0 for others.
  int64_t unitBytes(int64_t inputs) const;
  int64_t panelBytes(int64_t inputs) const;
  /// Sizes of a packed weight, in bytes: panels, groups and records, or panels and their bytes.
  llvm::SmallVector<int64_t> packedShape(int64_t outputs, int64_t inputs) const;

  /// Packs one panel. `rows` are up to `lanes` weight rows of `inputs` elements in storage format `source`,
  /// or as blocks::alignRow() makes them of it; a null row is zeros. Writes panelBytes(inputs) to `target`.
  void packPanel(llvm::ArrayRef<const uint8_t *> rows, int64_t inputs, uint8_t *target) const;
};

/// The storage format of tensors with elements of type `element` (f32, f16, bf16 or !nn.block, of aligned
/// ones the format that they are made of).
blocks::StorageFormat storageFormatOf(mlir::Type element);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_PANELLAYOUT_H
