//===- TileEmitter.h - values of a fusion on registers -------------------------------------------------===//
//
// A kernel asks for the parts of the values that it stores, and the emitter computes what they need, on
// demand: one native vector of one row at a time. So any tree of element-wise and layout operations becomes
// straight code on registers.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_TILEEMITTER_H
#define LLMC_CODEGEN_CPU_TILEEMITTER_H

#include "codegen/common/KernelBuilder.h"
#include "dialects/nn/NN.h"
#include "llvm/ADT/DenseMap.h"

namespace llmc::codegen {

/// How the width of a value is laid out in vectors: heads, each padded in up to three parts as nn.align_heads
/// says. A width without heads is one head without rotation.
struct WidthLayout {
  int64_t heads = 1;
  int64_t headSize = 0;
  int64_t rotaryDims = 0; ///< 0: no rotation
  int64_t style = 0;      ///< 0 half, 1 interleaved

  int64_t alignedHead(int64_t lanes) const {
    return nn::AlignHeadsOp::getAlignedSize(headSize, rotaryDims, lanes);
  }
  int64_t panelsPerHead(int64_t lanes) const { return alignedHead(lanes) / lanes; }
  int64_t panels(int64_t lanes) const { return heads * panelsPerHead(lanes); }
  bool isPlain() const { return heads == 1 && rotaryDims == 0; }
  bool operator==(const WidthLayout &) const = default;
};

/// Which vector of a row is wanted: panel `base + offset` of the value's width. `base` is a runtime number
/// that all requests of a tile share.
class TileEmitter {
public:
  TileEmitter(KernelBuilder &b) : b(b), panelElements(b.lanes) {}

  KernelBuilder &b;
  /// Elements of a panel. Where it is more than a vector, `inPanel` is the first one that is wanted.
  int64_t panelElements;
  mlir::Value inPanel;
  mlir::Value row;         ///< row of the step
  mlir::Value base;        ///< first panel of the tile in the width of the stored value
  mlir::Value panelInHead; ///< for tiles of pairs: panel within the head's first part

  /// Where a value that comes from outside of the fusion lies: rows of f32, `memref<rows x padded width x
  /// f32>`, or a vector `memref<padded width x f32>`.
  llvm::DenseMap<mlir::Value, mlir::Value> buffers;
  /// First panel of each part of a split in the width of its operand.
  llvm::DenseMap<mlir::Value, int64_t> splitBase;
  /// Panels between the two members of a rotating pair; 0 in tiles of dimensions that do not rotate.
  int64_t rotaryPanels = 0;
  /// Set by product kernels: the vector of the product's result at panel `base + offset`.
  std::function<mlir::Value(int64_t offset)> product;
  mlir::Value productResult;
  /// Set by row kernels: values of row-wise operations whose statistics are known.
  llvm::DenseMap<mlir::Value, std::function<mlir::Value(int64_t offset)>> known;

  /// The vector of `value` at panel `base + offset` in the current row.
  mlir::Value at(mlir::Value value, int64_t offset);
  /// First element of the vector at `panel` in a width of panels.
  mlir::Value columnOf(mlir::Value panel) {
    mlir::Value column = b.mul(panel, panelElements);
    return inPanel ? b.add(column, inPanel) : column;
  }
  /// Starts another row or tile.
  void reset() { computed.clear(); }

  /// Collects the panels of the product that `value` at `base + offset` needs.
  void demand(mlir::Value value, int64_t offset, llvm::SmallVectorImpl<int64_t> &panels);

private:
  mlir::Value compute(mlir::Value value, int64_t offset);
  mlir::Value elementwise(mlir::Operation *op, int64_t offset);
  mlir::Value rotate(nn::RotateOp op, int64_t offset);
  /// `vector`, which is panel `base + offset` of `value`, with zeros beyond the width of `value`.
  mlir::Value clearPadding(mlir::Value value, mlir::Value vector, int64_t offset);
  mlir::Value loadPanel(mlir::Value buffer, int64_t offset);
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::Value> computed;
};

/// Refuses an operation, by name, that TileEmitter can not compute element by element.
mlir::LogicalResult checkElementwise(mlir::Operation *op);

/// Whether an operation that TileEmitter computes element by element gives zero where its operands are zero.
/// What others give is cleared behind the width of a value, but not behind each of its heads.
bool keepsPaddingZero(mlir::Operation *op);

/// exp(x) in f32, which becomes range reduction and a polynomial (ApproximateMath.cpp): off by 1.02 ulps at
/// most on [-87.3, 88] and by 4.1 up to 88.7, 0 from -88 down, infinity above. Measured on every f32.
mlir::Value emitExp(KernelBuilder &b, mlir::Value x);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_TILEEMITTER_H
