//===- StructuredKernel.cpp - structured operations on GPUs ---------------------------------------------===//
//
// Threads that lie side by side work on elements that do, a few of them each where these are aligned. Sums
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
    if (fastLoop && best % kGpuVector == 0 &&
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

  /// Columns of a kernel for sums over rows: a block has as many as a warp has lanes; its warps have a part
  /// of the block's rows each.
  struct ColumnBlock {
    Value warp, lane;
    Value column; ///< the first of this thread's
    Value inside; ///< whether there is one
  };

  int64_t columnsOfBlock() const { return GpuKernel::warp * lanes; }

  ColumnBlock columnsOf(GpuKernel &kernel, Value block, int64_t width) {
    KernelBuilder &b = kernel.b;
    ColumnBlock columns{
        b.div(kernel.thread(), GpuKernel::warp), b.rem(kernel.thread(), GpuKernel::warp), {}, {}};
    columns.column = b.add(b.mul(block, columnsOfBlock()), b.mul(columns.lane, lanes));
    columns.inside = isBelow(b, columns.column, width);
    return columns;
  }

  /// The sums of `rowsPerBlock` rows from `first` on, of which there are `rows`, after `next` of each; in the
  /// first warp of the block those of all its warps, in their order.
  SmallVector<Value> sumRows(GpuKernel &kernel, StructuredFormula &formula, const ColumnBlock &columns,
                             Value first, int64_t rowsPerBlock, int64_t rows,
                             llvm::function_ref<SmallVector<Value>(Value row, ArrayRef<Value> sums)> next) {
    KernelBuilder &b = kernel.b;
    const int64_t turns = (rowsPerBlock + kWarps - 1) / kWarps;
    const bool whole = rowsPerBlock % kWarps == 0 && rows % rowsPerBlock == 0;
    SmallVector<Value> sums = formula.startValues();
    sums = b.loop(b.index(0), b.index(turns), 1, sums, [&](Value turn, ValueRange now) {
      Value inBlock = b.add(b.mul(turn, kWarps), columns.warp), row = b.add(first, inBlock);
      if (whole)
        return next(row, llvm::to_vector(now));
      Value isThere = arith::AndIOp::create(b, isBelow(b, inBlock, rowsPerBlock), isBelow(b, row, rows));
      SmallVector<Value> after = next(b.min(row, b.index(rows - 1)), llvm::to_vector(now));
      for (auto [sum, before] : llvm::zip(after, now))
        sum = arith::SelectOp::create(b, isThere, sum, before);
      return after;
    });
    for (auto [index, sum] : llvm::enumerate(sums)) {
      Type element = getElementTypeOrSelf(sum.getType());
      Value parts = kernel.shared(sharedType({kWarps, columnsOfBlock()}, element));
      Value place = b.mul(columns.lane, lanes);
      store(b, sum, parts, {columns.warp, place});
      kernel.barrier();
      for (int64_t i = 0; i < kWarps; ++i) {
        Value part = load(b, sum.getType(), parts, {b.index(i), place});
        sum = i == 0 ? part : formula.combine(index, sum, part);
      }
    }
    return sums;
  }

  /// A thread's columns, in aligned memory.
  static Value load(KernelBuilder &b, Type type, Value from, ValueRange indices) {
    auto vector = dyn_cast<VectorType>(type);
    return vector ? Value(vector::LoadOp::create(b, vector, from, indices, /*nontemporal=*/false,
                                                 alignmentOf(vector)))
                  : b.load(from, indices);
  }
  static void store(KernelBuilder &b, Value value, Value to, ValueRange indices) {
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      vector::StoreOp::create(b, value, to, indices, /*nontemporal=*/false, alignmentOf(vector));
    else
      b.store(value, to, indices);
  }
  static llvm::MaybeAlign alignmentOf(VectorType type) {
    return llvm::MaybeAlign(std::min<int64_t>(type.getNumElements() * type.getElementTypeBitWidth() / 8, 16));
  }

  void emitColumnSums(GpuKernel &kernel, StructuredFormula &formula) {
    KernelBuilder &b = kernel.b;
    SmallVector<unsigned> outputs = loopsOf(formula, true);
    const SmallVector<unsigned> summed = loopsOf(formula, false);
    const int64_t rows = formula.sizes[summed.front()];
    const int64_t width = outputs.empty() ? 1 : formula.sizes[outputs.back()];
    const int64_t columnBlocks = (width + columnsOfBlock() - 1) / columnsOfBlock();
    const int64_t count = countOf(formula, outputs) * lanes / width;
    const int64_t wanted = std::clamp<int64_t>(kBlocksOfDevice / (columnBlocks * count), 1,
                                               std::max<int64_t>(rows / (kWarps * kFewestRows), 1));
    const int64_t rowsPerBlock = shareOf(rows, wanted), shares = (rows + rowsPerBlock - 1) / rowsPerBlock;
    const ColumnBlock columns = columnsOf(kernel, b.rem(kernel.block(), columnBlocks), width);
    Value share = b.div(kernel.block(), columnBlocks);
    if (!outputs.empty()) {
      formula.ivs[outputs.back()] = b.min(columns.column, b.index(width - lanes));
      place(formula, ArrayRef(outputs).drop_back(), kernel.block(gpu::Dimension::y));
    }
    SmallVector<Value> sums = sumRows(kernel, formula, columns, b.mul(share, rowsPerBlock), rowsPerBlock,
                                      rows, [&](Value row, ArrayRef<Value> now) {
                                        formula.ivs[summed.front()] = row;
                                        const llvm::DenseMap<Value, Value> outside = formula.values;
                                        SmallVector<Value> next =
                                            sumSerially(formula, ArrayRef(summed).drop_front(), now);
                                        formula.values = outside;
                                        return next;
                                      });
    Value stores = isFirstWarp(b, columns);
    if (shares == 1) {
      b.ifThen(stores, [&] { formula.finish(sums); });
      lowering.launch(kernel, loc, columnBlocks, count);
      return;
    }
    SmallVector<Value> partial;
    for (Value sum : sums) {
      partial.push_back(lowering.allocate(loc, {shares, count, width}, getElementTypeOrSelf(sum.getType())));
      Value to = kernel.import(partial.back());
      b.ifThen(stores, [&, sum = sum] {
        store(b, sum, to, {share, kernel.block(gpu::Dimension::y), columns.column});
      });
    }
    lowering.launch(kernel, loc, columnBlocks * shares, count);
    addUp(outputs, shares, partial);
  }

  /// Rows of a block where `blocks` of them are wanted: the same number for all, if that is about as many.
  static int64_t shareOf(int64_t rows, int64_t blocks) {
    const int64_t share = (rows + blocks - 1) / blocks;
    for (int64_t turns = (share + kWarps - 1) / kWarps; turns > 0 && 2 * turns * kWarps > share; --turns)
      if (rows % (turns * kWarps) == 0)
        return turns * kWarps;
    return share;
  }

  static Value isFirstWarp(KernelBuilder &b, const ColumnBlock &columns) {
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, columns.warp, b.index(0));
    return arith::AndIOp::create(b, isFirst, columns.inside);
  }

  /// Adds up the sums that blocks have found.
  void addUp(ArrayRef<unsigned> outputs, int64_t shares, ArrayRef<Value> partial) {
    GpuKernel kernel = lowering.kernel("structured_sum", loc, kThreads, lanes);
    KernelBuilder &b = kernel.b;
    StructuredFormula formula(b, op, destinations);
    (void)formula.begin(lowering.buffers, [&](Value buffer) { return kernel.import(buffer); });
    if (lanes > 1)
      formula.vectorLoop = fastLoop;
    formula.alignsVectors = true;
    const auto parts = cast<MemRefType>(partial.front().getType());
    const int64_t count = parts.getDimSize(1), width = parts.getDimSize(2);
    const ColumnBlock columns = columnsOf(kernel, kernel.block(), width);
    Value y = kernel.block(gpu::Dimension::y), column = b.min(columns.column, b.index(width - lanes));
    if (!outputs.empty()) {
      formula.ivs[outputs.back()] = column;
      place(formula, ArrayRef(outputs).drop_back(), y);
    }
    SmallVector<Value> from;
    for (Value buffer : partial)
      from.push_back(kernel.import(buffer));
    SmallVector<Value> sums =
        sumRows(kernel, formula, columns, b.index(0), padTo(shares, kWarps), shares,
                [&](Value share, ArrayRef<Value> now) {
                  SmallVector<Value> next;
                  for (auto [index, sum] : llvm::enumerate(now))
                    next.push_back(
                        formula.combine(index, sum, load(b, sum.getType(), from[index], {share, y, column})));
                  return next;
                });
    b.ifThen(isFirstWarp(b, columns), [&] { formula.finish(sums); });
    lowering.launch(kernel, loc, (width + columnsOfBlock() - 1) / columnsOfBlock(), count);
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
