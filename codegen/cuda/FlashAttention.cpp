//===- FlashAttention.cpp - attention of many rows on tensor cores -------------------------------------===//
//
// Keys and values come block by block through shared memory, the next one while one is worked on. Scores stay
// in the registers where the matrix instruction left them, which is where it wants the weights for the
// product with the values. FlashAttention-2: Dao, 2023. Warpgroups of sm_90a multiply queries and the next
// keys while the weights of the last ones are computed: FlashAttention-3, Shah et al., 2024.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/FlashAttention.h"

#include "codegen/cuda/SharedMatrix.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include <limits>

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kKeys = FlashAttention::keysPerBlock;
constexpr int64_t kStages = 3;
constexpr int64_t kStep = 16;   ///< inputs of a matrix instruction
constexpr int64_t kColumns = 8; ///< and columns of its result
constexpr int64_t kSums = 4;
constexpr double kNoMaximum = -1e30;
constexpr double kLog2E = 1.4426950408889634;
constexpr int64_t kWantedWarps = 8;

class FlashEmitter {
public:
  FlashEmitter(GpuKernel &gpu, FlashAttention &flash)
      : gpu(gpu), b(gpu.b), k(flash.attention), warpgroups(flash.warpgroups),
        rowsPerBlock(flash.rowsPerBlock()), rowTiles(flash.rowTiles()),
        valueBlocks(k.alignedValue / kColumns),
        keyTile(gpu, kKeys, k.alignedQuery, gpu.b.getBF16Type(), kStages),
        valueTile(gpu, kKeys, k.alignedValue, gpu.b.getBF16Type(), kStages) {}

  void run() {
    thread = gpu.thread();
    Value warp = b.div(thread, GpuKernel::warp);
    lane = b.rem(thread, GpuKernel::warp);
    kvHead = gpu.block();
    const int64_t group = k.op.getHeads() / k.op.getKvHeads();
    head = b.add(b.mul(kvHead, group), b.div(warp, rowTiles));
    Value blockRow = b.mul(gpu.block(gpu::Dimension::y), rowsPerBlock);
    Value tileRow = b.add(blockRow, b.mul(b.rem(warp, rowTiles), FlashAttention::rowsPerWarp));
    Value lastRow = arith::SubIOp::create(b, k.rows, b.index(1));
    auto positionOf = [&](Value row) -> Value {
      return arith::IndexCastOp::create(b, b.getIndexType(), b.load(k.positions, {b.min(row, lastRow)}));
    };
    for (int64_t high = 0; high < 2; ++high) {
      rows[high] = b.add(tileRow, b.add(b.div(lane, 4), b.index(high * 8)));
      positions[high] = positionOf(rows[high]);
    }
    // Rows of a step are in the order of their positions.
    end = k.op.getCausal() ? b.add(positionOf(b.add(blockRow, rowsPerBlock - 1)), 1) : k.rows;
    begin = b.index(0);
    if (k.op.getWindow()) {
      Value first = arith::SubIOp::create(b, positionOf(blockRow), b.index(*k.op.getWindow() - 1));
      begin = b.mul(b.div(arith::MaxSIOp::create(b, first, begin), kKeys), kKeys);
    }
    loadQueries(lastRow);

    // Maxima and this thread's sums of rows g and g + 8, then weighted values.
    SmallVector<Value> state{b.f32(kNoMaximum), b.f32(kNoMaximum), b.f32(0), b.f32(0)};
    state.append(valueBlocks * kSums, b.f32(0));
    for (int64_t i = 0; i < kStages - 1; ++i)
      token = copyBlock(b.add(begin, i * kKeys), b.index(i));
    if (warpgroups)
      attendByWarpgroups(state);
    else
      attendByWarps(state);
    nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(0));
    storeResult(state);
  }

private:
  /// The stage of the block that is `ahead` of `block`.
  Value stageOf(Value block, int64_t ahead) {
    return b.rem(b.add(b.div(arith::SubIOp::create(b, block, begin), kKeys), ahead), kStages);
  }

  void attendByWarps(SmallVectorImpl<Value> &state) {
    const SmallVector<Value> start(state.begin(), state.end());
    WarpProduct scoreProduct(gpu, 1, kKeys / kColumns), valueProduct(gpu, 1, valueBlocks);
    state = b.loop(begin, end, kKeys, start, [&](Value block, ValueRange now) {
      nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(kStages - 2));
      gpu.barrier();
      copyBlock(b.add(block, (kStages - 1) * kKeys), stageOf(block, kStages - 1));
      keyTile.stage = valueTile.stage = stageOf(block, 0);
      SmallVector<Value> next(now), scores = scoreProduct.zeros();
      scoreProduct.multiplyAdd(queries, {keyTile, false, b.index(0)}, scores);
      SmallVector<Value> weights = weigh(block, scores, next);
      valueProduct.multiplyAdd(weights, {valueTile, true, b.index(0)},
                               MutableArrayRef(next).drop_front(kState));
      return next;
    });
  }

  void attendByWarpgroups(SmallVectorImpl<Value> &state) {
    const SmallVector<Value> zeros(kKeys / kColumns * kSums, b.f32(0));
    auto startScores = [&](Value stage) {
      SmallVector<Value> scores(zeros);
      keyTile.stage = stage;
      WarpgroupProduct product{{}, queries, keyTile.operand(false, b.index(0)), k.alignedQuery, scores};
      startWarpgroupProducts(b, product);
      return scores;
    };
    auto waitForCopies = [&](int64_t pending) {
      nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(static_cast<int32_t>(pending)));
      showCopiesToWarpgroups(b);
      gpu.barrier();
    };
    waitForCopies(kStages - 2);
    SmallVector<Value> first = startScores(b.index(0));
    waitForWarpgroupProducts(b, 0, first);
    SmallVector<Value> carried(state.begin(), state.end());
    const size_t stateSize = carried.size();
    llvm::append_range(carried, first);
    carried = b.loop(begin, end, kKeys, carried, [&](Value block, ValueRange now) {
      SmallVector<Value> next(now.take_front(stateSize)), scores(now.drop_front(stateSize));
      waitForCopies(kStages - 3);
      SmallVector<Value> following = startScores(stageOf(block, 1));
      copyBlock(b.add(block, (kStages - 1) * kKeys), stageOf(block, kStages - 1));
      SmallVector<Value> weights = weigh(block, scores, next);
      valueTile.stage = stageOf(block, 0);
      auto output = MutableArrayRef(next).drop_front(kState);
      WarpgroupProduct product{{}, weights, valueTile.operand(true, b.index(0)), kKeys, output};
      startWarpgroupProducts(b, product);
      waitForWarpgroupProducts(b, 0, output);
      holdInRegisters(b, following);
      next.append(following);
      return next;
    });
    carried.resize(stateSize);
    state = carried;
  }

  /// Queries as operand A, scaled so that powers of two of the products are the weights, unless something is
  /// done to the products first.
  void loadQueries(Value lastRow) {
    const double factor = k.op.getScale().convertToDouble() * (k.op.getSoftcap() ? 1 : kLog2E);
    auto pairs = VectorType::get({2}, b.getF32Type());
    for (int64_t step = 0; step < k.alignedQuery / kStep; ++step) {
      for (int64_t r = 0; r < 4; ++r) {
        Value column =
            b.add(b.add(b.mul(head, k.alignedQuery), step * kStep + r / 2 * 8), b.mul(b.rem(lane, 4), 2));
        Value pair =
            vector::LoadOp::create(b, pairs, k.query, ValueRange{b.min(rows[r % 2], lastRow), column},
                                   /*nontemporal=*/false, llvm::MaybeAlign(8));
        auto element = [&](int64_t i) {
          return b.mulf(vector::ExtractOp::create(b, pair, i), b.f32(factor));
        };
        queries.push_back(packPair(b, element(0), element(1)));
      }
    }
  }

  /// Starts to copy the keys and values from `block` on. Those behind the end are the last one, which no
  /// weight reaches.
  Value copyBlock(Value block, Value stage) {
    auto type = nvgpu::DeviceAsyncTokenType::get(b.getContext());
    Value last = arith::SubIOp::create(b, end, b.index(1));
    auto copy = [&](Value from, SharedMatrix to) {
      to.stage = stage;
      const int64_t chunks = cast<MemRefType>(from.getType()).getDimSize(2) / to.chunk(),
                    all = kKeys * chunks;
      for (int64_t first = 0; first < all; first += gpu.threads) {
        Value index = b.add(thread, first);
        auto copyChunk = [&] {
          Value key = b.div(index, chunks), chunk = b.rem(index, chunks);
          nvgpu::DeviceAsyncCopyOp::create(
              b, type, to.memory, to.at(b.mul(b.div(key, 8), 8), b.rem(key, 8), chunk), from,
              ValueRange{kvHead, b.min(b.add(block, key), last), b.mul(chunk, to.chunk())},
              b.getIndexAttr(to.chunk()), Value(), b.getUnitAttr());
        };
        if (first + gpu.threads > all)
          b.ifThen(b.less(index, b.index(all)), copyChunk);
        else
          copyChunk();
      }
    };
    copy(k.keys, keyTile);
    copy(k.values, valueTile);
    return nvgpu::DeviceAsyncCreateGroupOp::create(b, type, ValueRange{});
  }

  /// The weights of the keys from `block` on, as operand A: four words for each 16 keys. Brings the state to
  /// their maxima.
  SmallVector<Value> weigh(Value block, SmallVectorImpl<Value> &scores, SmallVectorImpl<Value> &state) {
    for (int64_t n = 0; n < kKeys / kColumns; ++n)
      for (int64_t i = 0; i < kSums; ++i) {
        Value &score = scores[n * kSums + i];
        Value key = b.add(b.add(block, n * kColumns + i % 2), b.mul(b.rem(lane, 4), 2));
        score = finishScore(score, key, positions[i / 2]);
      }
    for (int64_t high = 0; high < 2; ++high) {
      Value largest = state[high];
      forRow(high, kKeys / kColumns, [&](int64_t at) { largest = b.maxf(largest, scores[at]); });
      largest = gpu.reduceWarp(largest, [&](Value x, Value y) { return b.maxf(x, y); }, 4);
      Value decay = exp2(b, b.subf(state[high], largest)), sum = b.mulf(state[2 + high], decay);
      forRow(high, kKeys / kColumns, [&](int64_t at) {
        scores[at] = exp2(b, b.subf(scores[at], largest));
        sum = b.addf(sum, scores[at]);
      });
      state[high] = largest;
      state[2 + high] = sum;
      forRow(high, valueBlocks, [&](int64_t at) { state[kState + at] = b.mulf(state[kState + at], decay); });
    }
    return WarpProduct::toOperand(b, scores);
  }

  /// The places of row g (high 0) or g + 8 in sums of `blocks` instructions.
  static void forRow(int64_t high, int64_t blocks, llvm::function_ref<void(int64_t)> body) {
    for (int64_t n = 0; n < blocks; ++n)
      for (int64_t i = 0; i < 2; ++i)
        body(n * kSums + 2 * high + i);
  }

  Value finishScore(Value score, Value key, Value position) {
    if (auto cap = k.op.getSoftcap()) {
      const double limit = cap->convertToDouble();
      score = b.mulf(math::TanhOp::create(b, b.mulf(score, b.f32(1 / limit))), b.f32(limit * kLog2E));
    }
    auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) -> Value {
      return arith::CmpIOp::create(b, predicate, x, y);
    };
    Value seen = k.op.getCausal() ? compare(arith::CmpIPredicate::sle, key, position)
                                  : compare(arith::CmpIPredicate::slt, key, end);
    if (k.op.getWindow()) {
      Value first = arith::SubIOp::create(b, position, b.index(*k.op.getWindow()));
      seen = arith::AndIOp::create(b, seen, compare(arith::CmpIPredicate::sgt, key, first));
    }
    return arith::SelectOp::create(b, seen, score, b.f32(-std::numeric_limits<double>::infinity()));
  }

  void storeResult(ArrayRef<Value> state) {
    for (int64_t high = 0; high < 2; ++high) {
      // A query that sees no key has no weights, and gives zeros.
      Value sum = gpu.reduceWarp(state[2 + high], [&](Value x, Value y) { return b.addf(x, y); }, 4);
      Value isEmpty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, b.f32(0));
      Value inverse = arith::SelectOp::create(b, isEmpty, b.f32(0), b.divf(b.f32(1), sum));
      b.ifThen(b.less(rows[high], k.rows), [&] {
        for (int64_t n = 0; n < valueBlocks; ++n)
          for (int64_t i = 0; i < 2; ++i) {
            Value dim = b.add(b.mul(b.rem(lane, 4), 2), n * kColumns + i);
            Value value = b.mulf(state[kState + n * kSums + 2 * high + i], inverse);
            auto put = [&] {
              b.store(b.roundTo(k.destination, value), k.destination,
                      {rows[high], b.add(b.mul(head, k.headDim), dim)});
            };
            if ((n + 1) * kColumns <= k.headDim)
              put();
            else if (n * kColumns < k.headDim)
              b.ifThen(b.less(dim, b.index(k.headDim)), put);
          }
      });
    }
  }

  static constexpr int64_t kState = 4; ///< values before the weighted ones

  GpuKernel &gpu;
  KernelBuilder &b;
  GpuAttention &k;
  const bool warpgroups;
  const int64_t rowsPerBlock, rowTiles;
  const int64_t valueBlocks; ///< instructions side by side for the dimensions of a value
  SharedMatrix keyTile, valueTile;
  Value thread, lane, kvHead, head, begin, end, token;
  Value rows[2], positions[2]; ///< of this thread: g and g + 8 of its warp's
  SmallVector<Value> queries;  ///< operand A: four words for each 16 dimensions
};

} // namespace

bool FlashAttention::applies(const GpuAttention &attention) {
  constexpr int64_t kLargestHead = 128;
  return cast<MemRefType>(attention.keys.getType()).getElementType().isBF16() &&
         attention.alignedQuery <= kLargestHead && attention.alignedValue <= kLargestHead &&
         !nn::CachedAttentionOp(attention.op).getAlibi();
}

int64_t FlashAttention::rowTiles() const {
  nn::CachedAttentionOp op = attention.op;
  return std::max<int64_t>(1, kWantedWarps / static_cast<int64_t>(op.getHeads() / op.getKvHeads()));
}

int64_t FlashAttention::threads() const {
  nn::CachedAttentionOp op = attention.op;
  return GpuKernel::warp * rowTiles() * static_cast<int64_t>(op.getHeads() / op.getKvHeads());
}

void FlashAttention::emit(GpuKernel &kernel) { FlashEmitter(kernel, *this).run(); }

} // namespace llmc::codegen
