//===- GpuAttention.cpp - attention to a cache on a GPU ------------------------------------------------===//
//
// Each thread scores one key at a time; weights go through shared memory to the threads that add up values,
// each of which has some dimensions of the keys of its warp. Online softmax: Milakov and Gimelshein, 2018.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/GpuAttention.h"

#include "codegen/cuda/TensorCore.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

using namespace mlir;

namespace llmc::codegen {

namespace {

/// A running maximum before any key was seen: finite, so that the difference of two of them is a number.
constexpr double kNoMaximum = -1e30;
constexpr double kLog2E = 1.4426950408889634;
constexpr int64_t kThreads = GpuAttention::threads, kWarps = kThreads / GpuKernel::warp;
constexpr int64_t kBytesPerLoad = 16;
/// Values that a warp adds up at once; divides the keys of one.
constexpr int64_t kKeysAtOnce = 8;
static_assert(kThreads / kWarps % kKeysAtOnce == 0);

class AttentionEmitter {
public:
  AttentionEmitter(GpuKernel &gpu, GpuAttention &k)
      : gpu(gpu), b(gpu.b), k(k), group(k.op.getHeads() / k.op.getKvHeads()),
        laneDims((k.alignedValue + GpuKernel::warp - 1) / GpuKernel::warp) {}

  void run() {
    thread = gpu.thread();
    warp = b.div(thread, GpuKernel::warp);
    lane = b.rem(thread, GpuKernel::warp);
    kvHead = b.div(gpu.block(), k.splits);
    row = gpu.block(gpu::Dimension::y);
    position = arith::IndexCastOp::create(b, b.getIndexType(), b.load(k.positions, {row}));
    Value end = k.op.getCausal() ? b.add(position, 1) : k.rows;
    Value begin = b.index(0);
    if (k.op.getWindow()) {
      Value first = arith::SubIOp::create(b, position, b.index(*k.op.getWindow() - 1));
      begin = arith::MaxSIOp::create(b, first, begin);
    }
    if (k.splits > 1) {
      split = b.rem(gpu.block(), k.splits);
      Value share =
          arith::CeilDivUIOp::create(b, arith::SubIOp::create(b, end, begin), b.index(k.splits * kThreads));
      share = b.mul(share, kThreads);
      begin = b.add(begin, b.mul(split, share));
      end = b.min(b.add(begin, share), end);
    }
    loadQueries();
    weights = gpu.shared(sharedType({group, kThreads}, b.getF32Type()));
    maxima = gpu.shared(sharedType({group, kWarps}, b.getF32Type()));

    // For each head: running maximum, this thread's sum of weights, its dimensions of the weighted values.
    SmallVector<Value> state;
    for (int64_t g = 0; g < group; ++g) {
      state.push_back(b.f32(kNoMaximum));
      state.append(1 + laneDims, b.f32(0));
    }
    state = b.loop(begin, end, kThreads, state,
                   [&](Value block, ValueRange carried) { return attendBlock(block, end, carried); });
    storeResult(state);
  }

private:
  int64_t stateSize() const { return 2 + laneDims; }
  Value fma(Value x, Value y, Value z) { return LLVM::FMAOp::create(b, x, y, z); }
  /// The queries of the group in shared memory, scaled so that powers of two of the products are the weights,
  /// unless something is done to the products first.
  void loadQueries() {
    const bool plain = !k.op.getSoftcap() && !k.op.getAlibi();
    const int64_t size = group * k.alignedQuery;
    queries = gpu.shared(sharedType({size}, b.getF32Type()));
    Value factor = b.f32(k.op.getScale().convertToDouble() * (plain ? kLog2E : 1));
    b.loop(thread, b.index(size), kThreads, [&](Value i) {
      Value q = b.load(k.query, {row, b.add(b.mul(kvHead, size), i)});
      b.store(b.mulf(q, factor), queries, {i});
    });
    gpu.barrier();
  }

  SmallVector<Value> attendBlock(Value block, Value end, ValueRange carried) {
    Value key = b.add(block, thread);
    Value isKey = b.less(key, end);
    SmallVector<Value> next(carried),
        scores = products(b.min(key, arith::SubIOp::create(b, end, b.index(1))));
    for (int64_t g = 0; g < group; ++g) {
      scores[g] = finishScore(scores[g], key, g);
      scores[g] =
          arith::SelectOp::create(b, isKey, scores[g], b.f32(-std::numeric_limits<double>::infinity()));
      Value highest = gpu.reduceWarp(scores[g], [&](Value x, Value y) { return b.maxf(x, y); });
      Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, b.index(0));
      b.ifThen(isFirst, [&] { b.store(highest, maxima, {b.index(g), warp}); });
    }
    gpu.barrier();
    for (int64_t g = 0; g < group; ++g) {
      auto state = MutableArrayRef(next).slice(g * stateSize(), stateSize());
      Value maximum = state[0];
      for (int64_t w = 0; w < kWarps; ++w)
        maximum = b.maxf(maximum, b.load(maxima, {b.index(g), b.index(w)}));
      Value decay = exp2(b, b.subf(state[0], maximum)), weight = exp2(b, b.subf(scores[g], maximum));
      b.store(weight, weights, {b.index(g), thread});
      state[0] = maximum;
      state[1] = fma(state[1], decay, weight);
      for (Value &value : state.drop_front(2))
        value = b.mulf(value, decay);
    }
    gpu.barrier();
    next = addValues(block, end, next);
    gpu.barrier();
    return next;
  }

  /// q . k of all heads and this thread's key.
  SmallVector<Value> products(Value key) {
    Type element = cast<MemRefType>(k.keys.getType()).getElementType();
    const int64_t perLoad = kBytesPerLoad * 8 / element.getIntOrFloatBitWidth();
    SmallVector<Value> sums(group, b.f32(0));
    for (int64_t d = 0; d < k.alignedQuery; d += perLoad) {
      Value part = vector::LoadOp::create(b, VectorType::get({perLoad}, element), k.keys,
                                          ValueRange{kvHead, key, b.index(d)}, /*nontemporal=*/false,
                                          llvm::MaybeAlign(kBytesPerLoad));
      for (int64_t i = 0; i < perLoad; ++i) {
        Value x = toF32(vector::ExtractOp::create(b, part, i));
        for (int64_t g = 0; g < group; ++g)
          sums[g] = fma(b.load(queries, {b.index(g * k.alignedQuery + d + i)}), x, sums[g]);
      }
    }
    return sums;
  }

  Value toF32(Value x) {
    return x.getType().isF32() ? x : Value(arith::ExtFOp::create(b, b.getF32Type(), x));
  }

  /// Soft cap and slope; then in powers of two.
  Value finishScore(Value score, Value key, int64_t g) {
    if (!k.op.getSoftcap() && !k.op.getAlibi())
      return score;
    if (auto cap = k.op.getSoftcap()) {
      const double limit = cap->convertToDouble();
      score = b.mulf(math::TanhOp::create(b, b.mulf(score, b.f32(1 / limit))), b.f32(limit));
    }
    if (auto slopes = k.op.getAlibi()) {
      Value distance = arith::SubIOp::create(b, key, position);
      Value steps = arith::SIToFPOp::create(b, b.getF32Type(),
                                            Value(arith::IndexCastOp::create(b, b.getI32Type(), distance)));
      Value slope = b.f32(0);
      for (int64_t h = g; h < static_cast<int64_t>(slopes->size()); h += group) {
        Value isThis = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, kvHead, b.index(h / group));
        slope = arith::SelectOp::create(b, isThis, b.f32((*slopes)[h]), slope);
      }
      score = fma(steps, slope, score);
    }
    return b.mulf(score, b.f32(kLog2E));
  }

  /// The dimension that a lane has at place `i`, and whether there is one.
  Value dimension(int64_t i) { return b.add(lane, i * GpuKernel::warp); }
  bool isPartial(int64_t i) const { return (i + 1) * GpuKernel::warp > k.alignedValue; }

  SmallVector<Value> addValues(Value block, Value end, ArrayRef<Value> state) {
    SmallVector<Value> sums, next(state);
    for (int64_t g = 0; g < group; ++g)
      llvm::append_range(sums, state.slice(g * stateSize() + 2, laneDims));
    // Several keys at a time, so that their loads do not wait for each other. Weights behind the last key are
    // zero.
    Value last = arith::SubIOp::create(b, end, b.index(1));
    Value rounds = arith::CeilDivUIOp::create(
        b, b.min(arith::SubIOp::create(b, end, block), b.index(kThreads)), b.index(kWarps));
    sums = b.loop(b.index(0), rounds, kKeysAtOnce, sums, [&](Value round, ValueRange carried) {
      SmallVector<Value> result(carried), values, keys;
      for (int64_t i = 0; i < kKeysAtOnce; ++i) {
        keys.push_back(b.add(b.mul(b.add(round, i), kWarps), warp));
        Value key = b.min(b.add(block, keys.back()), last);
        for (int64_t d = 0; d < laneDims; ++d) {
          Value dim = dimension(d);
          if (isPartial(d)) // what is read instead is not used
            dim = b.min(dim, b.index(k.alignedValue - 1));
          values.push_back(b.load(k.values, {kvHead, key, dim}));
        }
      }
      for (int64_t i = 0; i < kKeysAtOnce; ++i)
        for (int64_t g = 0; g < group; ++g) {
          Value weight = b.load(weights, {b.index(g), keys[i]});
          for (int64_t d = 0; d < laneDims; ++d)
            result[g * laneDims + d] = fma(weight, toF32(values[i * laneDims + d]), result[g * laneDims + d]);
        }
      return result;
    });
    for (int64_t g = 0; g < group; ++g)
      llvm::copy(ArrayRef(sums).slice(g * laneDims, laneDims), next.begin() + g * stateSize() + 2);
    return next;
  }

  void storeResult(ArrayRef<Value> state) {
    const int64_t padded = laneDims * GpuKernel::warp;
    Value parts = gpu.shared(sharedType({kWarps, padded}, b.getF32Type()));
    for (int64_t g = 0; g < group; ++g) {
      // A query that sees no key has no weights, and gives zeros.
      Value sum = gpu.sumBlock(state[g * stateSize() + 1]);
      Value head = b.add(b.mul(kvHead, group), g);
      if (k.splits > 1) {
        b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, b.index(0)), [&] {
          b.store(state[g * stateSize()], k.partial, {row, head, split, b.index(k.alignedValue)});
          b.store(sum, k.partial, {row, head, split, b.index(k.alignedValue + 1)});
        });
      }
      Value isEmpty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, b.f32(0));
      Value inverse = arith::SelectOp::create(b, isEmpty, b.f32(0), b.divf(b.f32(1), sum));
      for (int64_t d = 0; d < laneDims; ++d)
        b.store(state[g * stateSize() + 2 + d], parts, {warp, dimension(d)});
      gpu.barrier();
      b.loop(thread, b.index(k.splits > 1 ? k.alignedValue : k.headDim), kThreads, [&](Value dim) {
        Value total = b.load(parts, {b.index(0), dim});
        for (int64_t w = 1; w < kWarps; ++w)
          total = b.addf(total, b.load(parts, {b.index(w), dim}));
        if (k.splits > 1) {
          b.store(total, k.partial, {row, head, split, dim});
          return;
        }
        b.store(b.roundTo(k.destination, b.mulf(total, inverse)), k.destination,
                {row, b.add(b.mul(head, k.headDim), dim)});
      });
      gpu.barrier();
    }
  }

  GpuKernel &gpu;
  KernelBuilder &b;
  GpuAttention &k;
  const int64_t group;    ///< query heads that share a key
  const int64_t laneDims; ///< dimensions of a value that a lane has
  Value thread, warp, lane, kvHead, split, row, position;
  Value queries, weights, maxima; ///< in shared memory
};

} // namespace

void GpuAttention::emitCombination(GpuKernel &kernel) {
  KernelBuilder &b = kernel.b;
  Value head = kernel.block(), row = kernel.block(gpu::Dimension::y);
  auto found = [&](int64_t split, Value what) { return b.load(partial, {row, head, b.index(split), what}); };
  Value maximum = b.f32(kNoMaximum);
  for (int64_t s = 0; s < splits; ++s)
    maximum = b.maxf(maximum, found(s, b.index(alignedValue)));
  Value sum = b.f32(0);
  SmallVector<Value> weights;
  for (int64_t s = 0; s < splits; ++s) {
    weights.push_back(exp2(b, b.subf(found(s, b.index(alignedValue)), maximum)));
    sum = LLVM::FMAOp::create(b, weights[s], found(s, b.index(alignedValue + 1)), sum);
  }
  Value isEmpty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, b.f32(0));
  Value inverse = arith::SelectOp::create(b, isEmpty, b.f32(0), b.divf(b.f32(1), sum));
  b.loop(kernel.thread(), b.index(headDim), kernel.threads, [&](Value dim) {
    Value total = b.f32(0);
    for (int64_t s = 0; s < splits; ++s)
      total = LLVM::FMAOp::create(b, weights[s], found(s, dim), total);
    b.store(b.roundTo(destination, b.mulf(total, inverse)), destination,
            {row, b.add(b.mul(head, headDim), dim)});
  });
}

void GpuAttention::emit(GpuKernel &kernel) { AttentionEmitter(kernel, *this).run(); }

} // namespace llmc::codegen
