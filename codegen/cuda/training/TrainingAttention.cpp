//===- TrainingAttention.cpp - attention over whole sequences and its gradient, on GPUs -----------------===//
//
// A block has 64 queries of a head, or, for gradients of keys and values, 64 keys; the others go by in blocks
// of 64. Scores are computed, used, and forgotten; the gradient computes them again, twice (FlashAttention-2:
// Dao, 2023). Operands of products are rounded to bf16 on their way to shared memory, unless products are of
// f32.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/SharedMatrix.h"
#include "codegen/cuda/TensorCore.h"
#include "codegen/cuda/training/CudaTrainingLowering.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kBlock = 64;                    ///< queries, and keys, of a block
constexpr int64_t kThreads = 128, kWarpRows = 16; ///< a warp has 16 rows of products
constexpr int64_t kScoreTiles = kBlock / 8;
constexpr int64_t kSums = WarpProduct::sumsPerTile;
constexpr int64_t kLargestHead = 256;
constexpr double kUnseen = -1e30, kLog2E = 1.4426950408889634;

/// Attention of a head in a sequence, inside of a kernel. Queries and keys are counted in the sequence.
class HeadEmitter {
public:
  HeadEmitter(GpuKernel &kernel, const AttentionForm &form, Type element)
      : kernel(kernel), b(kernel.b), form(form), element(element),
        warpFirst(b.mul(b.div(kernel.thread(), GpuKernel::warp), kWarpRows)) {}

  SharedMatrix matrix(int64_t columns) { return SharedMatrix(kernel, kBlock, columns, element); }
  /// Tiles of eight columns of `size` numbers of a head, an even number.
  static int64_t columnTiles(int64_t size) { return padTo(size, 16) / 8; }

  /// Copies rows `first` to first + 63 of the sequence, `size` columns from `column` on; zeros where there
  /// are none.
  void load(const SharedMatrix &to, Value from, Value first, Value column, int64_t size) {
    const int64_t chunk = to.chunk(), perRow = columnTiles(size) * 8 / chunk;
    const bool wide = size % chunk == 0 && size % kGpuVector == 0 &&
                      hasAlignedRows(cast<MemRefType>(from.getType()), kGpuVector);
    for (int64_t offset = 0; offset < kBlock * perRow; offset += kThreads) {
      Value index = b.add(kernel.thread(), offset), row = b.div(index, perRow), place = b.rem(index, perRow);
      Value inSequence = b.add(first, row), inHead = b.mul(place, chunk);
      Value isThere = b.less(inSequence, b.index(form.sequence));
      Value source = b.add(firstRow, b.min(inSequence, b.index(form.sequence - 1)));
      SmallVector<Value> numbers;
      if (wide) {
        auto type = VectorType::get({kGpuVector}, b.getF32Type());
        for (int64_t i = 0; i < chunk; i += kGpuVector) {
          Value four =
              vector::LoadOp::create(b, type, from, ValueRange{source, b.add(b.add(column, inHead), i)},
                                     false, llvm::MaybeAlign(16));
          for (int64_t j = 0; j < kGpuVector; ++j)
            numbers.push_back(vector::ExtractOp::create(b, four, j));
        }
      } else {
        for (int64_t i = 0; i < chunk; ++i) {
          Value at = b.add(inHead, i);
          Value number = b.load(from, {source, b.add(column, b.min(at, b.index(size - 1)))});
          numbers.push_back(arith::SelectOp::create(b, b.less(at, b.index(size)), number, b.f32(0)));
        }
      }
      for (Value &number : numbers)
        number = arith::SelectOp::create(b, isThere, number, b.f32(0));
      Value all = vector::FromElementsOp::create(b, VectorType::get({chunk}, b.getF32Type()), numbers);
      if (to.isBf16())
        all = arith::TruncFOp::create(b, VectorType::get({chunk}, element), all);
      vector::StoreOp::create(b, all, to.memory, to.at(b.mul(b.div(row, 8), 8), b.rem(row, 8), place), false,
                              llvm::MaybeAlign(kRowAlignment));
    }
  }

  /// Copies numbers of rows `first` to first + 63: `at` gives that of a row of all.
  void loadColumn(Value to, Value first, llvm::function_ref<Value(Value)> at) {
    Value i = kernel.thread();
    b.ifThen(b.less(i, b.index(kBlock)), [&] {
      Value row = b.add(firstRow, b.min(b.add(first, i), b.index(form.sequence - 1)));
      b.store(at(row), to, {i});
    });
  }

  /// Whether query `i` sees key `j`, both there.
  Value sees(Value i, Value j, Value iSegment, Value jSegment) {
    using Predicate = arith::CmpIPredicate;
    auto compare = [&](Predicate predicate, Value x, Value y) -> Value {
      return arith::CmpIOp::create(b, predicate, x, y);
    };
    Value last = b.index(form.sequence - 1);
    Value seen = compare(Predicate::sle, j, form.causal ? b.min(i, last) : last);
    if (form.window)
      seen = arith::AndIOp::create(b, seen, compare(Predicate::slt, i, b.add(j, *form.window)));
    if (iSegment)
      seen = arith::AndIOp::create(b, seen, compare(Predicate::eq, iSegment, jSegment));
    return seen;
  }

  /// Of a product of a query and a key: the logit times log2(e), and the derivative of the logit.
  Value logit(Value product) {
    if (!form.softcap)
      return b.mulf(product, b.f32(form.scale * kLog2E));
    return b.mulf(capped(product), b.f32(*form.softcap * kLog2E));
  }
  Value slope(Value product) {
    if (!form.softcap)
      return b.f32(form.scale);
    Value t = capped(product);
    return b.mulf(b.f32(form.scale), b.subf(b.f32(1), b.mulf(t, t)));
  }

  /// The keys that the queries from `first` on see are in blocks from the one to below the other.
  std::pair<Value, Value> keysOf(Value first) {
    Value begin = b.index(0), end = b.index(form.sequence);
    if (form.causal)
      end = b.min(b.add(first, kBlock), end);
    if (form.window) {
      Value oldest = arith::SubIOp::create(b, first, b.index(*form.window - 1));
      begin = b.mul(b.div(arith::MaxSIOp::create(b, oldest, begin), kBlock), kBlock);
    }
    return {begin, end};
  }
  /// Likewise the queries that see keys from `first` on.
  std::pair<Value, Value> queriesOf(Value first) {
    Value begin = form.causal ? first : b.index(0), end = b.index(form.sequence);
    if (form.window)
      end = b.min(b.add(first, kBlock + *form.window - 1), end);
    return {begin, end};
  }

  /// Calls `body` with the places of a thread's sums: high, tile, column, place among the sums.
  static void forSums(int64_t tiles,
                      llvm::function_ref<void(int64_t high, int64_t tile, int64_t i, int64_t at)> body) {
    for (int64_t high = 0; high < 2; ++high)
      for (int64_t tile = 0; tile < tiles; ++tile)
        for (int64_t i = 0; i < 2; ++i)
          body(high, tile, i, tile * kSums + WarpProduct::place(high, i));
  }

  /// Stores what a warp has of each pair of columns as rows of `to`.
  void storeTiles(const SharedMatrix &to, ArrayRef<Value> sums) {
    Value lane = b.rem(kernel.thread(), GpuKernel::warp);
    for (int64_t tile = 0; tile < kScoreTiles; ++tile)
      for (int64_t high = 0; high < 2; ++high)
        storePair(b, to, b.add(warpFirst, high * 8), b.div(lane, 4),
                  b.add(b.mul(b.rem(lane, 4), 2), tile * 8), sums[tile * kSums + WarpProduct::place(high, 0)],
                  sums[tile * kSums + WarpProduct::place(high, 1)]);
  }

  /// Stores a warp's sums, times factors of its rows, to rows from `first` on (in the sequence).
  void storeRows(Value to, WarpProduct &product, ArrayRef<Value> sums, Value first, Value column,
                 int64_t size, ArrayRef<Value> factors) {
    for (int64_t high = 0; high < 2; ++high) {
      Value row = b.add(b.add(first, warpFirst), product.rowOf(0, high));
      b.ifThen(b.less(row, b.index(form.sequence)), [&] {
        for (int64_t tile = 0; tile < product.columnTiles; ++tile)
          for (int64_t i = 0; i < 2; ++i) {
            if (tile * 8 >= size)
              continue;
            Value at = b.add(product.columnOf(tile), i);
            auto put = [&] {
              Value sum = sums[tile * kSums + WarpProduct::place(high, i)];
              if (!factors.empty())
                sum = b.mulf(sum, factors[high]);
              b.store(sum, to, {b.add(firstRow, row), b.add(column, at)});
            };
            if (tile * 8 + 8 <= size)
              put();
            else
              b.ifThen(b.less(at, b.index(size)), put);
          }
      });
    }
  }

  Value reduceRow(Value value, bool isSum) {
    return kernel.reduceWarp(
        value, [&](Value x, Value y) { return isSum ? b.addf(x, y) : b.maxf(x, y); }, /*lanes=*/4);
  }

  GpuKernel &kernel;
  KernelBuilder &b;
  const AttentionForm &form;
  const Type element;
  Value firstRow;  ///< of the sequence
  Value warpFirst; ///< of the block's rows, the first that this warp has

private:
  Value capped(Value product) {
    return math::TanhOp::create(b, b.mulf(product, b.f32(form.scale / *form.softcap)));
  }
};

/// What kernels for blocks of queries have in common: the block that they are for, and segments.
class QueryBlock {
public:
  QueryBlock(GpuKernel &kernel, const AttentionForm &form, Type element, Value segments)
      : head(kernel, form, element), b(kernel.b), segments(segments), scores(kernel, 1, kScoreTiles) {
    const int64_t blocks = (form.sequence + kBlock - 1) / kBlock;
    number = kernel.block();
    Value y = kernel.block(gpu::Dimension::y);
    head.firstRow = b.mul(b.div(y, blocks), form.sequence);
    // Long blocks first: the last queries see the most keys.
    first = b.mul(arith::SubIOp::create(b, b.index(blocks - 1), b.rem(y, blocks)), kBlock);
    keyColumn = b.mul(b.div(number, form.group), form.size);
    valueColumn = b.mul(b.div(number, form.group), form.valueSize);
    queryColumn = b.mul(number, form.size);
    outputColumn = b.mul(number, form.valueSize);
    for (int64_t high = 0; high < 2; ++high)
      queries[high] = b.add(b.add(first, head.warpFirst), scores.rowOf(0, high));
    if (!segments)
      return;
    keySegments = kernel.shared(sharedType({kBlock}, b.getI32Type()));
    for (int64_t high = 0; high < 2; ++high)
      querySegments[high] =
          b.load(segments, {b.add(head.firstRow, b.min(queries[high], b.index(form.sequence - 1)))});
  }

  void loadSegments(Value block) {
    if (segments)
      head.loadColumn(keySegments, block, [&](Value row) { return b.load(segments, {row}); });
  }

  /// Which of a thread's scores with keys from `block` on count, in the order of the sums.
  SmallVector<Value> seen(Value block) {
    SmallVector<Value> result(kScoreTiles * kSums);
    HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t tile, int64_t i, int64_t at) {
      Value inBlock = b.add(scores.columnOf(tile), i);
      Value segment = segments ? b.load(keySegments, {inBlock}) : Value();
      result[at] = head.sees(queries[high], b.add(block, inBlock), querySegments[high], segment);
    });
    return result;
  }

  HeadEmitter head;
  KernelBuilder &b;
  Value segments;
  WarpProduct scores;
  Value number; ///< of the head
  Value first;  ///< query
  Value queryColumn, keyColumn, valueColumn, outputColumn;
  Value queries[2], querySegments[2]; ///< of this thread's rows
  Value keySegments;
};

} // namespace

static LogicalResult checkHeads(Operation *op, const AttentionForm &form) {
  if (form.size > kLargestHead || form.valueSize > kLargestHead)
    return emitNotSupported(op) << "has heads of " << std::max(form.size, form.valueSize)
                                << ", of which training on GPUs supports " << kLargestHead << " at most";
  return success();
}

LogicalResult CudaTrainingLowering::lowerAttention(nn::AttentionOp op, const Destination &destination) {
  FailureOr<AttentionForm> form = attentionFormOf(op);
  if (failed(form) || failed(checkHeads(op, *form)))
    return failure();
  GpuKernel k = kernel("attention", op.getLoc(), kThreads);
  KernelBuilder &b = k.b;
  Value q = k.import(buffers.lookup(op.getQuery())), keys = k.import(buffers.lookup(op.getKey())),
        values = k.import(buffers.lookup(op.getValue())), y = k.import(destination.buffer);
  Value segments = op.getSegments() ? k.import(buffers.lookup(op.getSegments())) : Value();
  HeadEmitter sizes(k, *form, attentionType); // matrices first: they want multiples of 128 bytes
  SharedMatrix queryTile = sizes.matrix(form->size), keyTile = sizes.matrix(form->size),
               valueTile = sizes.matrix(form->valueSize), weightTile = sizes.matrix(kBlock);
  QueryBlock block(k, *form, attentionType, segments);
  HeadEmitter &head = block.head;
  head.load(queryTile, q, block.first, block.queryColumn, form->size);
  WarpProduct output(k, 1, HeadEmitter::columnTiles(form->valueSize));
  // Maxima and this thread's sums of its rows, then weighted values.
  SmallVector<Value> state{b.f32(kUnseen), b.f32(kUnseen), b.f32(0), b.f32(0)};
  constexpr int64_t kState = 4;
  llvm::append_range(state, output.zeros());
  auto [begin, end] = head.keysOf(block.first);
  state = b.loop(begin, end, kBlock, state, [&](Value at, ValueRange now) {
    SmallVector<Value> next(now);
    k.barrier(); // all have read the keys before
    head.load(keyTile, keys, at, block.keyColumn, form->size);
    head.load(valueTile, values, at, block.valueColumn, form->valueSize);
    block.loadSegments(at);
    k.barrier();
    SmallVector<Value> scores = block.scores.zeros();
    block.scores.multiplyAdd({queryTile, false, head.warpFirst}, {keyTile, false, b.index(0)},
                             padTo(form->size, 16), scores);
    SmallVector<Value> seen = block.seen(at);
    Value largest[2] = {now[0], now[1]};
    HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
      scores[place] = arith::SelectOp::create(b, seen[place], head.logit(scores[place]), b.f32(kUnseen));
      largest[high] = b.maxf(largest[high], scores[place]);
    });
    for (int64_t high = 0; high < 2; ++high) {
      largest[high] = head.reduceRow(largest[high], false);
      Value decay = exp2(b, b.subf(now[high], largest[high]));
      next[high] = largest[high];
      next[2 + high] = b.mulf(now[2 + high], decay);
      HeadEmitter::forSums(output.columnTiles, [&](int64_t row, int64_t, int64_t, int64_t place) {
        if (row == high)
          next[kState + place] = b.mulf(next[kState + place], decay);
      });
    }
    HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
      Value weight = exp2(b, b.subf(scores[place], largest[high]));
      scores[place] = arith::SelectOp::create(b, seen[place], weight, b.f32(0));
      next[2 + high] = b.addf(next[2 + high], scores[place]);
    });
    head.storeTiles(weightTile, scores);
    k.barrier();
    output.multiplyAdd({weightTile, false, head.warpFirst}, {valueTile, true, b.index(0)}, kBlock,
                       MutableArrayRef(next).drop_front(kState));
    return next;
  });
  Value inverse[2];
  for (int64_t high = 0; high < 2; ++high)
    inverse[high] = b.divf(b.f32(1), head.reduceRow(state[2 + high], true));
  head.storeRows(y, output, ArrayRef(state).drop_front(kState), block.first, block.outputColumn,
                 form->valueSize, inverse);
  const int64_t blocks = (form->sequence + kBlock - 1) / kBlock;
  launch(k, op.getLoc(), form->heads, form->sequences() * blocks);
  return success();
}

// With P the weights, dP = dy v^T and dl = P (dP - sum P dP) slope: dv = P^T dy, dq = dl k, dk = dl^T q. One
// kernel goes through the keys of queries twice, for the sums and for dq; the other through the queries of
// keys.
LogicalResult CudaTrainingLowering::lowerAttentionGradient(nn::AttentionGradientOp op,
                                                           ArrayRef<Destination> destinations) {
  FailureOr<AttentionForm> form = attentionFormOf(op);
  if (failed(form) || failed(checkHeads(op, *form)))
    return failure();
  for (const Destination &destination : destinations)
    if (destination.update == Update::Accumulate)
      return emitNotSupported(op)
             << "gives gradients of parameters themselves, which training does not support";
  Location loc = op.getLoc();
  const int64_t blocks = (form->sequence + kBlock - 1) / kBlock;
  // Of each query and head: log2 of the sum of powers, and the mean of dP by the weights.
  Value normalizers = TrainingLowering::allocate(loc, {form->heads, form->rows}, builder.getF32Type());
  Value means = TrainingLowering::allocate(loc, {form->heads, form->rows}, builder.getF32Type());
  Value segmentBuffer = op.getSegments() ? buffers.lookup(op.getSegments()) : Value();
  {
    GpuKernel k = kernel("attention_query_gradient", loc, kThreads);
    KernelBuilder &b = k.b;
    Value q = k.import(buffers.lookup(op.getQuery())), keys = k.import(buffers.lookup(op.getKey())),
          values = k.import(buffers.lookup(op.getValue())), dy = k.import(buffers.lookup(op.getGradient())),
          dq = k.import(destinations[0].buffer);
    Value normalizer = k.import(normalizers), mean = k.import(means);
    Value segments = segmentBuffer ? k.import(segmentBuffer) : Value();
    HeadEmitter sizes(k, *form, attentionType);
    SharedMatrix queryTile = sizes.matrix(form->size), gradientTile = sizes.matrix(form->valueSize),
                 keyTile = sizes.matrix(form->size), valueTile = sizes.matrix(form->valueSize),
                 scoreTile = sizes.matrix(kBlock);
    QueryBlock block(k, *form, attentionType, segments);
    HeadEmitter &head = block.head;
    head.load(queryTile, q, block.first, block.queryColumn, form->size);
    head.load(gradientTile, dy, block.first, block.outputColumn, form->valueSize);
    // Scores and dP of the keys from `at` on.
    auto products = [&](Value at, SmallVector<Value> &scores, SmallVector<Value> &gradients) {
      k.barrier();
      head.load(keyTile, keys, at, block.keyColumn, form->size);
      head.load(valueTile, values, at, block.valueColumn, form->valueSize);
      block.loadSegments(at);
      k.barrier();
      scores = block.scores.zeros();
      gradients = block.scores.zeros();
      block.scores.multiplyAdd({queryTile, false, head.warpFirst}, {keyTile, false, b.index(0)},
                               padTo(form->size, 16), scores);
      block.scores.multiplyAdd({gradientTile, false, head.warpFirst}, {valueTile, false, b.index(0)},
                               padTo(form->valueSize, 16), gradients);
    };
    auto [begin, end] = head.keysOf(block.first);
    SmallVector<Value> state{b.f32(kUnseen), b.f32(kUnseen), b.f32(0), b.f32(0), b.f32(0), b.f32(0)};
    state = b.loop(begin, end, kBlock, state, [&](Value at, ValueRange now) {
      SmallVector<Value> next(now), scores, gradients;
      products(at, scores, gradients);
      SmallVector<Value> seen = block.seen(at);
      Value largest[2] = {now[0], now[1]};
      HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
        scores[place] = arith::SelectOp::create(b, seen[place], head.logit(scores[place]), b.f32(kUnseen));
        largest[high] = b.maxf(largest[high], scores[place]);
      });
      for (int64_t high = 0; high < 2; ++high) {
        largest[high] = head.reduceRow(largest[high], false);
        Value decay = exp2(b, b.subf(now[high], largest[high]));
        next[high] = largest[high];
        next[2 + high] = b.mulf(now[2 + high], decay);
        next[4 + high] = b.mulf(now[4 + high], decay);
      }
      HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
        Value weight = exp2(b, b.subf(scores[place], largest[high]));
        weight = arith::SelectOp::create(b, seen[place], weight, b.f32(0));
        next[2 + high] = b.addf(next[2 + high], weight);
        next[4 + high] = LLVM::FMAOp::create(b, weight, gradients[place], next[4 + high]);
      });
      return next;
    });
    Value lane = b.rem(k.thread(), 4),
          isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, b.index(0));
    Value normalizerOf[2], meanOf[2];
    for (int64_t high = 0; high < 2; ++high) {
      Value sum = head.reduceRow(state[2 + high], true);
      meanOf[high] = b.divf(head.reduceRow(state[4 + high], true), sum);
      normalizerOf[high] = b.addf(state[high], math::Log2Op::create(b, sum));
      Value stores = arith::AndIOp::create(b, isFirst, b.less(block.queries[high], b.index(form->sequence)));
      b.ifThen(stores, [&] {
        SmallVector<Value> place = {block.number, b.add(head.firstRow, block.queries[high])};
        b.store(normalizerOf[high], normalizer, place);
        b.store(meanOf[high], mean, place);
      });
    }
    WarpProduct output(k, 1, HeadEmitter::columnTiles(form->size));
    SmallVector<Value> sums = b.loop(begin, end, kBlock, output.zeros(), [&](Value at, ValueRange now) {
      SmallVector<Value> next(now), scores, gradients;
      products(at, scores, gradients);
      SmallVector<Value> seen = block.seen(at);
      HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
        Value weight = exp2(b, b.subf(head.logit(scores[place]), normalizerOf[high]));
        Value dl = b.mulf(weight, b.subf(gradients[place], meanOf[high]));
        dl = b.mulf(dl, head.slope(scores[place]));
        scores[place] = arith::SelectOp::create(b, seen[place], dl, b.f32(0));
      });
      head.storeTiles(scoreTile, scores);
      k.barrier();
      output.multiplyAdd({scoreTile, false, head.warpFirst}, {keyTile, true, b.index(0)}, kBlock, next);
      return next;
    });
    head.storeRows(dq, output, sums, block.first, block.queryColumn, form->size, {});
    launch(k, loc, form->heads, form->sequences() * blocks);
  }

  GpuKernel k = kernel("attention_key_gradient", loc, kThreads);
  KernelBuilder &b = k.b;
  Value q = k.import(buffers.lookup(op.getQuery())), keys = k.import(buffers.lookup(op.getKey())),
        values = k.import(buffers.lookup(op.getValue())), dy = k.import(buffers.lookup(op.getGradient())),
        dk = k.import(destinations[1].buffer), dv = k.import(destinations[2].buffer);
  Value normalizer = k.import(normalizers), mean = k.import(means);
  Value segments = segmentBuffer ? k.import(segmentBuffer) : Value();
  HeadEmitter head(k, *form, attentionType);
  SharedMatrix keyTile = head.matrix(form->size), valueTile = head.matrix(form->valueSize),
               queryTile = head.matrix(form->size), gradientTile = head.matrix(form->valueSize),
               weightTile = head.matrix(kBlock);
  Value normalizerOf = k.shared(sharedType({kBlock}, b.getF32Type())),
        meanOf = k.shared(sharedType({kBlock}, b.getF32Type()));
  Value querySegments = segments ? k.shared(sharedType({kBlock}, b.getI32Type())) : Value();
  Value kvHead = k.block(), y = k.block(gpu::Dimension::y);
  head.firstRow = b.mul(b.div(y, blocks), form->sequence);
  Value first = b.mul(b.rem(y, blocks), kBlock);
  Value keyColumn = b.mul(kvHead, form->size), valueColumn = b.mul(kvHead, form->valueSize);
  head.load(keyTile, keys, first, keyColumn, form->size);
  head.load(valueTile, values, first, valueColumn, form->valueSize);
  // Rows of the products are keys here, columns are queries.
  WarpProduct scores(k, 1, kScoreTiles), keyOutput(k, 1, HeadEmitter::columnTiles(form->size)),
      valueOutput(k, 1, HeadEmitter::columnTiles(form->valueSize));
  Value rows[2], rowSegments[2];
  for (int64_t high = 0; high < 2; ++high) {
    rows[high] = b.add(b.add(first, head.warpFirst), scores.rowOf(0, high));
    if (segments)
      rowSegments[high] =
          b.load(segments, {b.add(head.firstRow, b.min(rows[high], b.index(form->sequence - 1)))});
  }
  SmallVector<Value> state = keyOutput.zeros();
  const size_t keySums = state.size();
  llvm::append_range(state, valueOutput.zeros());
  auto [begin, end] = head.queriesOf(first);
  state = b.loop(
      b.index(0), b.index(form->group), 1, state,
      [&, begin = begin, end = end](Value inGroup, ValueRange outer) {
        Value number = b.add(b.mul(kvHead, form->group), inGroup);
        Value queryColumn = b.mul(number, form->size), outputColumn = b.mul(number, form->valueSize);
        return b.loop(begin, end, kBlock, outer, [&](Value at, ValueRange now) {
          SmallVector<Value> next(now);
          k.barrier();
          head.load(queryTile, q, at, queryColumn, form->size);
          head.load(gradientTile, dy, at, outputColumn, form->valueSize);
          head.loadColumn(normalizerOf, at, [&](Value row) { return b.load(normalizer, {number, row}); });
          head.loadColumn(meanOf, at, [&](Value row) { return b.load(mean, {number, row}); });
          if (segments)
            head.loadColumn(querySegments, at, [&](Value row) { return b.load(segments, {row}); });
          k.barrier();
          SmallVector<Value> products = scores.zeros(), gradients = scores.zeros();
          scores.multiplyAdd({keyTile, false, head.warpFirst}, {queryTile, false, b.index(0)},
                             padTo(form->size, 16), products);
          scores.multiplyAdd({valueTile, false, head.warpFirst}, {gradientTile, false, b.index(0)},
                             padTo(form->valueSize, 16), gradients);
          SmallVector<Value> weights(products.size());
          HeadEmitter::forSums(kScoreTiles, [&](int64_t high, int64_t tile, int64_t i, int64_t place) {
            Value inBlock = b.add(scores.columnOf(tile), i), query = b.add(at, inBlock);
            Value segment = segments ? b.load(querySegments, {inBlock}) : Value();
            Value seen = arith::AndIOp::create(b, head.sees(query, rows[high], segment, rowSegments[high]),
                                               b.less(query, b.index(form->sequence)));
            Value weight = exp2(b, b.subf(head.logit(products[place]), b.load(normalizerOf, {inBlock})));
            weights[place] = arith::SelectOp::create(b, seen, weight, b.f32(0));
            Value dl = b.mulf(weights[place], b.subf(gradients[place], b.load(meanOf, {inBlock})));
            gradients[place] = b.mulf(dl, head.slope(products[place]));
          });
          // One after the other in the same memory: rows that a warp reads are those that it wrote.
          MutableArrayRef<Value> all(next);
          head.storeTiles(weightTile, weights);
          k.barrier();
          valueOutput.multiplyAdd({weightTile, false, head.warpFirst}, {gradientTile, true, b.index(0)},
                                  kBlock, all.drop_front(keySums));
          k.barrier();
          head.storeTiles(weightTile, gradients);
          k.barrier();
          keyOutput.multiplyAdd({weightTile, false, head.warpFirst}, {queryTile, true, b.index(0)}, kBlock,
                                all.take_front(keySums));
          return next;
        });
      });
  head.storeRows(dk, keyOutput, ArrayRef(state).take_front(keySums), first, keyColumn, form->size, {});
  head.storeRows(dv, valueOutput, ArrayRef(state).drop_front(keySums), first, valueColumn, form->valueSize,
                 {});
  launch(k, loc, form->kvHeads, form->sequences() * blocks);
  return success();
}

} // namespace llmc::codegen
