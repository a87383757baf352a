//===- StructuredKernel.cpp - structured operations on GPUs ---------------------------------------------===//
//
// Threads that lie side by side work on elements that do. Without sums each thread has a few elements. Sums
// over what lies side by side are those of a warp or a block; other sums go through rows of a block's own
// columns, and where blocks would be few, several of them have a part of the rows each.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/training/CudaTrainingLowering.h"
#include "codegen/training/StructuredFormula.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kThreads = 256, kWarps = kThreads / GpuKernel::warp;
/// Of a sum: from so many elements on a block works on it.
constexpr int64_t kBlockSum = 2048;
constexpr int64_t kBlocksOfDevice = 264, kFewestRows = 4;

class StructuredKernel {
public:
  StructuredKernel(CudaTrainingLowering &lowering, linalg::GenericOp op, ArrayRef<Destination> destinations)
      : lowering(lowering), op(op), destinations(destinations), loc(op.getLoc()) {}

  LogicalResult emit() {
    chooseFastLoop();
    GpuKernel kernel = lowering.kernel("structured", loc, kThreads, lanes);
    StructuredFormula formula(kernel.b, op, destinations);
    if (failed(formula.begin(lowering.buffers, [&](Value buffer) { return kernel.import(buffer); })))
      return failure();
    if (lanes > 1)
      formula.vectorLoop = fastLoop;
    formula.alignsVectors = true;
    formula.findDependences();
    if (!formula.hasReductions())
      emitPointwise(kernel, formula);
    else if (fastLoop && !isParallel(formula.types[*fastLoop]))
      emitRowSums(kernel, formula);
    else
      emitColumnSums(kernel, formula);
    return success();
  }

private:
  /// The loop whose iterations lie side by side, and how many of them a thread has at a time.
  void chooseFastLoop() {
    SmallVector<MemRefType> types;
    for (OpOperand *input : op.getDpsInputOperands())
      types.push_back(cast<MemRefType>(lowering.buffers.lookup(input->get()).getType()));
    for (const Destination &destination : destinations)
      types.push_back(cast<MemRefType>(destination.buffer.getType()));
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    int64_t best = 1;
    for (unsigned loop = 0; loop < sizes.size(); ++loop)
      if (sizes[loop] > best && llvm::all_of(llvm::zip(maps, types), [&](auto pair) {
            return isRegularOperand(std::get<0>(pair), std::get<1>(pair), loop);
          })) {
        best = sizes[loop];
        fastLoop = loop;
      }
    const bool sumsColumns =
        llvm::any_of(op.getIteratorTypesArray(), [](auto type) { return !isParallel(type); }) && fastLoop &&
        isParallel(op.getIteratorTypesArray()[*fastLoop]);
    if (fastLoop && !sumsColumns && best % kGpuVector == 0 &&
        llvm::all_of(types, [](MemRefType type) { return hasAlignedRows(type, kGpuVector); }))
      lanes = kGpuVector;
  }

  static Value isBelow(KernelBuilder &b, Value value, int64_t bound) { return b.less(value, b.index(bound)); }

  /// Points of `loops` in the order of `number`, the last one fastest; sets ivs.
  void place(StructuredFormula &formula, ArrayRef<unsigned> loops, Value number) {
    KernelBuilder &b = formula.b;
    for (unsigned loop : llvm::reverse(loops)) {
      const int64_t size = formula.sizes[loop] / (formula.vectorLoop == loop ? lanes : 1);
      const bool isLast = loop == loops.front();
      Value iv = isLast ? number : b.rem(number, size);
      number = isLast ? number : b.div(number, size);
      formula.ivs[loop] = formula.vectorLoop == loop ? b.mul(iv, lanes) : iv;
    }
  }

  int64_t countOf(StructuredFormula &formula, ArrayRef<unsigned> loops) {
    int64_t count = 1;
    for (unsigned loop : loops)
      count *= formula.sizes[loop] / (formula.vectorLoop == loop ? lanes : 1);
    return count;
  }

  /// The parallel loops, the fast one last; then sums, the longest first.
  SmallVector<unsigned> loopsOf(StructuredFormula &formula, bool parallel) {
    SmallVector<unsigned> loops;
    for (unsigned loop = 0; loop < formula.sizes.size(); ++loop)
      if (isParallel(formula.types[loop]) == parallel && loop != fastLoop)
        loops.push_back(loop);
    if (!parallel)
      llvm::sort(loops, [&](unsigned x, unsigned y) {
        return formula.sizes[x] != formula.sizes[y] ? formula.sizes[x] > formula.sizes[y] : x < y;
      });
    if (fastLoop && isParallel(formula.types[*fastLoop]) == parallel)
      loops.push_back(*fastLoop);
    return loops;
  }

  void emitPointwise(GpuKernel &kernel, StructuredFormula &formula) {
    KernelBuilder &b = kernel.b;
    const SmallVector<unsigned> loops = loopsOf(formula, true);
    const int64_t count = countOf(formula, loops);
    Value number = b.add(b.mul(kernel.block(), kThreads), kernel.thread());
    auto body = [&] {
      place(formula, loops, number);
      formula.finish(formula.compute({}));
    };
    if (count % kThreads == 0)
      body();
    else
      b.ifThen(isBelow(b, number, count), body);
    lowering.launch(kernel, loc, (count + kThreads - 1) / kThreads);
  }

  /// sums after one loop from 0 to `count` by `threads` threads, of which this is `thread`: `at` sets ivs.
  SmallVector<Value> sumOver(StructuredFormula &formula, Value thread, int64_t threads, int64_t count,
                             ArrayRef<Value> start, llvm::function_ref<void(Value)> at,
                             llvm::function_ref<SmallVector<Value>(ArrayRef<Value>)> inner) {
    KernelBuilder &b = formula.b;
    const int64_t turns = (count + threads - 1) / threads;
    return b.loop(b.index(0), b.index(turns), 1, SmallVector<Value>(start),
                  [&](Value turn, ValueRange now) -> SmallVector<Value> {
                    Value number = b.add(b.mul(turn, threads), thread);
                    const llvm::DenseMap<Value, Value> outside = formula.values;
                    const bool whole = count % threads == 0;
                    at(whole ? number : b.min(number, b.index(count - 1)));
                    SmallVector<Value> next = inner(llvm::to_vector(now));
                    formula.values = outside;
                    if (!whole) {
                      Value inside = isBelow(b, number, count);
                      for (auto [sum, before] : llvm::zip(next, now))
                        sum = arith::SelectOp::create(b, inside, sum, before);
                    }
                    return next;
                  });
  }

  /// The formula summed over `loops`, one inside of the other.
  SmallVector<Value> sumSerially(StructuredFormula &formula, ArrayRef<unsigned> loops,
                                 ArrayRef<Value> start) {
    if (loops.empty())
      return formula.compute(start);
    return sumOver(
        formula, formula.b.index(0), 1, formula.sizes[loops.front()], start,
        [&](Value iv) { formula.ivs[loops.front()] = iv; },
        [&](ArrayRef<Value> now) { return sumSerially(formula, loops.drop_front(), now); });
  }

  void emitRowSums(GpuKernel &kernel, StructuredFormula &formula) {
    KernelBuilder &b = kernel.b;
    const SmallVector<unsigned> outputs = loopsOf(formula, true);
    SmallVector<unsigned> others = loopsOf(formula, false);
    others.pop_back(); // the fast one
    const int64_t count = countOf(formula, outputs);
    const bool byBlock = formula.sizes[*fastLoop] >= kBlockSum;
    const int64_t threads = byBlock ? kThreads : GpuKernel::warp, perBlock = kThreads / threads;
    Value number = kernel.block(), thread = kernel.thread();
    if (!byBlock) {
      number = b.add(b.mul(number, perBlock), b.div(thread, GpuKernel::warp));
      thread = b.rem(thread, GpuKernel::warp);
      if (count % perBlock != 0)
        number = b.min(number, b.index(count - 1)); // the same once more
    }
    place(formula, outputs, number);
    SmallVector<Value> sums = formula.startValues();
    auto inner = [&](ArrayRef<Value> now) { return sumSerially(formula, others, now); };
    sums = sumOver(
        formula, thread, threads, formula.sizes[*fastLoop] / lanes, sums,
        [&](Value iv) { formula.ivs[*fastLoop] = lanes > 1 ? b.mul(iv, lanes) : iv; }, inner);
    for (auto [index, sum] : llvm::enumerate(sums)) {
      if (lanes > 1)
        sum = formula.isSum(index) ? b.sum(sum) : b.maximum(sum);
      auto combine = [&, index = index](Value x, Value y) { return formula.combine(index, x, y); };
      sum = byBlock ? kernel.reduceBlock(sum, combine) : kernel.reduceWarp(sum, combine);
    }
    b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, b.index(0)),
             [&] { formula.finish(sums); });
    lowering.launch(kernel, loc, (count + perBlock - 1) / perBlock);
  }

  /// A block has a warp's width of columns; its warps have a part of the rows each, and blocks beside each
  /// other too.
  void emitColumnSums(GpuKernel &kernel, StructuredFormula &formula) {
    KernelBuilder &b = kernel.b;
    SmallVector<unsigned> outputs = loopsOf(formula, true);
    const SmallVector<unsigned> summed = loopsOf(formula, false);
    const int64_t rows = formula.sizes[summed.front()];
    const int64_t width = outputs.empty() ? 1 : formula.sizes[outputs.back()];
    const int64_t columnBlocks = (width + GpuKernel::warp - 1) / GpuKernel::warp;
    const int64_t count = countOf(formula, outputs) / width;
    const int64_t shares = std::clamp<int64_t>(kBlocksOfDevice / (columnBlocks * count), 1,
                                               std::max<int64_t>(rows / (kWarps * kFewestRows), 1));
    const int64_t rowsPerBlock = (rows + shares - 1) / shares;
    Value column = b.add(b.mul(b.rem(kernel.block(), columnBlocks), GpuKernel::warp),
                         b.rem(kernel.thread(), GpuKernel::warp));
    Value share = b.div(kernel.block(), columnBlocks), warp = b.div(kernel.thread(), GpuKernel::warp);
    Value inside = isBelow(b, column, width);
    if (!outputs.empty()) {
      formula.ivs[outputs.back()] = b.min(column, b.index(width - 1));
      place(formula, ArrayRef(outputs).drop_back(), kernel.block(gpu::Dimension::y));
    }
    Value firstRow = b.mul(share, rowsPerBlock);
    const int64_t turns = (rowsPerBlock + kWarps - 1) / kWarps;
    SmallVector<Value> sums = formula.startValues();
    sums = b.loop(b.index(0), b.index(turns), 1, sums, [&](Value turn, ValueRange now) {
      Value inBlock = b.add(b.mul(turn, kWarps), warp), row = b.add(firstRow, inBlock);
      Value isThere = arith::AndIOp::create(b, isBelow(b, inBlock, rowsPerBlock), isBelow(b, row, rows));
      formula.ivs[summed.front()] = b.min(row, b.index(rows - 1));
      const llvm::DenseMap<Value, Value> outside = formula.values;
      SmallVector<Value> next = sumSerially(formula, ArrayRef(summed).drop_front(), llvm::to_vector(now));
      formula.values = outside;
      for (auto [sum, before] : llvm::zip(next, now))
        sum = arith::SelectOp::create(b, isThere, sum, before);
      return next;
    });
    // The sums of the warps, in their order.
    Value lane = b.rem(kernel.thread(), GpuKernel::warp);
    for (auto [index, sum] : llvm::enumerate(sums)) {
      Value parts = kernel.shared(sharedType({kWarps, GpuKernel::warp}, sum.getType()));
      b.store(sum, parts, {warp, lane});
      kernel.barrier();
      for (int64_t i = 0; i < kWarps; ++i) {
        Value part = b.load(parts, {b.index(i), lane});
        sum = i == 0 ? part : formula.combine(index, sum, part);
      }
    }
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, warp, b.index(0));
    Value stores = arith::AndIOp::create(b, isFirst, inside);
    if (shares == 1) {
      b.ifThen(stores, [&] { formula.finish(sums); });
      lowering.launch(kernel, loc, columnBlocks, count);
      return;
    }
    SmallVector<Value> partial;
    for (auto [index, sum] : llvm::enumerate(sums)) {
      partial.push_back(lowering.allocate(loc, {shares, count * width}, sum.getType()));
      Value to = kernel.import(partial.back());
      b.ifThen(stores, [&, sum = sum] {
        Value place = b.add(b.mul(kernel.block(gpu::Dimension::y), width), column);
        b.store(sum, to, {share, place});
      });
    }
    lowering.launch(kernel, loc, columnBlocks * shares, count);
    addUp(outputs, shares, partial);
  }

  void addUp(ArrayRef<unsigned> outputs, int64_t shares, ArrayRef<Value> partial) {
    GpuKernel kernel = lowering.kernel("structured_sum", loc, kThreads);
    KernelBuilder &b = kernel.b;
    StructuredFormula formula(b, op, destinations);
    (void)formula.begin(lowering.buffers, [&](Value buffer) { return kernel.import(buffer); });
    const int64_t count = countOf(formula, outputs);
    Value number = b.add(b.mul(kernel.block(), kThreads), kernel.thread());
    b.ifThen(isBelow(b, number, count), [&] {
      place(formula, outputs, number);
      SmallVector<Value> from;
      for (Value parts : partial)
        from.push_back(kernel.import(parts));
      SmallVector<Value> sums =
          b.loop(b.index(0), b.index(shares), 1, formula.startValues(), [&](Value share, ValueRange now) {
            SmallVector<Value> next;
            for (auto [index, sum] : llvm::enumerate(now))
              next.push_back(formula.combine(index, sum, b.load(from[index], {share, number})));
            return next;
          });
      formula.finish(sums);
    });
    lowering.launch(kernel, loc, (count + kThreads - 1) / kThreads);
  }

  CudaTrainingLowering &lowering;
  linalg::GenericOp op;
  ArrayRef<Destination> destinations;
  Location loc;
  std::optional<unsigned> fastLoop;
  int64_t lanes = 1;
};

} // namespace

LogicalResult CudaTrainingLowering::lowerStructured(linalg::GenericOp op,
                                                    ArrayRef<Destination> destinations) {
  return StructuredKernel(*this, op, destinations).emit();
}

} // namespace llmc::codegen
