//===- TrainingAttention.cpp - attention over whole sequences and its gradient, on GPUs -----------------===//
//
// A block has 64 queries of a head, or, for gradients of keys and values, 64 keys; the others go by in blocks
// of 64. Scores are computed, used, and forgotten; gradients compute them again, from what the forward pass
// keeps of each query (FlashAttention-2: Dao, 2023). Operands of products are rounded to bf16 once, unless
// products are of f32.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/training/AttentionBlock.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kLargestHead = 256;
constexpr double kUnseen = -1e30;

template <typename Op> LogicalResult checkForm(Op op, const AttentionForm &form) {
  if (form.keyRows != form.rows || op.getKeySegments())
    return emitNotSupported(op)
           << "has keys of other rows than queries, which training on GPUs does not support";
  if (form.reach)
    return emitNotSupported(op) << "has a bias, which training on GPUs does not support";
  if (form.size > kLargestHead || form.valueSize > kLargestHead)
    return emitNotSupported(op) << "has heads of " << std::max(form.size, form.valueSize)
                                << ", of which training on GPUs supports " << kLargestHead << " at most";
  return success();
}

/// The buffers of the host that kernels of attention read and write.
struct Buffers {
  Value query, key, value; ///< operands of products
  Value segments;          ///< null if all rows of a sequence see each other
  Value output;            ///< of attention
  Value normalizers;       ///< of each head and query: log2 of the sum of powers of two; null if not kept
  Value gradient, roundedGradient;
  Value means; ///< of each head and query: the mean of the gradient of weights, by weights
  Value queryGradient, keyGradient, valueGradient;
};

/// What the kernels for blocks of queries share: queries, and the keys and values that go by.
class QueryKernel {
public:
  QueryKernel(GpuKernel &k, const AttentionForm &form, Type element, bool warpgroups, const Buffers &buffers,
              bool hasGradient)
      : k(k), b(k.b), form(form), block(k, form, element), queryTile(block.matrix(form.size)),
        gradientTile(hasGradient ? std::optional(block.matrix(form.valueSize)) : std::nullopt),
        keyTile(block.matrix(form.size, kAttentionStages)),
        valueTile(block.matrix(form.valueSize, kAttentionStages)), products(k, element, warpgroups),
        query(block, products, buffers.segments ? k.import(buffers.segments) : Value()),
        keys(k.import(buffers.key)), values(k.import(buffers.value)) {
    block.load(queryTile, k.import(buffers.query), query.first, query.queryColumn, form.size);
    if (gradientTile)
      block.load(*gradientTile, k.import(buffers.roundedGradient), query.first, query.outputColumn,
                 form.valueSize);
  }

  /// Goes through the blocks of keys that are seen. `body` gets where a block begins, its stage and what is
  /// carried.
  SmallVector<Value>
  forKeys(SmallVector<Value> state,
          llvm::function_ref<void(Value at, Value stage, SmallVector<Value> &state)> body) {
    auto [begin, end] = block.keysOf(query.first);
    Value token = load(begin, b.index(0));
    state = b.loop(begin, end, AttentionBlock::size, state, [&, begin = begin](Value at, ValueRange now) {
      SmallVector<Value> next(now);
      Value turn = b.div(arith::SubIOp::create(b, at, begin), AttentionBlock::size);
      Value stage = b.rem(turn, kAttentionStages);
      products.waitForCopies(token, 0);
      load(b.add(at, AttentionBlock::size), b.rem(b.add(turn, 1), kAttentionStages));
      keyTile.stage = valueTile.stage = stage;
      body(at, stage, next);
      return next;
    });
    products.waitForCopies(token, 0); // the last are of keys that nobody wants
    return state;
  }

  GpuKernel &k;
  KernelBuilder &b;
  const AttentionForm &form;
  AttentionBlock block;
  SharedMatrix queryTile;
  std::optional<SharedMatrix> gradientTile; ///< of the output
  SharedMatrix keyTile, valueTile;          ///< matrices first: they want multiples of 1024 bytes
  BlockProducts products;
  QueryBlock query;

private:
  Value load(Value at, Value stage) {
    keyTile.stage = valueTile.stage = stage;
    block.load(keyTile, keys, at, query.keyColumn, form.size);
    block.load(valueTile, values, at, query.valueColumn, form.valueSize);
    query.loadSegments(at, stage);
    return block.commit();
  }

  Value keys, values;
};

void emitForward(GpuKernel &k, const AttentionForm &form, Type element, bool warpgroups,
                 const Buffers &buffers) {
  KernelBuilder &b = k.b;
  QueryKernel kernel(k, form, element, warpgroups, buffers, /*hasGradient=*/false);
  AttentionBlock &block = kernel.block;
  BlockProducts &products = kernel.products;
  const int64_t outputTiles = BlockProducts::columnTiles(form.valueSize);
  // Maxima and this thread's sums of its rows, then weighted values.
  SmallVector<Value> state{b.f32(kUnseen), b.f32(kUnseen), b.f32(0), b.f32(0)};
  constexpr int64_t kState = 4;
  llvm::append_range(state, products.zeros(outputTiles));
  state = kernel.forKeys(state, [&](Value at, Value stage, SmallVector<Value> &next) {
    SmallVector<Value> scores = products.zeros();
    products.multiplyAdd(BlockProducts::OfRows{kernel.queryTile, kernel.keyTile, form.size, scores});
    const SmallVector<Value> seen = kernel.query.seen(at, stage);
    Value largest[2] = {next[0], next[1]};
    AttentionBlock::forSums(BlockProducts::scoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
      scores[place] = arith::SelectOp::create(b, seen[place], block.logit(scores[place]), b.f32(kUnseen));
      largest[high] = b.maxf(largest[high], scores[place]);
    });
    Value decay[2];
    for (int64_t high = 0; high < 2; ++high) {
      largest[high] = block.reduceRow(largest[high], false);
      decay[high] = exp2(b, b.subf(next[high], largest[high]));
      next[high] = largest[high];
      next[2 + high] = b.mulf(next[2 + high], decay[high]);
    }
    AttentionBlock::forSums(outputTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
      next[kState + place] = b.mulf(next[kState + place], decay[high]);
    });
    AttentionBlock::forSums(BlockProducts::scoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
      Value weight = exp2(b, b.subf(scores[place], largest[high]));
      scores[place] = arith::SelectOp::create(b, seen[place], weight, b.f32(0));
      next[2 + high] = b.addf(next[2 + high], scores[place]);
    });
    products.multiplyAdd(
        BlockProducts::OfScores{scores, kernel.valueTile, MutableArrayRef(next).drop_front(kState)});
  });
  Value lane = b.rem(k.thread(), 4);
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, b.index(0)), inverse[2];
  for (int64_t high = 0; high < 2; ++high) {
    Value sum = block.reduceRow(state[2 + high], true);
    inverse[high] = b.divf(b.f32(1), sum);
    if (!buffers.normalizers)
      continue;
    Value to = k.import(buffers.normalizers), query = kernel.query.queries[high];
    Value stores = arith::AndIOp::create(b, isFirst, b.less(query, b.index(form.sequence)));
    b.ifThen(stores, [&] {
      b.store(b.addf(state[high], math::Log2Op::create(b, sum)), to,
              {kernel.query.number, block.rowOf(query)});
    });
  }
  block.storeRows(k.import(buffers.output), products, ArrayRef(state).drop_front(kState), kernel.query.first,
                  kernel.query.outputColumn, form.valueSize, inverse);
}

// With P the weights, dP = dy v^T and dl = P (dP - sum P dP) slope: dv = P^T dy, dq = dl k, dk = dl^T q. The
// sum is that of dy y. One kernel goes through the keys of queries for the sums and dq; the other through the
// queries of keys.

void emitQueryGradient(GpuKernel &k, const AttentionForm &form, Type element, bool warpgroups,
                       const Buffers &buffers) {
  KernelBuilder &b = k.b;
  QueryKernel kernel(k, form, element, warpgroups, buffers, /*hasGradient=*/true);
  AttentionBlock &block = kernel.block;
  BlockProducts &products = kernel.products;
  Value dy = k.import(buffers.gradient), y = k.import(buffers.output);
  Value normalizers = k.import(buffers.normalizers), means = k.import(buffers.means);
  Value lane = b.rem(k.thread(), 4);
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, b.index(0));
  Value normalizerOf[2], meanOf[2];
  for (int64_t high = 0; high < 2; ++high) {
    Value query = kernel.query.queries[high], row = block.rowOf(query);
    Value sum =
        b.loop(lane, b.index(form.valueSize), 4, ValueRange{b.f32(0)},
               [&](Value i, ValueRange now) -> SmallVector<Value> {
                 Value column = b.add(kernel.query.outputColumn, i);
                 return {LLVM::FMAOp::create(b, b.load(dy, {row, column}), b.load(y, {row, column}), now[0])};
               })[0];
    meanOf[high] = block.reduceRow(sum, true);
    normalizerOf[high] = b.load(normalizers, {kernel.query.number, row});
    Value stores = arith::AndIOp::create(b, isFirst, b.less(query, b.index(form.sequence)));
    b.ifThen(stores, [&] { b.store(meanOf[high], means, {kernel.query.number, row}); });
  }
  SmallVector<Value> sums = products.zeros(BlockProducts::columnTiles(form.size));
  sums = kernel.forKeys(sums, [&](Value at, Value stage, SmallVector<Value> &next) {
    SmallVector<Value> scores = products.zeros(), gradients = products.zeros();
    products.multiplyAdd(
        {BlockProducts::OfRows{kernel.queryTile, kernel.keyTile, form.size, scores},
         BlockProducts::OfRows{*kernel.gradientTile, kernel.valueTile, form.valueSize, gradients}});
    const SmallVector<Value> seen = kernel.query.seen(at, stage);
    AttentionBlock::forSums(BlockProducts::scoreTiles, [&](int64_t high, int64_t, int64_t, int64_t place) {
      Value weight = exp2(b, b.subf(block.logit(scores[place]), normalizerOf[high]));
      Value dl = b.mulf(weight, b.subf(gradients[place], meanOf[high]));
      dl = b.mulf(dl, block.slope(scores[place]));
      scores[place] = arith::SelectOp::create(b, seen[place], dl, b.f32(0));
    });
    products.multiplyAdd(BlockProducts::OfScores{scores, kernel.keyTile, next});
  });
  block.storeRows(k.import(buffers.queryGradient), products, sums, kernel.query.first,
                  kernel.query.queryColumn, form.size, {});
}

void emitKeyGradient(GpuKernel &k, const AttentionForm &form, Type element, bool warpgroups,
                     const Buffers &buffers) {
  KernelBuilder &b = k.b;
  AttentionBlock block(k, form, element);
  SharedMatrix keyTile = block.matrix(form.size), valueTile = block.matrix(form.valueSize),
               queryTile = block.matrix(form.size, kAttentionStages),
               gradientTile = block.matrix(form.valueSize, kAttentionStages);
  BlockProducts products(k, element, warpgroups);
  auto columns = [&](Type type) {
    return k.shared(sharedType({kAttentionStages, AttentionBlock::size}, type));
  };
  Value normalizerOf = columns(b.getF32Type()), meanOf = columns(b.getF32Type());
  Value segments = buffers.segments ? k.import(buffers.segments) : Value();
  Value querySegments = segments ? columns(b.getI32Type()) : Value();
  Value q = k.import(buffers.query), dy = k.import(buffers.roundedGradient);
  Value normalizers = k.import(buffers.normalizers), means = k.import(buffers.means);

  const int64_t blocks = AttentionBlock::blocksOf(form);
  Value kvHead = k.block(), y = k.block(gpu::Dimension::y);
  block.firstRow = b.mul(b.div(y, blocks), form.sequence);
  Value first = b.mul(b.rem(y, blocks), AttentionBlock::size);
  Value keyColumn = b.mul(kvHead, form.size), valueColumn = b.mul(kvHead, form.valueSize);
  block.load(keyTile, k.import(buffers.key), first, keyColumn, form.size);
  block.load(valueTile, k.import(buffers.value), first, valueColumn, form.valueSize);
  // Rows of the products are keys here, columns are queries.
  Value rows[2], rowSegments[2];
  for (int64_t high = 0; high < 2; ++high) {
    rows[high] = b.add(first, products.rowOf(high));
    if (segments)
      rowSegments[high] = b.load(segments, {block.rowOf(rows[high])});
  }
  // The blocks of queries of all heads that have these keys, one head after the other.
  auto [begin, end] = block.queriesOf(first);
  Value perHead =
      b.div(b.add(arith::SubIOp::create(b, end, begin), AttentionBlock::size - 1), AttentionBlock::size);
  Value count = b.mul(perHead, form.group);
  auto headOf = [&](Value turn) -> Value {
    return form.group == 1 ? kvHead
                           : b.add(b.mul(kvHead, form.group), arith::DivUIOp::create(b, turn, perHead));
  };
  auto queryOf = [&, begin = begin](Value turn) -> Value {
    Value inHead = form.group == 1 ? turn : Value(arith::RemUIOp::create(b, turn, perHead));
    return b.add(begin, b.mul(inHead, AttentionBlock::size));
  };
  auto load = [&](Value turn, Value stage) {
    Value head = headOf(turn), at = queryOf(turn);
    queryTile.stage = gradientTile.stage = stage;
    block.load(queryTile, q, at, b.mul(head, form.size), form.size);
    block.load(gradientTile, dy, at, b.mul(head, form.valueSize), form.valueSize);
    auto put = [&](Value to) {
      return [&, to](Value number, Value place) { b.store(number, to, {stage, place}); };
    };
    block.loadColumn(at, [&](Value row) { return b.load(normalizers, {head, row}); }, put(normalizerOf));
    block.loadColumn(at, [&](Value row) { return b.load(means, {head, row}); }, put(meanOf));
    if (segments)
      block.loadColumn(at, [&](Value row) { return b.load(segments, {row}); }, put(querySegments));
    return block.commit();
  };
  SmallVector<Value> state = products.zeros(BlockProducts::columnTiles(form.size));
  const size_t keySums = state.size();
  llvm::append_range(state, products.zeros(BlockProducts::columnTiles(form.valueSize)));
  Value token = load(b.index(0), b.index(0)), last = arith::SubIOp::create(b, count, b.index(1));
  state = b.loop(b.index(0), count, 1, state, [&](Value turn, ValueRange now) {
    SmallVector<Value> next(now);
    Value stage = b.rem(turn, kAttentionStages), at = queryOf(turn);
    products.waitForCopies(token, 0);
    load(b.min(b.add(turn, 1), last), b.rem(b.add(turn, 1), kAttentionStages));
    queryTile.stage = gradientTile.stage = stage;
    SmallVector<Value> weights = products.zeros(), gradients = products.zeros();
    products.multiplyAdd({BlockProducts::OfRows{keyTile, queryTile, form.size, weights},
                          BlockProducts::OfRows{valueTile, gradientTile, form.valueSize, gradients}});
    AttentionBlock::forSums(
        BlockProducts::scoreTiles, [&](int64_t high, int64_t tile, int64_t i, int64_t place) {
          Value inBlock = b.add(products.columnOf(tile), i), query = b.add(at, inBlock);
          Value segment = segments ? b.load(querySegments, {stage, inBlock}) : Value();
          Value seen = arith::AndIOp::create(b, block.sees(query, rows[high], segment, rowSegments[high]),
                                             b.less(query, b.index(form.sequence)));
          Value product = weights[place];
          Value weight = exp2(b, b.subf(block.logit(product), b.load(normalizerOf, {stage, inBlock})));
          weights[place] = arith::SelectOp::create(b, seen, weight, b.f32(0));
          Value dl = b.mulf(weights[place], b.subf(gradients[place], b.load(meanOf, {stage, inBlock})));
          gradients[place] = b.mulf(dl, block.slope(product));
        });
    MutableArrayRef<Value> all(next);
    products.multiplyAdd({BlockProducts::OfScores{weights, gradientTile, all.drop_front(keySums)},
                          BlockProducts::OfScores{gradients, queryTile, all.take_front(keySums)}});
    return next;
  });
  products.waitForCopies(token, 0); // the last are of queries that the block has had
  block.storeRows(k.import(buffers.keyGradient), products, ArrayRef(state).take_front(keySums), first,
                  keyColumn, form.size, {});
  block.storeRows(k.import(buffers.valueGradient), products, ArrayRef(state).drop_front(keySums), first,
                  valueColumn, form.valueSize, {});
}

/// The attention whose gradient `gradient` is, if it comes before.
nn::AttentionOp forwardOf(nn::AttentionGradientOp gradient) {
  const FailureOr<AttentionForm> form = attentionFormOf(gradient);
  for (Operation *user : gradient.getQuery().getUsers())
    if (auto op = dyn_cast<nn::AttentionOp>(user);
        op && op->getBlock() == gradient->getBlock() && op->isBeforeInBlock(gradient) &&
        op.getQuery() == gradient.getQuery() && op.getKey() == gradient.getKey() &&
        op.getValue() == gradient.getValue() && op.getSegments() == gradient.getSegments())
      if (FailureOr<AttentionForm> same = attentionFormOf(op);
          succeeded(form) && succeeded(same) && *same == *form)
        return op;
  return nullptr;
}

} // namespace

LogicalResult CudaTrainingLowering::lowerAttention(nn::AttentionOp op, const Destination &destination) {
  FailureOr<AttentionForm> form = attentionFormOf(op);
  if (failed(form) || failed(checkForm(op, *form)))
    return failure();
  if (destination.update == Update::Accumulate)
    return emitNotSupported(op) << "is added to a gradient of a parameter, which training does not support";
  Location loc = op.getLoc();
  Buffers all;
  all.query = productOperand(loc, op.getQuery(), attentionType);
  all.key = productOperand(loc, op.getKey(), attentionType);
  all.value = productOperand(loc, op.getValue(), attentionType);
  all.segments = op.getSegments() ? buffers.lookup(op.getSegments()) : Value();
  all.output = destination.buffer;
  const bool hasGradient = llvm::any_of(op.getQuery().getUsers(), [&](Operation *user) {
    auto gradient = dyn_cast<nn::AttentionGradientOp>(user);
    return gradient && forwardOf(gradient) == op;
  });
  if (hasGradient)
    all.normalizers = normalizers[op] =
        TrainingLowering::allocate(loc, {form->heads, form->rows}, builder.getF32Type());
  launchForms(
      "attention", loc, BlockProducts::threads, attentionType.isBF16(),
      [&](GpuKernel &k, bool warpgroups) { emitForward(k, *form, attentionType, warpgroups, all); },
      form->heads, form->sequences() * AttentionBlock::blocksOf(*form));
  return success();
}

LogicalResult CudaTrainingLowering::lowerAttentionGradient(nn::AttentionGradientOp op,
                                                           ArrayRef<Destination> destinations) {
  FailureOr<AttentionForm> form = attentionFormOf(op);
  if (failed(form) || failed(checkForm(op, *form)))
    return failure();
  for (const Destination &destination : destinations)
    if (destination.update == Update::Accumulate)
      return emitNotSupported(op)
             << "gives gradients of parameters themselves, which training does not support";
  Location loc = op.getLoc();
  Buffers all;
  all.query = productOperand(loc, op.getQuery(), attentionType);
  all.key = productOperand(loc, op.getKey(), attentionType);
  all.value = productOperand(loc, op.getValue(), attentionType);
  all.segments = op.getSegments() ? buffers.lookup(op.getSegments()) : Value();
  all.gradient = buffers.lookup(op.getGradient());
  all.roundedGradient = productOperand(loc, op.getGradient(), attentionType);
  all.queryGradient = destinations[0].buffer;
  all.keyGradient = destinations[1].buffer;
  all.valueGradient = destinations[2].buffer;
  all.means = TrainingLowering::allocate(loc, {form->heads, form->rows}, builder.getF32Type());
  const int64_t blocks = form->sequences() * AttentionBlock::blocksOf(*form);
  auto launchKernel = [&](StringRef name, auto emit, int64_t heads) {
    launchForms(
        name, loc, BlockProducts::threads, attentionType.isBF16(),
        [&](GpuKernel &k, bool warpgroups) { emit(k, *form, attentionType, warpgroups, all); }, heads,
        blocks);
  };
  if (nn::AttentionOp forward = forwardOf(op)) {
    all.normalizers = normalizers.lookup(forward);
    all.output = buffers.lookup(forward.getResult());
  } else {
    all.normalizers = TrainingLowering::allocate(loc, {form->heads, form->rows}, builder.getF32Type());
    all.output = allocate(loc, {form->rows, form->heads * form->valueSize}, builder.getF32Type());
    launchKernel("attention", emitForward, form->heads);
  }
  launchKernel("attention_query_gradient", emitQueryGradient, form->heads);
  launchKernel("attention_key_gradient", emitKeyGradient, form->kvHeads);
  return success();
}

} // namespace llmc::codegen
