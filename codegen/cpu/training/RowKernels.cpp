//===- RowKernels.cpp - gathers, rotations and copies in training ------------------------------------===//

#include "codegen/cpu/RowKernel.h"
#include "codegen/cpu/training/TrainingKernel.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t dim(Value buffer, unsigned index) { return cast<MemRefType>(buffer.getType()).getDimSize(index); }

/// Calls `body` with the first of each vector of columns `begin` to `end`, and a mask for the last one if it
/// may not be whole.
void overColumns(KernelBuilder &b, Value begin, Value end, bool whole,
                 function_ref<void(Value column, Value mask)> body) {
  b.loop(begin, end, b.lanes, [&](Value column) {
    Value mask;
    if (!whole)
      mask = vector::CreateMaskOp::create(b, VectorType::get({b.lanes}, b.getI1Type()),
                                          ValueRange{arith::SubIOp::create(b, end, column)});
    body(column, mask);
  });
}

Value loadMasked(KernelBuilder &b, Value buffer, ValueRange indices, Value mask) {
  if (!mask)
    return b.loadVector(buffer, indices);
  auto element = cast<MemRefType>(buffer.getType()).getElementType();
  auto type = VectorType::get({b.lanes}, element);
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  return vector::MaskedLoadOp::create(b, type, buffer, indices, mask, zero);
}

void storeMasked(KernelBuilder &b, Value value, Value buffer, ValueRange indices, Value mask) {
  if (mask)
    vector::MaskedStoreOp::create(b, buffer, indices, mask, value);
  else
    b.storeVector(value, buffer, indices);
}

} // namespace

void CpuTrainingLowering::lowerGather(Location loc, Value table, Value ids, const Destination &destination) {
  const int64_t rows = dim(ids, 0), width = dim(table, 1);
  const Chunking chunking = Chunking::of(rows, width);
  TrainingKernel k = kernel("gather", loc);
  KernelBuilder &b = k.b;
  Value from = k.import(table), places = k.import(ids), to = k.import(destination.buffer);
  Value begin = b.mul(k.chunk, chunking.size), end = b.min(b.add(begin, chunking.size), b.index(rows));
  b.loop(begin, end, 1, [&](Value row) {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(), b.load(places, {row}));
    overColumns(b, b.index(0), b.index(width), width % b.lanes == 0, [&](Value column, Value mask) {
      Value value = loadMasked(b, from, {id, column}, mask);
      if (destination.update == Update::Accumulate)
        value = b.addf(value, loadMasked(b, to, {row, column}, mask));
      storeMasked(b, value, to, {row, column}, mask);
    });
  });
  k.run(chunking.count);
}

// Each chunk has some columns of all rows, so that rows are added in their order.
void CpuTrainingLowering::lowerScatter(Location loc, Value input, Value ids, const Destination &destination) {
  if (destination.update == Update::Overwrite)
    lowerFill(loc, 0, destination);
  const int64_t rows = dim(ids, 0), width = dim(input, 1);
  TrainingKernel k = kernel("scatter", loc);
  KernelBuilder &b = k.b;
  const int64_t size = 4 * b.lanes;
  Value from = k.import(input), places = k.import(ids), to = k.import(destination.buffer);
  Value begin = b.mul(k.chunk, size), end = b.min(b.add(begin, size), b.index(width));
  b.loop(b.index(0), b.index(rows), 1, [&](Value row) {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(), b.load(places, {row}));
    overColumns(b, begin, end, width % b.lanes == 0, [&](Value column, Value mask) {
      Value sum = b.addf(loadMasked(b, to, {id, column}, mask), loadMasked(b, from, {row, column}, mask));
      storeMasked(b, sum, to, {id, column}, mask);
    });
  });
  k.run((width + size - 1) / size);
}

void CpuTrainingLowering::lowerFill(Location loc, double value, const Destination &destination) {
  if (destination.update == Update::Accumulate && value == 0)
    return;
  auto type = cast<MemRefType>(destination.buffer.getType());
  const int64_t rows = type.getRank() > 1 ? type.getNumElements() / type.getShape().back() : 1;
  const int64_t width = type.getShape().back();
  TrainingKernel k = kernel("fill", loc);
  KernelBuilder &b = k.b;
  Value to = k.import(destination.buffer);
  if (type.getRank() > 2) {
    SmallVector<ReassociationIndices> groups(2);
    for (int64_t i = 0; i < type.getRank(); ++i)
      groups[i + 1 == type.getRank()].push_back(i);
    to = memref::CollapseShapeOp::create(b, to, groups);
  }
  const Chunking chunking = Chunking::of(rows, width);
  Value begin = b.mul(k.chunk, chunking.size), end = b.min(b.add(begin, chunking.size), b.index(rows));
  b.loop(begin, end, 1, [&](Value row) {
    overColumns(b, b.index(0), b.index(width), width % b.lanes == 0, [&](Value column, Value mask) {
      SmallVector<Value> indices =
          type.getRank() == 1 ? SmallVector<Value>{column} : SmallVector<Value>{row, column};
      storeMasked(b, b.splat(value), to, indices, mask);
    });
  });
  k.run(chunking.count);
}

void CpuTrainingLowering::lowerCopy(Location loc, Value from, const Destination &destination) {
  auto type = cast<MemRefType>(from.getType());
  const bool isVector = type.getRank() == 1;
  const int64_t rows = isVector ? 1 : type.getDimSize(0), width = type.getShape().back();
  const Chunking chunking = Chunking::of(rows, width);
  TrainingKernel k = kernel("copy", loc);
  KernelBuilder &b = k.b;
  Value source = k.import(from), to = k.import(destination.buffer);
  Value begin = b.mul(k.chunk, chunking.size), end = b.min(b.add(begin, chunking.size), b.index(rows));
  b.loop(begin, end, 1, [&](Value row) {
    overColumns(b, b.index(0), b.index(width), width % b.lanes == 0, [&](Value column, Value mask) {
      SmallVector<Value> indices = isVector ? SmallVector<Value>{column} : SmallVector<Value>{row, column};
      Value value = loadMasked(b, source, indices, mask);
      if (destination.update == Update::Accumulate)
        value = b.addf(value, loadMasked(b, to, indices, mask));
      storeMasked(b, value, to, indices, mask);
    });
  });
  k.run(chunking.count);
}

void CpuTrainingLowering::lowerRopeTable(nn::RopeTableOp op, const Destination &destination) {
  Value positions = buffers.lookup(op.getPositions());
  const int64_t rows = dim(positions, 0);
  const Chunking chunking = Chunking::of(rows, 100 * op.getDims());
  TrainingKernel k = kernel("rope_table", op.getLoc());
  KernelBuilder &b = k.b;
  Value from = k.import(positions), to = k.import(destination.buffer);
  Value begin = b.mul(k.chunk, chunking.size), end = b.min(b.add(begin, chunking.size), b.index(rows));
  emitRopeTable(b, op, from, to, begin, end);
  k.run(chunking.count);
}

// Pairs (i, i + dims / 2) of vectors; interleaved pairs one by one.
LogicalResult CpuTrainingLowering::lowerRotate(nn::RotateOp op, const Destination &destination) {
  Value input = buffers.lookup(op.getInput()), table = buffers.lookup(op.getTable());
  const int64_t rows = dim(input, 0), width = dim(input, 1), heads = op.getHeads(), size = width / heads;
  const int64_t dims = op.getDims(), half = dims / 2;
  const Chunking chunking = Chunking::of(rows, width);
  TrainingKernel k = kernel("rotate", op.getLoc());
  KernelBuilder &b = k.b;
  Value x = k.import(input), angles = k.import(table), y = k.import(destination.buffer);
  Value begin = b.mul(k.chunk, chunking.size), end = b.min(b.add(begin, chunking.size), b.index(rows));
  const bool isHalf = op.getStyle() == nn::RopeStyle::Half;
  b.loop(begin, end, 1, [&](Value row) {
    b.loop(b.index(0), b.index(heads), 1, [&](Value head) {
      Value base = b.mul(head, size);
      if (isHalf && half % b.lanes == 0) {
        b.loop(b.index(0), b.index(half), b.lanes, [&](Value i) {
          Value first = b.add(base, i), second = b.add(first, half);
          Value c = b.loadVector(angles, {row, i}), s = b.loadVector(angles, {row, b.add(i, half)});
          Value p = b.loadVector(x, {row, first}), q = b.loadVector(x, {row, second});
          b.storeVector(b.subf(b.mulf(p, c), b.mulf(q, s)), y, {row, first});
          b.storeVector(b.addf(b.mulf(p, s), b.mulf(q, c)), y, {row, second});
        });
      } else {
        b.loop(b.index(0), b.index(half), 1, [&](Value i) {
          Value first = isHalf ? b.add(base, i) : b.add(base, b.mul(i, 2));
          Value second = b.add(first, isHalf ? half : 1);
          Value c = b.load(angles, {row, i}), s = b.load(angles, {row, b.add(i, half)});
          Value p = b.load(x, {row, first}), q = b.load(x, {row, second});
          b.store(b.subf(b.mulf(p, c), b.mulf(q, s)), y, {row, first});
          b.store(b.addf(b.mulf(p, s), b.mulf(q, c)), y, {row, second});
        });
      }
      b.loop(b.index(dims), b.index(size), 1, [&](Value i) {
        Value place = b.add(base, i);
        b.store(b.load(x, {row, place}), y, {row, place});
      });
    });
  });
  k.run(chunking.count);
  return success();
}

} // namespace llmc::codegen
