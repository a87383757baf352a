//===- MatrixTiles.cpp - products of bf16 matrices on the processor's matrix unit ------------------------===//
//
// Both operands are rounded and brought into the order of tiles first: tiles of 16 rows of 32 inputs of the
// left one, tiles of 32 inputs, in pairs, of 16 columns of the right one, each 1 KiB in one piece. Whichever
// way an operand lies, pairs of inputs are words of 32 bits, and exchanging rows and columns of 16 x 16 words
// is all that it takes. Two by two tiles of sums are in registers.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/training/TrainingKernel.h"
#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kTile = 16;   ///< rows and columns of a tile of sums
constexpr int64_t kInputs = 32; ///< that a tile of operands has
constexpr int64_t kBlock = 32;  ///< rows and columns that registers hold the sums of
constexpr int64_t kSteps =
    32; ///< tiles of inputs, at most, that are multiplied without a look at memory for sums
constexpr int64_t kPrefetchedRows = 2; ///< of the sums, in a step
constexpr int64_t kPrefetch = 128;     ///< numbers of a row from use to prefetch
constexpr int64_t kRowsPerChunk = 256, kColumnsPerChunk = 256;

class TileProduct {
public:
  TileProduct(CpuTrainingLowering &lowering, linalg::GenericOp op, const ProductForm &form,
              const Destination &destination)
      : lowering(lowering), loc(op.getLoc()), form(form), destination(destination),
        steps((form.k + kInputs - 1) / kInputs), rowTiles(padTo(form.m, kBlock) / kTile),
        columnTiles(padTo(form.n, kBlock) / kTile) {
    auto bufferOf = [&](unsigned operand) { return lowering.buffers.lookup(op.getDpsInputs()[operand]); };
    // Of the left operand words are pairs of a row; of the right one, of a column.
    left = pack(bufferOf(form.left), form.m, rowTiles, /*alongRow=*/!form.leftTransposed, /*byInputs=*/false);
    right =
        pack(bufferOf(form.right), form.n, columnTiles, /*alongRow=*/form.rightTransposed, /*byInputs=*/true);
  }

  void lower() {
    const int64_t rowChunks = (form.m + kRowsPerChunk - 1) / kRowsPerChunk,
                  columnChunks = (form.n + kColumnsPerChunk - 1) / kColumnsPerChunk;
    TrainingKernel kernel = lowering.kernel("product_tiles", loc);
    KernelBuilder &b = kernel.b;
    a = kernel.import(left);
    w = kernel.import(right);
    c = kernel.import(destination.buffer);
    const bool whole = form.m % kBlock == 0 && form.n % kBlock == 0;
    if (!whole)
      scratch = b.scratch(bufferType({kBlock, kBlock}, b.getF32Type()));
    Value firstRow = b.mul(b.rem(kernel.chunk, rowChunks), kRowsPerChunk);
    Value firstColumn = b.mul(b.div(kernel.chunk, rowChunks), kColumnsPerChunk);
    Value endRow = b.min(b.add(firstRow, kRowsPerChunk), b.index(form.m));
    Value endColumn = b.min(b.add(firstColumn, kColumnsPerChunk), b.index(form.n));
    // Rows outside: their tiles are in the nearest cache from column to column, and sums go to memory side by
    // side.
    auto addSteps = [&](Value first, int64_t count, bool adds) {
      b.loop(firstRow, endRow, kBlock, [&](Value row) {
        b.loop(firstColumn, endColumn, kBlock,
               [&](Value column) { multiply(b, row, column, first, count, adds); });
      });
    };
    const bool accumulates = destination.update == Update::Accumulate;
    const int64_t passes = (steps + kSteps - 1) / kSteps, size = (steps + passes - 1) / passes,
                  wholeSteps = steps / size * size;
    addSteps(b.index(0), size, accumulates);
    b.loop(b.index(size), b.index(wholeSteps), size, [&](Value first) { addSteps(first, size, true); });
    if (wholeSteps < steps)
      addSteps(b.index(wholeSteps), steps - wholeSteps, true);
    kernel.run(rowChunks * columnChunks);
  }

private:
  /// Adds the products of `count` tiles of inputs to a block of sums, in memory or, where it may reach beyond
  /// the matrix, in scratch memory.
  void multiply(KernelBuilder &b, Value row, Value column, Value first, int64_t count, bool adds) {
    if (scratch && adds)
      copyBlock(b, row, column, /*toScratch=*/true);
    auto sumsType = amx::TileType::get({kTile, kTile}, b.getF32Type());
    auto leftType = amx::TileType::get({kTile, kInputs}, b.getBF16Type());
    auto rightType = amx::TileType::get({kTile, 2 * kTile}, b.getBF16Type());
    auto place = [&](int64_t i, int64_t j) -> SmallVector<Value> {
      if (scratch)
        return {b.index(i * kTile), b.index(j * kTile)};
      return {b.add(row, i * kTile), b.add(column, j * kTile)};
    };
    Value target = scratch ? scratch : c;
    SmallVector<Value> sums;
    for (int64_t i = 0; i < 4; ++i)
      sums.push_back(adds ? Value(amx::TileLoadOp::create(b, sumsType, target, place(i / 2, i % 2)))
                          : Value(amx::TileZeroOp::create(b, sumsType)));
    Value rowTile = b.div(row, kTile), columnTile = b.div(column, kTile), zero = b.index(0);
    for (int64_t step = 0; step < count; ++step) {
      // While the first steps are multiplied, the lines come that sums will be stored to.
      if (!scratch && !adds)
        for (int64_t i = step * kPrefetchedRows; i < std::min((step + 1) * kPrefetchedRows, kBlock); ++i)
          for (int64_t j = 0; j < kBlock; j += kTile)
            memref::PrefetchOp::create(b, c, ValueRange{b.add(row, i), b.add(column, j)}, /*isWrite=*/true,
                                       /*localityHint=*/3, /*isDataCache=*/true);
      Value input = b.add(first, step), lefts[2], rights[2];
      for (int64_t i = 0; i < 2; ++i) {
        lefts[i] = amx::TileLoadOp::create(b, leftType, a, ValueRange{b.add(rowTile, i), input, zero, zero});
        rights[i] =
            amx::TileLoadOp::create(b, rightType, w, ValueRange{b.add(columnTile, i), input, zero, zero});
      }
      for (int64_t i = 0; i < 4; ++i)
        sums[i] = amx::TileMulFOp::create(b, sumsType, lefts[i / 2], rights[i % 2], sums[i]);
    }
    for (int64_t i = 0; i < 4; ++i)
      amx::TileStoreOp::create(b, target, place(i / 2, i % 2), sums[i]);
    if (scratch)
      copyBlock(b, row, column, /*toScratch=*/false);
  }

  /// Copies what there is of a block of the result to scratch memory or back.
  void copyBlock(KernelBuilder &b, Value row, Value column, bool toScratch) {
    Value rows = b.min(b.index(kBlock), arith::SubIOp::create(b, b.index(form.m), row));
    b.loop(b.index(0), rows, 1, [&](Value i) {
      for (int64_t j = 0; j < kBlock; j += kTile) {
        Value place = b.add(column, j);
        Value mask =
            vector::CreateMaskOp::create(b, VectorType::get({kTile}, b.getI1Type()),
                                         ValueRange{arith::SubIOp::create(b, b.index(form.n), place)});
        SmallVector<Value> inResult = {b.add(row, i), place}, inScratch = {i, b.index(j)};
        if (toScratch) {
          Value value = vector::MaskedLoadOp::create(b, b.f32Vector, c, inResult, mask, b.splat(0));
          b.storeVector(value, scratch, inScratch);
        } else {
          vector::MaskedStoreOp::create(b, c, inResult, mask, b.loadVector(scratch, inScratch));
        }
      }
    });
  }

  //===--------------------------------------------------------------------===//
  // Packing
  //===--------------------------------------------------------------------===//

  /// Tiles of `matrix`: [tiles, steps, 16, 32] of bf16. `outer` of its rows (or columns) are in 16s of tiles,
  /// and inputs lie `alongRow` or one below the other. A row of a tile is a pair of inputs of all 16
  /// (`byInputs`), or all inputs of one of them.
  Value pack(Value matrix, int64_t outer, int64_t tiles, bool alongRow, bool byInputs) {
    OpBuilder &builder = lowering.builder;
    Value packed = lowering.allocate(loc, {tiles, steps, kTile, kInputs}, builder.getBF16Type());
    TrainingKernel kernel = lowering.kernel("pack_tiles", loc);
    KernelBuilder &b = kernel.b;
    Value from = kernel.import(matrix), to = kernel.import(packed);
    // A chunk is some tiles of rows, or, where rows are inputs, some inputs of all.
    const int64_t chunked = alongRow ? tiles : steps;
    const Chunking chunking = Chunking::of(chunked, kTile * (alongRow ? form.k : outer));
    Value begin = b.mul(kernel.chunk, chunking.size);
    Value end = b.min(b.add(begin, chunking.size), b.index(chunked));
    b.loop(begin, end, 1, [&](Value i) {
      b.loop(b.index(0), b.index(alongRow ? steps : tiles), 1, [&](Value j) {
        packTile(b, from, to, alongRow ? i : j, alongRow ? j : i, outer, alongRow, byInputs);
      });
    });
    kernel.run(chunking.count);
    return packed;
  }

  void packTile(KernelBuilder &b, Value from, Value to, Value tile, Value step, int64_t outer, bool alongRow,
                bool byInputs) {
    Value firstOuter = b.mul(tile, kTile), firstInput = b.mul(step, kInputs);
    // Rows are far apart: what comes next in each of them is asked for in time.
    for (int64_t i = 0; i < (alongRow ? kTile : kInputs); ++i) {
      Value row = b.add(alongRow ? firstOuter : firstInput, i);
      Value column = b.add(alongRow ? firstInput : firstOuter, kPrefetch);
      const int64_t lines = alongRow ? kInputs * bytesOf(from) / 64 : 1;
      for (int64_t line = 0; line < lines; ++line)
        memref::PrefetchOp::create(b, from, ValueRange{row, b.add(column, line * 64 / bytesOf(from))},
                                   /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
    }
    SmallVector<Value> words; // alongRow: one for each row; else one for each pair of inputs
    for (int64_t i = 0; i < kTile; ++i) {
      if (alongRow) {
        Value row = b.add(firstOuter, i);
        Value low = load(b, from, row, outer, firstInput, form.k),
              high = load(b, from, row, outer, b.add(firstInput, kTile), form.k);
        words.push_back(joinHalves(b, low, high));
      } else {
        Value input = b.add(firstInput, 2 * i);
        words.push_back(interleave(b, load(b, from, input, form.k, firstOuter, outer),
                                   load(b, from, b.add(input, 1), form.k, firstOuter, outer)));
      }
    }
    if (alongRow == byInputs)
      transpose(b, words);
    auto rowType = VectorType::get({kInputs}, b.getBF16Type());
    for (auto [i, word] : llvm::enumerate(words))
      vector::StoreOp::create(b, vector::BitCastOp::create(b, rowType, word), to,
                              ValueRange{tile, step, b.index(static_cast<int64_t>(i)), b.index(0)});
  }

  static int64_t bytesOf(Value matrix) {
    return cast<MemRefType>(matrix.getType()).getElementTypeBitWidth() / 8;
  }

  /// 16 numbers of row `row` from `column` on, in bf16; zeros beyond `rows` and `columns`.
  Value load(KernelBuilder &b, Value matrix, Value row, int64_t rows, Value column, int64_t columns) {
    Value value;
    const bool rowsEnd = rows % kBlock != 0, columnsEnd = columns % kInputs != 0;
    if (!rowsEnd && !columnsEnd) {
      value = b.loadVector(matrix, {row, column});
    } else {
      Value left = arith::SubIOp::create(b, b.index(columns), column);
      if (rowsEnd) {
        Value inside = b.less(row, b.index(rows));
        left = arith::SelectOp::create(b, inside, left, b.index(0));
        row = b.min(row, b.index(rows - 1));
      }
      Value mask = vector::CreateMaskOp::create(b, VectorType::get({kTile}, b.getI1Type()), ValueRange{left});
      auto type = VectorType::get({kTile}, cast<MemRefType>(matrix.getType()).getElementType());
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
      value = vector::MaskedLoadOp::create(b, type, matrix, ValueRange{row, column}, mask, zero);
    }
    return cast<VectorType>(value.getType()).getElementType().isBF16() ? value : b.roundToBf16(value);
  }

  Value words(KernelBuilder &b, Value halves) { return vector::BitCastOp::create(b, b.i32Vector, halves); }

  /// 32 numbers side by side.
  Value joinHalves(KernelBuilder &b, Value low, Value high) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < 2 * kTile; ++i)
      order.push_back(i);
    return words(b, vector::ShuffleOp::create(b, low, high, order));
  }
  /// Pairs of one number of each.
  Value interleave(KernelBuilder &b, Value even, Value odd) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < kTile; ++i)
      order.append({i, kTile + i});
    return words(b, vector::ShuffleOp::create(b, even, odd, order));
  }

  /// Exchanges rows and columns of 16 x 16 words, by four rounds of interleaving the two halves.
  void transpose(KernelBuilder &b, SmallVectorImpl<Value> &rows) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < kTile / 2; ++i) {
      low.append({i, kTile + i});
      high.append({kTile / 2 + i, kTile + kTile / 2 + i});
    }
    for (int round = 0; round < 4; ++round) {
      SmallVector<Value> next;
      for (int64_t i = 0; i < kTile / 2; ++i) {
        next.push_back(vector::ShuffleOp::create(b, rows[i], rows[i + kTile / 2], low));
        next.push_back(vector::ShuffleOp::create(b, rows[i], rows[i + kTile / 2], high));
      }
      rows.assign(next.begin(), next.end());
    }
  }

  CpuTrainingLowering &lowering;
  Location loc;
  const ProductForm form;
  const Destination &destination;
  const int64_t steps, rowTiles, columnTiles;
  Value left, right;                ///< packed, in the step
  Value a, w, c, scratch = Value(); ///< in the kernel
};

} // namespace

void lowerTileProduct(CpuTrainingLowering &lowering, linalg::GenericOp op, const ProductForm &form,
                      const Destination &destination) {
  TileProduct(lowering, op, form, destination).lower();
}

} // namespace llmc::codegen
