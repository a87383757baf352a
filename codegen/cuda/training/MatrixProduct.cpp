//===- MatrixProduct.cpp - products of matrices in training, on GPUs ------------------------------------===//
//
// A block makes 128 x 128 sums. Pieces of both operands come to shared memory as they lie, some ahead of the
// one that is multiplied; which way they lie is seen when they are read there. Where that would leave a
// device idle, several blocks share the inputs of a tile, and their sums are added up in order afterwards.
// Warpgroups of sm_90a multiply a piece while copies of later ones are asked for.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/SharedMatrix.h"
#include "codegen/cuda/training/CudaTrainingLowering.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kTile = 128, kThreads = 256;
constexpr int64_t kWarpRows = 32, kWarpColumns = 64; ///< of the sums of a warp
constexpr int64_t kStages = 3, kWarpsOfGroup = 4;
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
    Destination sums = destination;
    if (splits > 1)
      sums = {lowering.allocate(loc, {splits, form.m, form.n}, lowering.builder.getF32Type())};
    lowering.launchForms(
        "product", loc, kThreads, element.isBF16(),
        [&](GpuKernel &kernel, bool warpgroups) { emit(kernel, sums, warpgroups); }, columnBlocks,
        rowBlocks * splits);
    if (splits > 1)
      addUp(sums.buffer);
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

  /// `warpgroups`: by the matrix instructions of sm_90a.
  void emit(GpuKernel &kernel, const Destination &sums, bool warpgroups) {
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
    const int64_t warpRows = warpgroups ? 16 : kWarpRows, warpColumns = warpgroups ? kTile : kWarpColumns;
    const int64_t warpsAcross = kTile / warpColumns;
    WarpProduct product(kernel, warpRows / 16, warpColumns / 8);
    Value warp = b.div(kernel.thread(), GpuKernel::warp);
    Value warpRow = b.mul(b.div(warp, warpsAcross), warpRows);
    Value warpColumn = b.mul(b.rem(warp, warpsAcross), warpColumns);
    Value warpgroupRow = b.mul(b.div(warp, kWarpsOfGroup), kWarpsOfGroup * 16);
    SmallVector<Value> totals =
        b.loop(firstPiece, endPiece, 1, product.zeros(), [&](Value number, ValueRange now) {
          SmallVector<Value> next(now);
          nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(kStages - 2));
          if (warpgroups) {
            showCopiesToWarpgroups(b);
            waitForWarpgroupProducts(b, 0,
                                     next); // of the piece before, whose memory is the next to be filled
          }
          kernel.barrier();
          Value turn = arith::SubIOp::create(b, number, firstPiece);
          auto copyNext = [&] {
            copyPiece(b.add(number, kStages - 1), b.rem(b.add(turn, kStages - 1), kStages));
          };
          a.to.stage = w.to.stage = b.rem(turn, kStages);
          if (warpgroups) {
            WarpgroupProduct product{a.to.operand(a.transposed, warpgroupRow),
                                     {},
                                     w.to.operand(w.transposed, b.index(0)),
                                     piece,
                                     next};
            startWarpgroupProducts(b, product);
            copyNext();
          } else {
            copyNext();
            product.multiplyAdd({a.to, a.transposed, warpRow}, {w.to, w.transposed, warpColumn}, piece, next);
          }
          return next;
        });
    if (warpgroups)
      waitForWarpgroupProducts(b, 0, totals);
    // The block's last copies are of pieces that it has had.
    nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(0));
    Value to = kernel.import(sums.buffer);
    store(b, product, totals, to, splits > 1 ? split : Value(), b.add(row, warpRow),
          b.add(column, warpColumn), sums.update);
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

  void store(KernelBuilder &b, WarpProduct &product, ArrayRef<Value> totals, Value to, Value split, Value row,
             Value column, Update update) {
    const bool pairs = hasAlignedRows(cast<MemRefType>(to.getType()), 2) && form.n % 2 == 0;
    auto pairType = VectorType::get({2}, b.getF32Type());
    for (int64_t rowTile = 0; rowTile < product.rowTiles; ++rowTile)
      for (int64_t high = 0; high < 2; ++high) {
        Value r = b.add(row, product.rowOf(rowTile, high));
        auto storeRow = [&] {
          for (int64_t tile = 0; tile < product.columnTiles; ++tile) {
            Value c = b.add(column, product.columnOf(tile));
            ArrayRef<Value> sums = totals.slice(
                (rowTile * product.columnTiles + tile) * WarpProduct::sumsPerTile, WarpProduct::sumsPerTile);
            auto indices = [&](int64_t i) {
              SmallVector<Value> result;
              if (split)
                result.push_back(split);
              result.append({r, b.add(c, i)});
              return result;
            };
            auto storePair = [&] {
              Value pair = vector::FromElementsOp::create(
                  b, pairType,
                  ValueRange{sums[WarpProduct::place(high, 0)], sums[WarpProduct::place(high, 1)]});
              const llvm::MaybeAlign kPair(8);
              if (update == Update::Accumulate)
                pair = b.addf(vector::LoadOp::create(b, pairType, to, indices(0), false, kPair), pair);
              vector::StoreOp::create(b, pair, to, indices(0), false, kPair);
            };
            auto storeOne = [&](int64_t i) {
              Value sum = sums[WarpProduct::place(high, i)];
              if (update == Update::Accumulate)
                sum = b.addf(b.load(to, indices(i)), sum);
              b.store(sum, to, indices(i));
            };
            auto inside = [&](int64_t i, llvm::function_ref<void()> body) {
              if (form.n % kTile == 0)
                body();
              else
                b.ifThen(b.less(b.add(c, i), b.index(form.n)), body);
            };
            if (pairs)
              inside(0, storePair);
            else
              for (int64_t i = 0; i < 2; ++i)
                inside(i, [&] { storeOne(i); });
          }
        };
        if (form.m % kTile == 0)
          storeRow();
        else
          b.ifThen(b.less(r, b.index(form.m)), storeRow);
      }
  }

  /// destination = sum of the parts, in their order.
  void addUp(Value parts) {
    lowering.forEach("product_sum", loc, destination.buffer, [&](GpuKernel &kernel, ArrayRef<Value> indices) {
      KernelBuilder &b = kernel.b;
      Value from = kernel.import(parts), to = kernel.import(destination.buffer);
      Value sum = b.loop(b.index(0), b.index(splits), 1, ValueRange{b.f32(0)},
                         [&](Value split, ValueRange now) -> SmallVector<Value> {
                           return {b.addf(now[0], b.load(from, {split, indices[0], indices[1]}))};
                         })[0];
      if (destination.update == Update::Accumulate)
        sum = b.addf(b.load(to, indices), sum);
      b.store(sum, to, indices);
    });
  }

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
  MatrixProduct(lowering, loc, form, left, right, destination).lower();
}

} // namespace llmc::codegen
