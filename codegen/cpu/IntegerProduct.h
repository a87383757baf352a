//===- IntegerProduct.h - products of quantized weights and activations --------------------------------===//
//
// Over a run of 128 inputs a product of aligned weights and activation codes is an integer T. Kernels get it
// in different ways, all exactly, drop the same low bits of it and scale it to f32: so they agree to the bit.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_INTEGERPRODUCT_H
#define LLMC_CODEGEN_CPU_INTEGERPRODUCT_H

#include "codegen/cpu/ActivationReader.h"
#include "codegen/cpu/PanelReader.h"

namespace llmc::codegen {

/// The product x W^T of activation blocks and aligned weights, for whatever kernel sums its integers.
struct IntegerProduct {
  KernelBuilder &b;
  const PanelLayout &layout;
  int64_t inputs;
  mlir::Value x, w; ///< activation blocks and packed weights

  /// Bytes of an activation's code.
  int64_t activationBytes() const { return ActivationBlock::isWide(x.getType()) ? 2 : 1; }
  /// Low bits of T that are dropped, rounding down, so that what is left has 32 bits.
  int64_t droppedBits() const { return 8 * (activationBytes() + layout.weightBytes() - 3); }

  /// `sum`, an f32Vector, and what a run adds to it, where `integer` is its T without the dropped bits and
  /// `units` comes from scaledUnits().
  mlir::Value addScaled(mlir::Value sum, mlir::Value integer, mlir::Value units, mlir::Value activationScale);
  /// The units of a run of a panel for integers without the dropped bits.
  mlir::Value scaledUnits(mlir::Value panel, mlir::Value run);

  /// The sums of `rows` by `panels` over all inputs, by products of bytes on vectors.
  llvm::SmallVector<mlir::Value> sum(llvm::ArrayRef<mlir::Value> rows, llvm::ArrayRef<mlir::Value> panels);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_INTEGERPRODUCT_H
