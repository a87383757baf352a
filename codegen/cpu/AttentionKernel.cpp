//===- AttentionKernel.cpp - attention to a cache with online softmax -----------------------------------===//
//
// Keys are read in blocks of a fixed number of positions from the beginning (or from the block in which the
// window begins), so that a query's result does not depend on the rows beside it: blocks that a query does
// not see change nothing, to the bit. Online softmax: Milakov and Gimelshein, 2018; Dao et al., 2022.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/AttentionKernel.h"

#include "codegen/cpu/PanelReader.h"
#include "codegen/cpu/TileEmitter.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kVectorsPerBlock = AttentionKernel::keysPerBlock(1);
/// A running maximum before any key was seen: finite, so that the difference of two of them is a number.
constexpr double kNoMaximum = -1e30;

} // namespace

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &b, AttentionKernel &k, int64_t height, Value head)
      : b(b), k(k), height(height), head(head), blockKeys(AttentionKernel::keysPerBlock(b.lanes)),
        panels(k.alignedValue / b.lanes) {
    kvHead = b.div(head, static_cast<int64_t>(k.op.getHeads() / k.op.getKvHeads()));
    weights =
        memref::AllocaOp::create(b, bufferType({height, blockKeys}, b.getF32Type()), b.getI64IntegerAttr(64));
  }

  /// Rows firstRow .. firstRow + height, all of one sequence.
  void emit(Value firstRow) {
    rows.clear();
    positions.clear();
    keys = k.cacheRows.of(b, k.keys, firstRow);
    values = k.cacheRows.of(b, k.values, firstRow);
    Value highest, lowest;
    for (int64_t r = 0; r < height; ++r) {
      rows.push_back(b.add(firstRow, r));
      positions.push_back(k.cacheRows.position(b, rows.back()));
      highest = highest ? Value(arith::MaxSIOp::create(b, highest, positions.back())) : positions.back();
      lowest = lowest ? b.min(lowest, positions.back()) : positions.back();
    }
    Value end = k.op.getCausal() ? b.add(highest, 1) : k.rows;
    Value begin = b.index(0);
    if (k.op.getWindow()) {
      Value first = arith::SubIOp::create(b, lowest, b.index(*k.op.getWindow() - 1));
      first = arith::MaxSIOp::create(b, first, begin);
      begin = b.mul(b.div(first, blockKeys), blockKeys);
    }

    // For each row: running maximum, sums of weights by lane, weighted sums of values.
    SmallVector<Value> state;
    for (int64_t r = 0; r < height; ++r) {
      state.push_back(b.f32(kNoMaximum));
      state.append(1 + panels, b.splat(0));
    }
    state = b.loop(begin, end, blockKeys, state,
                   [&](Value block, ValueRange carried) { return attendBlock(block, end, carried); });
    for (int64_t r = 0; r < height; ++r)
      storeRow(rows[r], ArrayRef(state).slice(r * stateSize(), stateSize()));
  }

private:
  int64_t stateSize() const { return 2 + panels; }

  SmallVector<Value> attendBlock(Value block, Value end, ValueRange carried) {
    SmallVector<Value> scores = products(block), next(carried);
    for (int64_t r = 0; r < height; ++r) {
      auto state = MutableArrayRef(next).slice(r * stateSize(), stateSize());
      Value largest;
      for (int64_t j = 0; j < kVectorsPerBlock; ++j) {
        Value &score = scores[r * kVectorsPerBlock + j];
        score = finishScores(score, block, j, r, end);
        largest = largest ? b.maxf(largest, score) : score;
      }
      Value maximum = b.maxf(state[0], b.maximum(largest));
      Value decay = emitExp(b, b.broadcast(b.subf(state[0], maximum)));
      Value sum = b.mulf(state[1], decay);
      for (int64_t j = 0; j < kVectorsPerBlock; ++j) {
        Value weight = emitExp(b, b.subf(scores[r * kVectorsPerBlock + j], b.broadcast(maximum)));
        sum = b.addf(sum, weight);
        b.storeVector(weight, weights, {b.index(r), b.index(j * b.lanes)});
      }
      state[0] = maximum;
      state[1] = sum;
      for (Value &value : state.drop_front(2))
        value = b.mulf(value, decay);
    }
    return addValues(block, end, next);
  }

  /// How many of `count` vectors, of which every row has a sum, a loop sums at a time: what lies in
  /// registers.
  int64_t vectorsAtOnce(int64_t count) const {
    const int64_t sums = b.target.registers >= 32 ? 24 : 12, loops = (count * height + sums - 1) / sums;
    return (count + loops - 1) / loops;
  }

  /// q . k for all rows and the keys of a block.
  SmallVector<Value> products(Value block) {
    SmallVector<Value> scores(height * kVectorsPerBlock);
    Value blockIndex = b.div(block, blockKeys), queryColumn = b.mul(head, k.alignedQuery);
    const int64_t most = vectorsAtOnce(kVectorsPerBlock);
    for (int64_t first = 0; first < kVectorsPerBlock; first += most) {
      const int64_t count = std::min(most, kVectorsPerBlock - first);
      SmallVector<Value> zeros(height * count, b.splat(0));
      auto sums = b.loop(b.index(0), b.index(k.alignedQuery), 1, zeros, [&](Value d, ValueRange carried) {
        SmallVector<Value> next(carried), loaded;
        for (int64_t j = 0; j < count; ++j)
          loaded.push_back(b.loadFloats(keys, {kvHead, blockIndex, d, b.index((first + j) * b.lanes)}));
        for (int64_t r = 0; r < height; ++r) {
          Value q = b.broadcast(b.load(k.query, {rows[r], b.add(queryColumn, d)}));
          for (int64_t j = 0; j < count; ++j) {
            Value &sum = next[r * count + j];
            sum = b.fma(q, loaded[j], sum);
          }
        }
        return next;
      });
      for (int64_t r = 0; r < height; ++r)
        llvm::copy(ArrayRef(sums).slice(r * count, count), scores.begin() + r * kVectorsPerBlock + first);
    }
    return scores;
  }

  Value toInt(Value index) { return arith::IndexCastOp::create(b, b.getI32Type(), index); }

  /// The bias of the keys from `key` on for row r.
  Value biasOf(Value key, int64_t r) {
    const int64_t most = k.reach, least = -k.reach - b.lanes;
    Value distance = arith::SubIOp::create(b, key, positions[r]);
    distance = arith::MaxSIOp::create(b, b.min(distance, b.index(most)), b.index(least));
    return b.loadVector(k.distances, {b.add(distance, -least)});
  }

  /// Scale, soft cap, slope, bias and mask.
  Value finishScores(Value score, Value block, int64_t j, int64_t r, Value end) {
    score = b.mulf(score, b.splat(k.op.getScale().convertToDouble()));
    if (auto cap = k.op.getSoftcap()) {
      double limit = cap->convertToDouble();
      score = b.mulf(math::TanhOp::create(b, b.mulf(score, b.splat(1 / limit))), b.splat(limit));
    }
    Value steps = arith::IndexCastOp::create(
        b, b.i32Vector, Value(vector::StepOp::create(b, VectorType::get({b.lanes}, b.getIndexType()))));
    Value key = b.add(steps, b.broadcast(toInt(b.add(block, j * b.lanes))));
    Value position = b.broadcast(toInt(positions[r]));
    if (k.op.getAlibi()) {
      Value distance =
          arith::SIToFPOp::create(b, b.f32Vector, Value(arith::SubIOp::create(b, key, position)));
      score = b.fma(distance, b.broadcast(slope()), score);
    }
    if (k.bias)
      score = b.addf(score, biasOf(b.add(block, j * b.lanes), r));
    auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) -> Value {
      return arith::CmpIOp::create(b, predicate, x, y);
    };
    Value seen = k.op.getCausal() ? compare(arith::CmpIPredicate::sle, key, position)
                                  : compare(arith::CmpIPredicate::slt, key, b.broadcast(toInt(end)));
    if (k.op.getWindow()) {
      Value first = arith::SubIOp::create(b, position, b.splatInt(static_cast<int32_t>(*k.op.getWindow())));
      seen = arith::AndIOp::create(b, seen, compare(arith::CmpIPredicate::sgt, key, first));
    }
    return arith::SelectOp::create(b, seen, score, b.splat(-std::numeric_limits<double>::infinity()));
  }

  /// The alibi slope of this head.
  Value slope() {
    Value result = b.f32(0);
    for (auto [h, value] : llvm::enumerate(*k.op.getAlibi())) {
      Value isThis = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, head, b.index(h));
      result = arith::SelectOp::create(b, isThis, b.f32(value), result);
    }
    return result;
  }

  SmallVector<Value> addValues(Value block, Value end, ArrayRef<Value> state) {
    SmallVector<Value> next(state);
    Value keys = b.min(arith::SubIOp::create(b, end, block), b.index(blockKeys));
    const int64_t most = vectorsAtOnce(panels);
    for (int64_t first = 0; first < panels; first += most) {
      const int64_t count = std::min(most, panels - first);
      auto sumsOf = [&](int64_t r) {
        return MutableArrayRef(next).slice(r * stateSize() + 2 + first, count);
      };
      SmallVector<Value> sums;
      for (int64_t r = 0; r < height; ++r)
        llvm::append_range(sums, sumsOf(r));
      sums = b.loop(b.index(0), keys, 1, sums, [&](Value i, ValueRange carried) {
        SmallVector<Value> result(carried), loaded;
        for (int64_t p = 0; p < count; ++p)
          loaded.push_back(b.loadFloats(values, {kvHead, b.add(block, i), b.index((first + p) * b.lanes)}));
        for (int64_t r = 0; r < height; ++r) {
          Value weight = b.broadcast(b.load(weights, {b.index(r), i}));
          for (int64_t p = 0; p < count; ++p) {
            Value &sum = result[r * count + p];
            sum = b.fma(weight, loaded[p], sum);
          }
        }
        return result;
      });
      for (int64_t r = 0; r < height; ++r)
        llvm::copy(ArrayRef(sums).slice(r * count, count), sumsOf(r).begin());
    }
    return next;
  }

  void storeRow(Value row, ArrayRef<Value> state) {
    // A query that sees no key has no weights, and gives zeros.
    Value sum = b.sum(state[1]);
    Value isEmpty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, b.f32(0));
    Value inverse = b.broadcast(arith::SelectOp::create(b, isEmpty, b.f32(0), b.divf(b.f32(1), sum)));
    Value column = b.mul(head, k.headDim);
    for (int64_t p = 0; p < panels; ++p) {
      Value y = b.mulf(state[2 + p], inverse);
      int64_t left = k.headDim - p * b.lanes;
      SmallVector<Value> indices{row, b.add(column, p * b.lanes)};
      if (left >= b.lanes)
        b.storeVector(y, k.destination, indices);
      else
        vector::MaskedStoreOp::create(b, k.destination, indices, b.firstLanes(left), y);
    }
    // Keep the padding of the row zero.
    const int64_t heads = k.op.getHeads(), width = heads * k.headDim;
    const int64_t padded = cast<MemRefType>(k.destination.getType()).getDimSize(1);
    if (padded > width)
      b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, head, b.index(heads - 1)), [&] {
        for (int64_t i = width; i < padded; ++i)
          b.store(b.f32(0), k.destination, {row, b.index(i)});
      });
  }

  KernelBuilder &b;
  AttentionKernel &k;
  const int64_t height;
  Value head, kvHead;
  Value keys, values; // of the sequence
  const int64_t blockKeys, panels;
  Value weights; // [height, blockKeys] of the current block
  SmallVector<Value> rows, positions;
};

/// Makes the bias of `head` a row of numbers, with those of the reach a vector further at both ends, so that
/// any run of keys reads one vector of it.
void AttentionKernel::copyBias(KernelBuilder &b, Value head) {
  const int64_t width = cast<RankedTensorType>(op.getBias().getType()).getDimSize(1);
  const PanelLayout layout = PanelLayout::get(b.getF32Type(), b.lanes);
  reach = width / 2;
  distances = b.scratch(bufferType({width + 2 * b.lanes}, b.getF32Type()));
  Value panel = b.div(head, b.lanes), lane = b.mul(b.rem(head, b.lanes), 4);
  b.loop(b.index(0), b.index(width + 2 * b.lanes), 1, [&](Value i) {
    Value distance = arith::MaxSIOp::create(b, arith::SubIOp::create(b, i, b.index(b.lanes)), b.index(0));
    PanelReader record(b, bias, layout, width, panel, b.min(distance, b.index(width - 1)));
    Value number = vector::BitCastOp::create(b, VectorType::get({1}, b.getF32Type()), record.bytes(lane, 4));
    b.store(vector::ExtractOp::create(b, number, 0), distances, {i});
  });
}

Value AttentionKernel::rowsPerChunk(OpBuilder &builder, Location loc, Value rows) const {
  // Many rows of a prompt share keys and values in the processor's caches. A few rows may be of sequences of
  // very different lengths, and have to be shared out among threads.
  constexpr int64_t kMany = 32, kFew = 4;
  auto constant = [&](int64_t n) -> Value { return arith::ConstantIndexOp::create(builder, loc, n); };
  if (isDecode)
    return constant(1);
  Value isFew = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ule, rows, constant(kMany));
  return arith::SelectOp::create(builder, loc, isFew, constant(kFew), constant(kMany));
}

Value AttentionKernel::chunks(OpBuilder &builder, Location loc, Value rows) const {
  Value blocks = arith::CeilDivUIOp::create(builder, loc, rows, rowsPerChunk(builder, loc, rows));
  Value heads = arith::ConstantIndexOp::create(builder, loc, nn::CachedAttentionOp(op).getHeads());
  return arith::MulIOp::create(builder, loc, blocks, heads);
}

void AttentionKernel::emit(KernelBuilder &b) {
  const int64_t heads = op.getHeads();
  Value head = b.rem(chunk, heads), block = b.div(chunk, heads);
  if (bias)
    copyBias(b, head);
  Value chunkRows = rowsPerChunk(b, b.getLoc(), rows);
  Value begin = b.mul(block, chunkRows), end = b.min(b.add(begin, chunkRows), rows);
  auto rowByRow = [&](Value first, Value last) {
    AttentionEmitter single(b, *this, 1, head);
    b.loop(first, last, 1, [&](Value row) { single.emit(row); });
  };
  if (rowsPerTile > 1) {
    AttentionEmitter tiles(b, *this, rowsPerTile, head);
    Value count = arith::SubIOp::create(b, end, begin);
    Value whole = b.add(begin, b.mul(b.div(count, rowsPerTile), rowsPerTile));
    b.loop(begin, whole, rowsPerTile, [&](Value row) {
      if (!cacheRows.offsets)
        return tiles.emit(row);
      // Rows of a sequence follow each other.
      Value last = b.add(row, rowsPerTile - 1);
      Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.load(cacheRows.offsets, {row}),
                                             b.load(cacheRows.offsets, {last}));
      auto branch = scf::IfOp::create(b, isShared, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      tiles.emit(row);
      b.setInsertionPointToStart(branch.elseBlock());
      rowByRow(row, b.add(row, rowsPerTile));
    });
    begin = whole;
  }
  rowByRow(begin, end);
}

} // namespace llmc::codegen
