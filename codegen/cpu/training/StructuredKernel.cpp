//===- StructuredKernel.cpp - structured operations as vector loops ----------------------------------===//
//
// One loop goes through vectors: that in which most elements lie side by side. Parallel loops come first,
// then the sums; what does not depend on the vector loop is computed once before it.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/training/TrainingKernel.h"
#include "codegen/training/StructuredFormula.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

class StructuredKernel {
public:
  StructuredKernel(CpuTrainingLowering &lowering, linalg::GenericOp op, ArrayRef<Destination> destinations)
      : lowering(lowering), kernel(lowering.kernel("structured", op.getLoc())), b(kernel.b),
        formula(b, op, destinations), sizes(formula.sizes) {}

  LogicalResult emit() {
    if (failed(formula.begin(lowering.buffers, [&](Value buffer) { return kernel.import(buffer); })))
      return failure();
    chooseVectorLoop();
    orderLoops();
    formula.findDependences();
    const Chunking chunking = chooseChunks();
    nest(0, chunking);
    kernel.run(chunking.count);
    return success();
  }

private:
  bool isVectorLoop(unsigned loop) const { return formula.vectorLoop == loop; }

  void chooseVectorLoop() {
    int64_t best = 1;
    // Formulas on f64 (angles) call functions for each number.
    for (unsigned loop = 0; loop < sizes.size() && !formula.hasDoubles(); ++loop)
      if (formula.isRegular(loop) && sizes[loop] > best) {
        best = sizes[loop];
        formula.vectorLoop = loop;
      }
  }

  void orderLoops() {
    auto append = [&](bool parallel, bool vector) {
      for (unsigned loop = 0; loop < sizes.size(); ++loop)
        if (isParallel(formula.types[loop]) == parallel && isVectorLoop(loop) == vector)
          order.push_back(loop);
    };
    append(true, false);
    append(true, true);
    parallelLoops = order.size();
    append(false, false);
    append(false, true);
  }

  Chunking chooseChunks() {
    int64_t work = 1;
    for (int64_t size : sizes)
      work *= size;
    if (parallelLoops == 0)
      return {1, 1};
    const unsigned loop = order.front();
    if (isVectorLoop(loop)) { // chunks of whole vectors
      const int64_t vectors = (sizes[loop] + b.lanes - 1) / b.lanes;
      Chunking chunking = Chunking::of(vectors, work / sizes[loop] * b.lanes);
      return {chunking.size * b.lanes, chunking.count};
    }
    return Chunking::of(sizes[loop], work / sizes[loop]);
  }

  /// Computes what is the same in all iterations of the loops from `depth` on.
  void computeBefore(unsigned depth) {
    llvm::SmallBitVector known(sizes.size());
    for (unsigned i = 0; i < depth; ++i)
      known.set(order[i]);
    formula.computeBefore(known);
  }

  void nest(unsigned depth, const Chunking &chunking) {
    if (depth == parallelLoops) {
      SmallVector<Value> results = reduce(depth, formula.startValues());
      if (formula.vectorLoop && !isParallel(formula.types[*formula.vectorLoop]))
        for (auto [index, result] : llvm::enumerate(results))
          result = formula.isSum(index) ? b.sum(result) : b.maximum(result);
      formula.finish(results);
      return;
    }
    const unsigned loop = order[depth];
    Value begin = b.index(0), end = b.index(sizes[loop]);
    bool mayEndEarly = sizes[loop] % b.lanes != 0;
    if (depth == 0) {
      begin = b.mul(kernel.chunk, chunking.size);
      end = b.add(begin, chunking.size);
      if (chunking.size * chunking.count != sizes[loop])
        end = b.min(end, b.index(sizes[loop]));
    }
    if (!isVectorLoop(loop)) {
      b.loop(begin, end, 1, [&](Value iv) {
        formula.ivs[loop] = iv;
        nest(depth + 1, chunking);
      });
      return;
    }
    computeBefore(depth);
    const llvm::DenseMap<Value, Value> outside = formula.values;
    Value wholeEnd = end;
    if (mayEndEarly)
      wholeEnd = b.add(begin, b.mul(b.div(arith::SubIOp::create(b, end, begin), b.lanes), b.lanes));
    b.loop(begin, wholeEnd, b.lanes, [&](Value iv) {
      formula.ivs[loop] = iv;
      nest(depth + 1, chunking);
    });
    formula.values = outside;
    if (!mayEndEarly)
      return;
    b.ifThen(b.less(wholeEnd, end), [&] {
      formula.ivs[loop] = wholeEnd;
      formula.mask = vector::CreateMaskOp::create(b, VectorType::get({b.lanes}, b.getI1Type()),
                                                  ValueRange{arith::SubIOp::create(b, end, wholeEnd)});
      nest(depth + 1, chunking);
      formula.mask = Value();
    });
    formula.values = outside;
  }

  SmallVector<Value> reduce(unsigned depth, ArrayRef<Value> carried) {
    if (depth == order.size())
      return formula.compute(carried);
    const unsigned loop = order[depth];
    auto body = [&](Value iv, ValueRange sums) {
      formula.ivs[loop] = iv;
      const llvm::DenseMap<Value, Value> outside = formula.values;
      SmallVector<Value> next = reduce(depth + 1, llvm::to_vector(sums));
      formula.values = outside;
      return next;
    };
    if (!isVectorLoop(loop))
      return b.loop(b.index(0), b.index(sizes[loop]), 1, carried, body);
    computeBefore(depth);
    const int64_t whole = sizes[loop] / b.lanes * b.lanes;
    SmallVector<Value> sums(carried);
    if (whole > 0)
      sums = b.loop(b.index(0), b.index(whole), b.lanes, carried, body);
    if (whole == sizes[loop])
      return sums;
    formula.ivs[loop] = b.index(whole);
    formula.mask = b.firstLanes(sizes[loop] - whole);
    const llvm::DenseMap<Value, Value> outside = formula.values;
    SmallVector<Value> next = formula.compute(sums);
    formula.values = outside;
    for (auto [value, sum] : llvm::zip(next, sums))
      value = arith::SelectOp::create(b, formula.mask, value, sum);
    formula.mask = Value();
    return next;
  }

  CpuTrainingLowering &lowering;
  TrainingKernel kernel;
  KernelBuilder &b;
  StructuredFormula formula;
  const SmallVector<int64_t> &sizes;
  SmallVector<unsigned> order;
  unsigned parallelLoops = 0;
};

} // namespace

LogicalResult CpuTrainingLowering::lowerStructured(linalg::GenericOp op, ArrayRef<Destination> destinations) {
  return StructuredKernel(*this, op, destinations).emit();
}

} // namespace llmc::codegen
