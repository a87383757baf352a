//===- AttentionBlock.cpp - a block of attention over whole sequences, on GPUs ----------------------------===//

#include "codegen/cuda/training/AttentionBlock.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kSums = WarpProduct::sumsPerTile;
constexpr double kLog2E = 1.4426950408889634;

Value lessOrEqual(KernelBuilder &b, Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, x, y);
}

} // namespace

//===--------------------------------------------------------------------===//
// Products
//===--------------------------------------------------------------------===//

BlockProducts::BlockProducts(GpuKernel &kernel, Type element, bool warpgroups)
    : kernel(kernel), element(element), warpgroups(warpgroups),
      first(kernel.b.mul(kernel.b.div(kernel.thread(), GpuKernel::warp), 16)) {
  if (!element.isBF16())
    scoreTile.emplace(kernel, rows, rows, element);
}

void BlockProducts::multiplyAdd(ArrayRef<OfRows> products) {
  Value zero = kernel.b.index(0);
  SmallVector<WarpgroupProduct> started;
  for (const OfRows &of : products) {
    const int64_t size = padTo(of.size, 16);
    if (warpgroups)
      started.push_back({of.left.operand(false, zero), {}, of.right.operand(false, zero), size, of.sums});
    else
      product(static_cast<int64_t>(of.sums.size()) / kSums)
          .multiplyAdd({of.left, false, first}, {of.right, false, zero}, size, of.sums);
  }
  multiplyByWarpgroup(started);
}

void BlockProducts::multiplyAdd(ArrayRef<OfScores> products) {
  KernelBuilder &b = kernel.b;
  Value zero = b.index(0);
  SmallVector<WarpgroupProduct> started;
  for (const OfScores &of : products) {
    WarpProduct output = product(static_cast<int64_t>(of.sums.size()) / kSums);
    if (scoreTile) {
      storeScores(of.scores);
      output.multiplyAdd({*scoreTile, false, first}, {of.right, true, zero}, rows, of.sums);
      continue;
    }
    SmallVector<Value> words = WarpProduct::toOperand(b, of.scores);
    if (warpgroups)
      started.push_back({{}, words, of.right.operand(true, zero), rows, of.sums});
    else
      output.multiplyAdd(words, {of.right, true, zero}, of.sums);
  }
  multiplyByWarpgroup(started);
}

void BlockProducts::multiplyByWarpgroup(MutableArrayRef<WarpgroupProduct> products) {
  if (products.empty())
    return;
  startWarpgroupProducts(kernel.b, products);
  waitForWarpgroupProducts(kernel.b, 0, products.front().sums);
  for (WarpgroupProduct &product : products.drop_front())
    holdInRegisters(kernel.b, product.sums);
}

/// Puts scores where products of f32 find them.
void BlockProducts::storeScores(ArrayRef<Value> scores) {
  KernelBuilder &b = kernel.b;
  kernel.barrier(); // all have read those before
  Value lane = b.rem(kernel.thread(), GpuKernel::warp);
  for (int64_t tile = 0; tile < scoreTiles; ++tile)
    for (int64_t high = 0; high < 2; ++high)
      storePair(b, *scoreTile, b.add(first, high * 8), b.div(lane, 4),
                b.add(b.mul(b.rem(lane, 4), 2), tile * 8), scores[tile * kSums + WarpProduct::place(high, 0)],
                scores[tile * kSums + WarpProduct::place(high, 1)]);
  kernel.barrier();
}

void BlockProducts::waitForCopies(Value token, int64_t pending) {
  nvgpu::DeviceAsyncWaitOp::create(kernel.b, token,
                                   kernel.b.getI32IntegerAttr(static_cast<int32_t>(pending)));
  if (warpgroups)
    showCopiesToWarpgroups(kernel.b);
  kernel.barrier();
}

//===--------------------------------------------------------------------===//
// Copies
//===--------------------------------------------------------------------===//

void AttentionBlock::load(const SharedMatrix &to, Value from, Value first, Value column, int64_t width) {
  const int64_t chunk = to.chunk(), perRow = BlockProducts::columnTiles(width) * 8 / chunk;
  // Rows are aligned, and so are parts of whole chunks.
  const bool wide = width % chunk == 0;
  auto token = nvgpu::DeviceAsyncTokenType::get(b.getContext());
  for (int64_t offset = 0; offset < size * perRow; offset += kernel.threads) {
    Value index = b.add(kernel.thread(), offset), row = b.div(index, perRow), place = b.rem(index, perRow);
    Value inSequence = b.add(first, row), inHead = b.mul(place, chunk);
    Value isThere = b.less(inSequence, b.index(form.sequence)), source = rowOf(inSequence);
    SmallVector<Value> target = to.at(b.mul(b.div(row, 8), 8), b.rem(row, 8), place);
    if (wide) {
      if (perRow * chunk > width)
        isThere = arith::AndIOp::create(b, isThere, b.less(inHead, b.index(width)));
      Value there = arith::SelectOp::create(b, isThere, b.index(chunk), b.index(0));
      nvgpu::DeviceAsyncCopyOp::create(
          b, token, to.memory, target, from,
          ValueRange{source, b.add(column, b.min(inHead, b.index(width - chunk)))}, b.getIndexAttr(chunk),
          there, b.getUnitAttr());
      continue;
    }
    SmallVector<Value> numbers;
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(element, 0));
    for (int64_t i = 0; i < chunk; ++i) {
      Value at = b.add(inHead, i);
      Value number = b.load(from, {source, b.add(column, b.min(at, b.index(width - 1)))});
      Value isInside = arith::AndIOp::create(b, isThere, b.less(at, b.index(width)));
      numbers.push_back(arith::SelectOp::create(b, isInside, number, zero));
    }
    Value all = vector::FromElementsOp::create(b, VectorType::get({chunk}, element), numbers);
    vector::StoreOp::create(b, all, to.memory, target, false, llvm::MaybeAlign(kRowAlignment));
  }
}

Value AttentionBlock::commit() {
  return nvgpu::DeviceAsyncCreateGroupOp::create(b, nvgpu::DeviceAsyncTokenType::get(b.getContext()),
                                                 ValueRange{});
}

void AttentionBlock::loadColumn(Value first, llvm::function_ref<Value(Value)> at,
                                llvm::function_ref<void(Value, Value)> store) {
  Value i = kernel.thread();
  b.ifThen(b.less(i, b.index(size)), [&] { store(at(rowOf(b.add(first, i))), i); });
}

Value AttentionBlock::rowOf(Value i) { return b.add(firstRow, b.min(i, b.index(form.sequence - 1))); }

void AttentionBlock::storeRows(Value to, BlockProducts &products, ArrayRef<Value> sums, Value first,
                               Value column, int64_t width, ArrayRef<Value> factors) {
  for (int64_t high = 0; high < 2; ++high) {
    Value row = b.add(first, products.rowOf(high));
    b.ifThen(b.less(row, b.index(form.sequence)), [&] {
      for (int64_t tile = 0; tile * 8 < width; ++tile)
        for (int64_t i = 0; i < 2; ++i) {
          Value at = b.add(products.columnOf(tile), i);
          auto put = [&] {
            Value sum = sums[tile * kSums + WarpProduct::place(high, i)];
            if (!factors.empty())
              sum = b.mulf(sum, factors[high]);
            b.store(sum, to, {b.add(firstRow, row), b.add(column, at)});
          };
          if (tile * 8 + 8 <= width)
            put();
          else
            b.ifThen(b.less(at, b.index(width)), put);
        }
    });
  }
}

//===--------------------------------------------------------------------===//
// Scores
//===--------------------------------------------------------------------===//

Value AttentionBlock::sees(Value i, Value j, Value iSegment, Value jSegment) {
  Value last = b.index(form.sequence - 1);
  Value seen = lessOrEqual(b, j, form.causal ? b.min(i, last) : last);
  if (form.window)
    seen = arith::AndIOp::create(b, seen, b.less(i, b.add(j, *form.window)));
  if (iSegment)
    seen = arith::AndIOp::create(b, seen,
                                 arith::CmpIOp::create(b, arith::CmpIPredicate::eq, iSegment, jSegment));
  return seen;
}

Value AttentionBlock::capped(Value product) {
  return math::TanhOp::create(b, b.mulf(product, b.f32(form.scale / *form.softcap)));
}

Value AttentionBlock::logit(Value product) {
  if (!form.softcap)
    return b.mulf(product, b.f32(form.scale * kLog2E));
  return b.mulf(capped(product), b.f32(*form.softcap * kLog2E));
}

Value AttentionBlock::slope(Value product) {
  if (!form.softcap)
    return b.f32(form.scale);
  Value t = capped(product);
  return b.mulf(b.f32(form.scale), b.subf(b.f32(1), b.mulf(t, t)));
}

std::pair<Value, Value> AttentionBlock::keysOf(Value first) {
  Value begin = b.index(0), end = b.index(form.sequence);
  if (form.causal)
    end = b.min(b.add(first, size), end);
  if (form.window) {
    Value oldest = arith::SubIOp::create(b, first, b.index(*form.window - 1));
    begin = b.mul(b.div(arith::MaxSIOp::create(b, oldest, begin), size), size);
  }
  return {begin, end};
}

std::pair<Value, Value> AttentionBlock::queriesOf(Value first) {
  Value begin = form.causal ? first : b.index(0), end = b.index(form.sequence);
  if (form.window)
    end = b.min(b.add(first, size + *form.window - 1), end);
  return {begin, end};
}

void AttentionBlock::forSums(int64_t tiles,
                             llvm::function_ref<void(int64_t, int64_t, int64_t, int64_t)> body) {
  for (int64_t high = 0; high < 2; ++high)
    for (int64_t tile = 0; tile < tiles; ++tile)
      for (int64_t i = 0; i < 2; ++i)
        body(high, tile, i, tile * kSums + WarpProduct::place(high, i));
}

Value AttentionBlock::reduceRow(Value value, bool isSum) {
  return kernel.reduceWarp(
      value, [&](Value x, Value y) { return isSum ? b.addf(x, y) : b.maxf(x, y); }, /*lanes=*/4);
}

//===--------------------------------------------------------------------===//
// Blocks of queries
//===--------------------------------------------------------------------===//

QueryBlock::QueryBlock(AttentionBlock &block, BlockProducts &products, Value segments)
    : block(block), products(products), b(block.b), segments(segments) {
  const AttentionForm &form = block.form;
  const int64_t blocks = AttentionBlock::blocksOf(form);
  number = block.kernel.block();
  Value y = block.kernel.block(gpu::Dimension::y);
  block.firstRow = b.mul(b.div(y, blocks), form.sequence);
  // Long blocks first: the last queries see the most keys.
  first = b.mul(arith::SubIOp::create(b, b.index(blocks - 1), b.rem(y, blocks)), AttentionBlock::size);
  keyColumn = b.mul(b.div(number, form.group), form.size);
  valueColumn = b.mul(b.div(number, form.group), form.valueSize);
  queryColumn = b.mul(number, form.size);
  outputColumn = b.mul(number, form.valueSize);
  for (int64_t high = 0; high < 2; ++high)
    queries[high] = b.add(first, products.rowOf(high));
  if (!segments)
    return;
  keySegments = block.kernel.shared(sharedType({kAttentionStages, AttentionBlock::size}, b.getI32Type()));
  for (int64_t high = 0; high < 2; ++high)
    querySegments[high] = b.load(segments, {block.rowOf(queries[high])});
}

void QueryBlock::loadSegments(Value keys, Value stage) {
  if (segments)
    block.loadColumn(
        keys, [&](Value row) { return b.load(segments, {row}); },
        [&](Value number, Value place) { b.store(number, keySegments, {stage, place}); });
}

SmallVector<Value> QueryBlock::seen(Value keys, Value stage) {
  SmallVector<Value> result(BlockProducts::scoreCount);
  AttentionBlock::forSums(BlockProducts::scoreTiles, [&](int64_t high, int64_t tile, int64_t i, int64_t at) {
    Value inBlock = b.add(products.columnOf(tile), i);
    Value segment = segments ? b.load(keySegments, {stage, inBlock}) : Value();
    result[at] = block.sees(queries[high], b.add(keys, inBlock), querySegments[high], segment);
  });
  return result;
}

} // namespace llmc::codegen
