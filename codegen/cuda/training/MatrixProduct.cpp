//===- MatrixProduct.cpp - products of matrices in training, on GPUs ------------------------------------===//
//
// A block makes 128 x 128 sums. Pieces of both operands come to shared memory as they lie, some ahead of the
// one that is multiplied; which way they lie is seen when they are read there. Where that would leave a
// device idle, several blocks share the inputs of a tile, and their sums are added up in order afterwards.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/SharedMatrix.h"
#include "codegen/cuda/training/ProductSums.h"
#include "codegen/cuda/training/WarpgroupMatrixProduct.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kTile = 128, kThreads = 256;
constexpr int64_t kWarpRows = 32, kWarpColumns = 64; ///< of the sums of a warp
constexpr int64_t kStages = 3;
/// Blocks that keep a large device busy, and the fewest pieces of inputs for which a block is worth it.
constexpr int64_t kBlocksOfDevice = 264, kFewestPieces = 4;

class MatrixProduct {
public:
  MatrixProduct(CudaTrainingLowering &lowering, Location loc, const ProductForm &form, Value left,
                Value right, const Destination &destination)
      : lowering(lowering), loc(loc), form(form), destination(destination), left(left), right(right),
        element(cast<MemRefType>(left.getType()).getElementType()), piece(element.isBF16() ? 64 : 32),
        pieces((form.k + piece - 1) / piece), rowBlocks((form.m + kTile - 1) / kTile),
        columnBlocks((form.n + kTile - 1) / kTile) {
    const int64_t wanted = kBlocksOfDevice / (rowBlocks * columnBlocks);
    const int64_t shares = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(pieces / kFewestPieces, 1));
    piecesPerBlock = (pieces + shares - 1) / shares;
    splits = (pieces + piecesPerBlock - 1) / piecesPerBlock;
  }

  void lower() {
    ProductSums sums(lowering, loc, form, destination, splits, kTile, kTile);
    GpuKernel kernel = lowering.kernel("product", loc, kThreads);
    emit(kernel, sums);
    lowering.launch(kernel, loc, columnBlocks, rowBlocks * splits);
    sums.addUp();
  }

private:
  /// One operand on its way.
  struct Operand {
    Value from; ///< in the kernel
    SharedMatrix to;
    bool transposed; ///< rows of memory are inputs
    int64_t extent;  ///< rows of the operand that are no inputs: m or n
    Value first;     ///< the first of them in this block
  };

  void emit(GpuKernel &kernel, ProductSums &sums) {
    KernelBuilder &b = kernel.b;
    Value row = b.mul(splits == 1 ? kernel.block(gpu::Dimension::y)
                                  : b.rem(kernel.block(gpu::Dimension::y), rowBlocks),
                      kTile);
    Value split = splits == 1 ? b.index(0) : b.div(kernel.block(gpu::Dimension::y), rowBlocks);
    Value column = b.mul(kernel.block(), kTile);
    auto operand = [&](Value buffer, bool transposed, int64_t extent, Value first) {
      return Operand{
          kernel.import(buffer),
          SharedMatrix(kernel, transposed ? piece : kTile, transposed ? kTile : piece, element, kStages),
          transposed, extent, first};
    };
    Operand a = operand(left, form.leftTransposed, form.m, row),
            w = operand(right, form.rightTransposed ? false : true, form.n, column);
    Value firstPiece = b.mul(split, piecesPerBlock);
    Value endPiece = b.min(b.add(firstPiece, piecesPerBlock), b.index(pieces));
    Value last = arith::SubIOp::create(b, endPiece, b.index(1));
    auto copyPiece = [&](Value number, Value stage) {
      Value k = b.mul(b.min(number, last), piece);
      copy(kernel, a, k, stage);
      copy(kernel, w, k, stage);
      return Value(nvgpu::DeviceAsyncCreateGroupOp::create(
          b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), ValueRange{}));
    };
    Value token; // waits are for groups by their number, whichever token they are given
    for (int64_t s = 0; s < kStages - 1; ++s)
      token = copyPiece(b.add(firstPiece, s), b.index(s));
    constexpr int64_t kWarpsAcross = kTile / kWarpColumns;
    WarpProduct product(kernel, kWarpRows / 16, kWarpColumns / 8);
    Value warp = b.div(kernel.thread(), GpuKernel::warp);
    Value warpRow = b.mul(b.div(warp, kWarpsAcross), kWarpRows);
    Value warpColumn = b.mul(b.rem(warp, kWarpsAcross), kWarpColumns);
    SmallVector<Value> totals =
        b.loop(firstPiece, endPiece, 1, product.zeros(), [&](Value number, ValueRange now) {
          SmallVector<Value> next(now);
          nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(kStages - 2));
          kernel.barrier();
          Value turn = arith::SubIOp::create(b, number, firstPiece);
          copyPiece(b.add(number, kStages - 1), b.rem(b.add(turn, kStages - 1), kStages));
          a.to.stage = w.to.stage = b.rem(turn, kStages);
          product.multiplyAdd({a.to, a.transposed, warpRow}, {w.to, w.transposed, warpColumn}, piece, next);
          return next;
        });
    // The block's last copies are of pieces that it has had.
    nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(0));
    sums.store(kernel, product, totals, split, b.add(row, warpRow), b.add(column, warpColumn));
  }

  /// Starts to copy the inputs from `k` on. Those behind the last are zeros; rows behind the last are that
  /// one.
  void copy(GpuKernel &kernel, Operand &operand, Value k, Value stage) {
    KernelBuilder &b = kernel.b;
    SharedMatrix to = operand.to;
    to.stage = stage;
    const int64_t chunk = to.chunk(), perRow = to.chunksPerRow();
    const bool hasTail = form.k % piece != 0;
    auto type = nvgpu::DeviceAsyncTokenType::get(b.getContext());
    for (int64_t first = 0; first < to.rows * perRow; first += kThreads) {
      Value index = b.add(kernel.thread(), first), row = b.div(index, perRow), place = b.rem(index, perRow);
      Value across = operand.transposed ? b.mul(place, chunk) : row; // m or n, in the tile
      Value along = operand.transposed ? row : b.mul(place, chunk);  // k, in the piece
      Value outer = b.add(operand.first, across), inner = b.add(k, along), valid;
      if (hasTail) {
        Value left = arith::SubIOp::create(b, b.index(form.k), inner);
        if (operand.transposed)
          left = b.mul(left, chunk); // a row is there or not
        valid = arith::MaxSIOp::create(b, b.min(left, b.index(chunk)), b.index(0));
        inner = b.min(inner, b.index(operand.transposed ? form.k - 1 : lastChunk(form.k, chunk)));
      }
      if (operand.extent % kTile != 0)
        outer =
            b.min(outer, b.index(operand.transposed ? lastChunk(operand.extent, chunk) : operand.extent - 1));
      SmallVector<Value> from =
          operand.transposed ? SmallVector<Value>{inner, outer} : SmallVector<Value>{outer, inner};
      Value eight = b.mul(b.div(row, 8), 8);
      nvgpu::DeviceAsyncCopyOp::create(b, type, to.memory, to.at(eight, b.rem(row, 8), place), operand.from,
                                       from, b.getIndexAttr(chunk), valid, b.getUnitAttr());
    }
  }
  static int64_t lastChunk(int64_t extent, int64_t chunk) { return (extent - 1) / chunk * chunk; }

  CudaTrainingLowering &lowering;
  Location loc;
  const ProductForm form;
  const Destination destination;
  Value left, right;
  const Type element;
  const int64_t piece, pieces; ///< inputs that come at one time, and how often
  const int64_t rowBlocks, columnBlocks;
  int64_t splits = 1, piecesPerBlock = 1;
};

} // namespace

void lowerMatrixProduct(CudaTrainingLowering &lowering, Location loc, const ProductForm &form, Value left,
                        Value right, const Destination &destination) {
  const bool hasWarpgroups = cast<MemRefType>(left.getType()).getElementType().isBF16();
  lowering.inForms(hasWarpgroups, [&](bool warpgroups) {
    if (warpgroups)
      WarpgroupMatrixProduct(lowering, loc, form, left, right, destination).lower();
    else
      MatrixProduct(lowering, loc, form, left, right, destination).lower();
  });
}

} // namespace llmc::codegen
