//===- WarpgroupMatrixProduct.cpp - products of matrices by warpgroups -----------------------------------===//

#include "codegen/cuda/training/WarpgroupMatrixProduct.h"

#include "codegen/cuda/CopyEngine.h"
#include "codegen/cuda/training/ProductSums.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include <limits>

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kWarpgroup = 128;                            ///< threads
constexpr int64_t kMultipliers = 2, kThreads = 3 * kWarpgroup; ///< the first warpgroup copies
constexpr int64_t kRowsOfWarpgroup = 64, kTileRows = 128;      ///< of sums
constexpr int64_t kPiece = 64, kStages = 4, kBytes = 2;        ///< inputs of a piece; bytes of an input
constexpr int64_t kPanel = 64;                                 ///< columns of a box
constexpr int64_t kMultiplyingWarps = kMultipliers * kWarpgroup / GpuKernel::warp;
/// Multiprocessors of the largest devices, which have a block each.
constexpr int64_t kMultiprocessors = 132;
/// Blocks of rows that follow each other use the same columns, which the second-level cache then holds.
constexpr int64_t kRowBlocksOfGroup = 16;
/// Registers of a thread that copies or multiplies, out of 65,536 that a multiprocessor has.
constexpr uint32_t kCopyRegisters = 40, kMultiplyRegisters = 232;

} // namespace

/// One operand on its way.
struct WarpgroupMatrixProduct::Operand {
  Operand(GpuKernel &kernel, Value matrix, bool transposed, int64_t tile)
      : to(kernel, transposed ? kPiece : tile, transposed ? tile : kPiece, kernel.b.getBF16Type(), kStages),
        map(kernel.importTensorMap(matrix, to.rows)), transposed(transposed),
        panels(transposed ? tile / kPanel : 1) {}

  /// Starts to copy the inputs from `k` on of the rows (of the product's, columns) from `first` on.
  void copy(KernelBuilder &b, StageBarriers &full, Value stage, Value first, Value k) {
    to.stage = stage;
    for (int64_t panel = 0; panel < panels; ++panel)
      full.copyBox(map, transposed ? k : first, transposed ? b.add(first, panel * kPanel) : k, to, panel);
  }

  SharedMatrix to;
  Value map;
  const bool transposed; ///< rows of memory are inputs
  const int64_t panels;
};

struct WarpgroupMatrixProduct::Tile {
  Value row, column, split, firstPiece, endPiece;
};

/// Which stage is next, and the parity of its phase.
struct WarpgroupMatrixProduct::Turn {
  Turn(KernelBuilder &b, Value stage, Value parity) : b(b), stage(stage), parity(parity) {}
  explicit Turn(KernelBuilder &b) : Turn(b, b.index(0), b.index(0)) {}
  Turn next() const {
    Value wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, stage, b.index(kStages - 1));
    Value zero = b.index(0);
    return {b, arith::SelectOp::create(b, wraps, zero, b.add(stage, 1)),
            arith::SelectOp::create(b, wraps, other(), parity)};
  }
  Value other() const { return arith::SubIOp::create(b, b.index(1), parity); }

  KernelBuilder &b;
  Value stage, parity;
};

WarpgroupMatrixProduct::WarpgroupMatrixProduct(CudaTrainingLowering &lowering, Location loc,
                                               const ProductForm &form, Value left, Value right,
                                               const Destination &destination)
    : lowering(lowering), loc(loc), form(form), destination(destination), left(left), right(right),
      pieces((form.k + kPiece - 1) / kPiece), rowBlocks((form.m + kTileRows - 1) / kTileRows) {
  chooseTiles();
}

/// Wide tiles need fewer bytes for a product; narrow ones, and blocks that share the inputs of a tile, leave
/// fewer multiprocessors idle in the end. Times are in turns of the wide tile, some 0.6 us.
void WarpgroupMatrixProduct::chooseTiles() {
  constexpr double kTurn = 0.6e-6, kBandwidth = 4e12, kLaunch = 5e-6;
  constexpr int64_t kTurnsToStore = 6; // and until the first inputs are there
  double best = std::numeric_limits<double>::infinity();
  for (auto [columns, turn] : {std::pair<int64_t, double>(256, 1), {128, 0.6}}) {
    if (lowering.tileColumns && columns != lowering.tileColumns)
      continue;
    const int64_t across = (form.n + columns - 1) / columns;
    const int64_t most = lowering.tileParts ? lowering.tileParts : std::max<int64_t>(pieces / kStages, 1);
    for (int64_t wanted = lowering.tileParts ? most : 1; wanted <= most; ++wanted) {
      const int64_t perSplit = (pieces + wanted - 1) / wanted, parts = (pieces + perSplit - 1) / perSplit;
      const int64_t rounds = (rowBlocks * across * parts + kMultiprocessors - 1) / kMultiprocessors;
      double time = static_cast<double>(rounds * (perSplit + kTurnsToStore)) * turn;
      if (parts > 1) {
        const double bytes = static_cast<double>((2 * parts + 1) * form.m * form.n) * sizeof(float);
        time += (bytes / kBandwidth + kLaunch) / kTurn;
      }
      if (time < best) {
        best = time;
        tileColumns = columns;
        columnBlocks = across;
        piecesPerSplit = perSplit;
        splits = parts;
      }
    }
  }
}

void WarpgroupMatrixProduct::lower() {
  ProductSums sums(lowering, loc, form, destination, splits, kTileRows, tileColumns);
  GpuKernel kernel = lowering.kernel("product", loc, kThreads);
  kernel.setPersistent();
  emit(kernel, sums);
  lowering.launch(kernel, loc, tiles());
  sums.addUp();
}

void WarpgroupMatrixProduct::emit(GpuKernel &kernel, ProductSums &sums) {
  KernelBuilder &b = kernel.b;
  Operand a(kernel, left, form.leftTransposed, kTileRows),
      w(kernel, right, !form.rightTransposed, tileColumns);
  StageBarriers full(kernel, kStages, 1), empty(kernel, kStages, kMultiplyingWarps);
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, kernel.thread(), b.index(0));
  b.ifThen(isFirst, [&] {
    full.initialize();
    empty.initialize();
  });
  kernel.barrier();
  auto branch =
      scf::IfOp::create(b, TypeRange(), b.less(kernel.thread(), b.index(kWarpgroup)), /*withElse=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  NVVM::SetMaxRegisterOp::create(b, kCopyRegisters, NVVM::SetMaxRegisterAction::decrease);
  b.ifThen(isFirst, [&] { copyTiles(kernel, a, w, full, empty); });
  b.setInsertionPointToStart(branch.elseBlock());
  NVVM::SetMaxRegisterOp::create(b, kMultiplyRegisters, NVVM::SetMaxRegisterAction::increase);
  multiplyTiles(kernel, a, w, full, empty, sums);
}

WarpgroupMatrixProduct::Tile WarpgroupMatrixProduct::tileOf(KernelBuilder &b, Value number) const {
  const int64_t ofSplit = rowBlocks * columnBlocks, ofGroup = kRowBlocksOfGroup * columnBlocks;
  Tile tile;
  tile.split = b.div(number, ofSplit);
  Value inSplit = b.rem(number, ofSplit), group = b.div(inSplit, ofGroup), inGroup = b.rem(inSplit, ofGroup);
  Value firstRow = b.mul(group, kRowBlocksOfGroup);
  Value rows = b.min(b.index(kRowBlocksOfGroup), arith::SubIOp::create(b, b.index(rowBlocks), firstRow));
  tile.row = b.mul(b.add(firstRow, arith::RemUIOp::create(b, inGroup, rows)), kTileRows);
  tile.column = b.mul(arith::DivUIOp::create(b, inGroup, rows), tileColumns);
  tile.firstPiece = b.mul(tile.split, piecesPerSplit);
  tile.endPiece = b.min(b.add(tile.firstPiece, piecesPerSplit), b.index(pieces));
  return tile;
}

void WarpgroupMatrixProduct::copyTiles(GpuKernel &kernel, Operand &a, Operand &w, StageBarriers &full,
                                       StageBarriers &empty) {
  KernelBuilder &b = kernel.b;
  const int64_t bytes = (kTileRows + tileColumns) * kPiece * kBytes;
  Turn start(b);
  kernel.forEachWork(tiles(), {start.stage, start.parity}, [&](Value number, ValueRange now) {
    const Tile tile = tileOf(b, number);
    return b.loop(tile.firstPiece, tile.endPiece, 1, llvm::to_vector(now),
                  [&](Value piece, ValueRange inner) -> SmallVector<Value> {
                    Turn turn(b, inner[0], inner[1]);
                    empty.wait(turn.stage, turn.other());
                    full.expect(turn.stage, bytes);
                    Value k = b.mul(piece, kPiece);
                    a.copy(b, full, turn.stage, tile.row, k);
                    w.copy(b, full, turn.stage, tile.column, k);
                    const Turn next = turn.next();
                    return {next.stage, next.parity};
                  });
  });
}

void WarpgroupMatrixProduct::multiplyTiles(GpuKernel &kernel, Operand &a, Operand &w, StageBarriers &full,
                                           StageBarriers &empty, ProductSums &sums) {
  KernelBuilder &b = kernel.b;
  WarpProduct product(kernel, 1, tileColumns / 8);
  Value thread = arith::SubIOp::create(b, kernel.thread(), b.index(kWarpgroup));
  Value groupRow = b.mul(b.div(thread, kWarpgroup), kRowsOfWarpgroup);
  Value warpRow = b.mul(b.div(thread, GpuKernel::warp), 16);
  Value speaks =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.rem(thread, GpuKernel::warp), b.index(0));
  auto release = [&](Value condition, Value stage) {
    b.ifThen(arith::AndIOp::create(b, speaks, condition), [&] { empty.arrive(stage); });
  };
  Value always = arith::ConstantIntOp::create(b, 1, 1);
  Turn start(b);
  kernel.forEachWork(
      tiles(), {start.stage, start.parity}, [&](Value number, ValueRange now) -> SmallVector<Value> {
        const Tile tile = tileOf(b, number);
        // Carried: stage, parity and the stage of the piece before; sums.
        SmallVector<Value> carried{now[0], now[1], now[0]};
        const size_t numbers = carried.size();
        SmallVector<Value> zeros = product.zeros();
        holdInRegisters(b, zeros);
        llvm::append_range(carried, zeros);
        carried = b.loop(tile.firstPiece, tile.endPiece, 1, carried, [&](Value piece, ValueRange inner) {
          Turn turn(b, inner[0], inner[1]);
          SmallVector<Value> totals(inner.drop_front(numbers));
          full.wait(turn.stage, turn.parity);
          a.to.stage = w.to.stage = turn.stage;
          WarpgroupProduct products{a.to.operand(a.transposed, groupRow),
                                    {},
                                    w.to.operand(w.transposed, b.index(0)),
                                    kPiece,
                                    totals};
          startWarpgroupProducts(b, products, /*areHeld=*/true);
          // Products of the piece before have ended: its memory can be filled.
          NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
          release(b.less(tile.firstPiece, piece), inner[2]);
          const Turn next = turn.next();
          SmallVector<Value> result{next.stage, next.parity, turn.stage};
          llvm::append_range(result, totals);
          return result;
        });
        SmallVector<Value> totals(ArrayRef(carried).drop_front(numbers));
        waitForWarpgroupProducts(b, 0, totals);
        release(always, carried[2]);
        sums.store(kernel, product, totals, tile.split, b.add(tile.row, warpRow), tile.column);
        return {carried[0], carried[1]};
      });
}

} // namespace llmc::codegen
