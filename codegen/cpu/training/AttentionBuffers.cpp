//===- AttentionBuffers.cpp - what kernels of attention read besides their operands -------------------===//

#include "codegen/cpu/training/AttentionBuffers.h"

using namespace mlir;

namespace llmc::codegen {

Value AttentionBuffers::transpose(Value matrix) {
  const int64_t width = cast<MemRefType>(matrix.getType()).getDimSize(1);
  Value result =
      lowering.allocate(loc, {width, form.keyRows + vectors * lanes}, lowering.builder.getF32Type());
  TrainingKernel kernel = lowering.kernel("transpose", loc);
  KernelBuilder &b = kernel.b;
  Value from = kernel.import(matrix), to = kernel.import(result);
  // Blocks of columns, whose lines stay in the cache from row to row.
  const int64_t block = std::min<int64_t>(16, width);
  Value begin = b.mul(kernel.chunk, block), end = b.min(b.add(begin, block), b.index(width));
  b.loop(b.index(0), b.index(form.keyRows), 1, [&](Value row) {
    b.loop(begin, end, 1, [&](Value column) { b.store(b.load(from, {row, column}), to, {column, row}); });
  });
  b.loop(begin, end, 1, [&](Value column) {
    for (int64_t v = 0; v < vectors; ++v)
      b.storeVector(b.splat(0), to, {column, b.index(form.keyRows + v * lanes)});
  });
  kernel.run((width + block - 1) / block);
  return result;
}

Value AttentionBuffers::allocateScores(int64_t chunks) {
  return lowering.allocate(loc, {chunks, queries, keysPadded}, lowering.builder.getF32Type());
}

Value AttentionBuffers::scoresOf(TrainingKernel &kernel, Value scores) {
  KernelBuilder &b = kernel.b;
  Value all = kernel.import(scores);
  SmallVector<OpFoldResult> offsets = {kernel.chunk, b.getIndexAttr(0), b.getIndexAttr(0)};
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), b.getIndexAttr(queries), b.getIndexAttr(keysPadded)};
  SmallVector<OpFoldResult> strides(3, b.getIndexAttr(1));
  auto type = memref::SubViewOp::inferRankReducedResultType(
      {queries, keysPadded}, cast<MemRefType>(all.getType()), offsets, sizes, strides);
  return memref::SubViewOp::create(b, type, all, offsets, sizes, strides);
}

AttentionSegments AttentionBuffers::segmentsOf(Value segments, Value keySegments) {
  if (!segments)
    return {};
  Value ofQueries = lowering.buffers.lookup(segments);
  Value ofKeys = keySegments ? lowering.buffers.lookup(keySegments) : ofQueries;
  Value padded = lowering.allocate(loc, {form.keyRows + vectors * lanes}, lowering.builder.getI32Type());
  TrainingKernel kernel = lowering.kernel("segments", loc);
  KernelBuilder &b = kernel.b;
  Value from = kernel.import(ofKeys), to = kernel.import(padded);
  b.loop(b.index(0), b.index(form.keyRows), 1, [&](Value row) { b.store(b.load(from, {row}), to, {row}); });
  b.loop(b.index(form.keyRows), b.index(form.keyRows + vectors * lanes), 1,
         [&](Value row) { b.store(b.i32(-1), to, {row}); });
  kernel.run(1);
  return {ofQueries, padded};
}

Value AttentionBuffers::layOutBias(Value bias) {
  Value result = lowering.allocate(loc, {form.heads, distances}, lowering.builder.getF32Type());
  TrainingKernel kernel = lowering.kernel("bias", loc);
  KernelBuilder &b = kernel.b;
  Value from = kernel.import(bias), to = kernel.import(result);
  b.loop(b.index(0), b.index(distances), 1, [&](Value place) {
    b.store(b.load(from, {kernel.chunk, withinReach(b, place)}), to, {kernel.chunk, place});
  });
  kernel.run(form.heads);
  return result;
}

Value AttentionBuffers::allocateBiasGradient() {
  Value result = lowering.allocate(loc, {sequences * form.heads, distances}, lowering.builder.getF32Type());
  lowering.lowerFill(loc, 0, {result});
  return result;
}

void AttentionBuffers::sumBiasGradient(Value parts, Value gradient) {
  lowering.lowerFill(loc, 0, {gradient});
  TrainingKernel kernel = lowering.kernel("bias_gradient", loc);
  KernelBuilder &b = kernel.b;
  Value from = kernel.import(parts), to = kernel.import(gradient);
  b.loop(b.index(0), b.index(sequences), 1, [&](Value sequence) {
    Value row = b.add(b.mul(sequence, form.heads), kernel.chunk);
    b.loop(b.index(0), b.index(form.sequence + form.keySequence - 1), 1, [&](Value place) {
      Value column = withinReach(b, place);
      Value sum = b.addf(b.load(to, {kernel.chunk, column}), b.load(from, {row, place}));
      b.store(sum, to, {kernel.chunk, column});
    });
  });
  kernel.run(form.heads);
}

Value AttentionBuffers::withinReach(KernelBuilder &b, Value place) const {
  // key - query + sequence - 1 becomes key - query + reach.
  Value column = b.add(place, *form.reach - (form.sequence - 1));
  return b.min(arith::MaxSIOp::create(b, column, b.index(0)), b.index(2 * *form.reach));
}

} // namespace llmc::codegen
