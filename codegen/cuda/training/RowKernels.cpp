//===- RowKernels.cpp - gathers, rotations and copies in training, on GPUs ------------------------------===//

#include "codegen/cuda/GatherKernels.h"
#include "codegen/cuda/TensorCore.h"
#include "codegen/cuda/training/CudaTrainingLowering.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kThreads = 256;

int64_t dim(Value buffer, unsigned index) { return cast<MemRefType>(buffer.getType()).getDimSize(index); }

Value toIndex(KernelBuilder &b, Value id) { return arith::IndexCastOp::create(b, b.getIndexType(), id); }

} // namespace

bool hasAlignedRows(MemRefType type, int64_t elements) {
  auto [strides, offset] = type.getStridesAndOffset();
  if (strides.empty() || strides.back() != 1 || offset % elements != 0)
    return false;
  return llvm::all_of(ArrayRef(strides).drop_back(), [&](int64_t stride) { return stride % elements == 0; });
}

LogicalResult CudaTrainingLowering::checkType(Operation *op, ShapedType type) {
  Type element = type.getElementType();
  if (!element.isF32() && !element.isBF16() && !element.isIntOrIndex() && !element.isF64())
    return emitNotSupported(op) << "has numbers of " << element
                                << ", which training on GPUs does not support";
  return success();
}

Value CudaTrainingLowering::allocate(Location loc, ArrayRef<int64_t> shape, Type element) {
  const int64_t alignment = kRowAlignment * 8 / std::max(element.getIntOrFloatBitWidth(), 8U);
  if (shape.size() != 2 || shape[1] % alignment == 0 || shape[1] < alignment)
    return TrainingLowering::allocate(loc, shape, element);
  Value padded = TrainingLowering::allocate(loc, {shape[0], padTo(shape[1], alignment)}, element);
  SmallVector<OpFoldResult> offsets(2, builder.getIndexAttr(0)), strides(2, builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(shape[0]), builder.getIndexAttr(shape[1])};
  return memref::SubViewOp::create(builder, loc, padded, offsets, sizes, strides);
}

GpuKernel CudaTrainingLowering::kernel(StringRef name, Location loc, int64_t threads, int64_t elements) {
  GpuKernel made(module, kernelName(name), loc, builder, threads, elements);
  if (form)
    *form ? made.keepOnlyFor(kWarpgroupArch) : made.leaveOutFor(kWarpgroupArch);
  return made;
}

void CudaTrainingLowering::inForms(bool hasWarpgroups, llvm::function_ref<void(bool)> lower) {
  if (!hasWarpgroups)
    return lower(false);
  for (bool warpgroups : {false, true}) {
    form = warpgroups;
    lower(warpgroups);
  }
  form.reset();
}

void CudaTrainingLowering::launchForms(StringRef name, Location loc, int64_t threads, bool hasWarpgroups,
                                       llvm::function_ref<void(GpuKernel &, bool)> emit, int64_t blocksX,
                                       int64_t blocksY) {
  inForms(hasWarpgroups, [&](bool warpgroups) {
    GpuKernel made = kernel(name, loc, threads);
    emit(made, warpgroups);
    launch(made, loc, blocksX, blocksY);
  });
}

void CudaTrainingLowering::forEach(StringRef name, Location loc, Value buffer,
                                   llvm::function_ref<void(GpuKernel &, ArrayRef<Value>)> body) {
  auto type = cast<MemRefType>(buffer.getType());
  GpuKernel k = kernel(name, loc, kThreads);
  KernelBuilder &b = k.b;
  const int64_t count = type.getNumElements();
  Value number = b.add(b.mul(k.block(), kThreads), k.thread());
  b.ifThen(b.less(number, b.index(count)), [&] {
    SmallVector<Value> indices(type.getRank());
    Value rest = number;
    for (int64_t i = type.getRank() - 1; i >= 0; --i) {
      indices[i] = i == 0 ? rest : b.rem(rest, type.getDimSize(i));
      rest = b.div(rest, type.getDimSize(i));
    }
    body(k, indices);
  });
  launch(k, loc, (count + kThreads - 1) / kThreads);
}

void CudaTrainingLowering::lowerGather(Location loc, Value table, Value ids, const Destination &destination) {
  forEach("gather", loc, destination.buffer, [&](GpuKernel &k, ArrayRef<Value> indices) {
    KernelBuilder &b = k.b;
    Value to = k.import(destination.buffer);
    Value id = toIndex(b, b.load(k.import(ids), {indices[0]}));
    Value value = b.load(k.import(table), {id, indices[1]});
    if (destination.update == Update::Accumulate)
      value = b.addf(value, b.load(to, indices));
    b.store(value, to, indices);
  });
}

/// Makes `memref<rows x i32>`: of each row the next one with the same id, `rows` if there is none, or -1 -
/// that if an earlier one has the id too. A block for each row, whose threads look at a part of the ids each.
Value CudaTrainingLowering::linkEqualRows(Location loc, Value ids) {
  const int64_t rows = dim(ids, 0);
  Value links = TrainingLowering::allocate(loc, {rows}, builder.getI32Type());
  GpuKernel k = kernel("scatter_links", loc, kThreads);
  KernelBuilder &b = k.b;
  Value places = k.import(ids), to = k.import(links), row = k.block(), id = b.load(places, {row});
  auto toI32 = [&](Value index) -> Value { return arith::IndexCastOp::create(b, b.getI32Type(), index); };
  // The latest row before that has the id, or -1; the earliest behind, or `rows`.
  SmallVector<Value> found =
      b.loop(b.index(0), b.index((rows + kThreads - 1) / kThreads), 1,
             ValueRange{b.i32(-1), b.i32(static_cast<int32_t>(rows))},
             [&](Value turn, ValueRange now) -> SmallVector<Value> {
               Value other = b.min(b.add(b.mul(turn, kThreads), k.thread()), b.index(rows - 1));
               Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.load(places, {other}), id);
               auto choose = [&](Value isThere, Value best, auto combine) -> Value {
                 Value counts = arith::AndIOp::create(b, same, isThere);
                 return arith::SelectOp::create(b, counts, combine(best, toI32(other)), best);
               };
               return {choose(b.less(other, row), now[0],
                              [&](Value x, Value y) -> Value { return arith::MaxSIOp::create(b, x, y); }),
                       choose(b.less(row, other), now[1],
                              [&](Value x, Value y) -> Value { return arith::MinSIOp::create(b, x, y); })};
             });
  Value before =
      k.reduceBlock(found[0], [&](Value x, Value y) -> Value { return arith::MaxSIOp::create(b, x, y); });
  Value next =
      k.reduceBlock(found[1], [&](Value x, Value y) -> Value { return arith::MinSIOp::create(b, x, y); });
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, before, b.i32(-1));
  Value later = arith::SubIOp::create(b, b.i32(-1), next);
  Value isOne = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, k.thread(), b.index(0));
  b.ifThen(isOne, [&] { b.store(arith::SelectOp::create(b, isFirst, next, later), to, {row}); });
  launch(k, loc, rows);
  return links;
}

// A block for each row. That of the first row with an id adds all of them, in their order; others do nothing.
void CudaTrainingLowering::lowerScatter(Location loc, Value input, Value ids,
                                        const Destination &destination) {
  if (destination.update == Update::Overwrite)
    lowerFill(loc, 0, destination);
  const int64_t rows = dim(ids, 0), width = dim(input, 1);
  Value links = linkEqualRows(loc, ids);
  const bool wide = width % kGpuVector == 0 &&
                    hasAlignedRows(cast<MemRefType>(input.getType()), kGpuVector) &&
                    hasAlignedRows(cast<MemRefType>(destination.buffer.getType()), kGpuVector);
  const int64_t lanes = wide ? kGpuVector : 1;
  GpuKernel k = kernel("scatter", loc, kThreads, lanes);
  KernelBuilder &b = k.b;
  Value from = k.import(input), places = k.import(ids), to = k.import(destination.buffer),
        next = k.import(links);
  Value row = k.block(), zero = b.i32(0);
  auto type = VectorType::get({lanes}, b.getF32Type());
  const llvm::MaybeAlign aligned(lanes * 4);
  auto load = [&](Value matrix, Value i, Value column) -> Value {
    return vector::LoadOp::create(b, type, matrix, ValueRange{i, column}, /*nontemporal=*/false, aligned);
  };
  Value link = b.load(next, {row});
  b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::sge, link, zero), [&] {
    Value place = toIndex(b, b.load(places, {row}));
    b.loop(b.mul(k.thread(), lanes), b.index(width), kThreads * lanes, [&](Value column) {
      SmallVector<Value> start{row, load(to, place, column)};
      auto walk = scf::WhileOp::create(b, TypeRange(ValueRange(start)), start);
      OpBuilder::InsertionGuard guard(b);
      SmallVector<Location> locations(start.size(), loc);
      Block *add = b.createBlock(&walk.getBefore(), {}, TypeRange(ValueRange(start)), locations);
      Value at = add->getArgument(0), sum = b.addf(add->getArgument(1), load(from, at, column));
      Value onwards = b.load(next, {at});
      onwards = arith::MaxSIOp::create(b, onwards, arith::SubIOp::create(b, b.i32(-1), onwards));
      Value following = toIndex(b, onwards);
      scf::ConditionOp::create(b, b.less(following, b.index(rows)), ValueRange{following, sum});
      Block *go = b.createBlock(&walk.getAfter(), {}, TypeRange(ValueRange(start)), locations);
      scf::YieldOp::create(b, go->getArguments());
      b.setInsertionPointAfter(walk);
      vector::StoreOp::create(b, walk.getResult(1), to, ValueRange{place, column}, /*nontemporal=*/false,
                              aligned);
    });
  });
  launch(k, loc, rows);
}

void CudaTrainingLowering::lowerFill(Location loc, double value, const Destination &destination) {
  if (destination.update == Update::Accumulate && value == 0)
    return;
  forEach("fill", loc, destination.buffer, [&](GpuKernel &k, ArrayRef<Value> indices) {
    KernelBuilder &b = k.b;
    Type element = cast<MemRefType>(destination.buffer.getType()).getElementType();
    b.store(arith::ConstantOp::create(b, b.getFloatAttr(element, value)), k.import(destination.buffer),
            indices);
  });
}

void CudaTrainingLowering::lowerCopy(Location loc, Value from, const Destination &destination) {
  forEach("copy", loc, destination.buffer, [&](GpuKernel &k, ArrayRef<Value> indices) {
    KernelBuilder &b = k.b;
    Value to = k.import(destination.buffer), value = b.load(k.import(from), indices);
    if (destination.update == Update::Accumulate)
      value = b.addf(value, b.load(to, indices));
    b.store(value, to, indices);
  });
}

void CudaTrainingLowering::lowerRopeTable(nn::RopeTableOp op, const Destination &destination) {
  Value positions = buffers.lookup(op.getPositions());
  GpuKernel k = kernel("rope_table", op.getLoc(), GpuKernel::warp);
  emitGpuRopeTable(k, op, /*lanes=*/1, k.import(positions), k.import(destination.buffer));
  launch(k, op.getLoc(), dim(positions, 0));
}

// Pairs (i, i + dims / 2), or side by side; what is not rotated is copied.
LogicalResult CudaTrainingLowering::lowerRotate(nn::RotateOp op, const Destination &destination) {
  Value input = buffers.lookup(op.getInput()), table = buffers.lookup(op.getTable());
  const int64_t size = dim(input, 1) / static_cast<int64_t>(op.getHeads()), dims = op.getDims(),
                half = dims / 2;
  const bool isHalf = op.getStyle() == nn::RopeStyle::Half;
  forEach("rotate", op.getLoc(), destination.buffer, [&](GpuKernel &k, ArrayRef<Value> indices) {
    KernelBuilder &b = k.b;
    Value x = k.import(input), angles = k.import(table), y = k.import(destination.buffer);
    Value row = indices[0], column = indices[1], i = b.rem(column, size);
    auto branch = scf::IfOp::create(b, TypeRange{b.getF32Type()}, b.less(i, b.index(dims)), true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    // This number is the first or the second of its pair.
    Value isSecond, pair, other;
    if (isHalf) {
      isSecond = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i, b.index(half));
      pair = b.rem(i, half);
      other = arith::SelectOp::create(b, isSecond, arith::SubIOp::create(b, column, b.index(half)),
                                      b.add(column, half));
    } else {
      isSecond = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.rem(i, 2), b.index(1));
      pair = b.div(i, 2);
      other = arith::SelectOp::create(b, isSecond, arith::SubIOp::create(b, column, b.index(1)),
                                      b.add(column, 1));
    }
    Value c = b.load(angles, {row, pair}), s = b.load(angles, {row, b.add(pair, half)});
    Value part = b.mulf(b.load(x, {row, other}), s);
    part = arith::SelectOp::create(b, isSecond, part, arith::NegFOp::create(b, part));
    scf::YieldOp::create(b, b.addf(b.mulf(b.load(x, {row, column}), c), part));
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, b.load(x, {row, column}));
    b.setInsertionPointAfter(branch);
    b.store(branch.getResult(0), y, {row, column});
  });
  return success();
}

//===--------------------------------------------------------------------===//
// Operands of products
//===--------------------------------------------------------------------===//

Value CudaTrainingLowering::productOperand(Location loc, Value value, Type element) {
  Value from = buffers.lookup(value);
  auto type = cast<MemRefType>(from.getType());
  const int64_t chunk = kRowAlignment * 8 / element.getIntOrFloatBitWidth();
  if (type.getElementType() == element && hasAlignedRows(type, chunk))
    return from;
  Value &made = productOperands[{value, element}];
  if (made)
    return made;
  Value whole =
      TrainingLowering::allocate(loc, {type.getDimSize(0), padTo(type.getDimSize(1), chunk)}, element);
  SmallVector<OpFoldResult> offsets(2, builder.getIndexAttr(0)), strides(2, builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(type.getDimSize(0)),
                                     builder.getIndexAttr(type.getDimSize(1))};
  made = memref::SubViewOp::create(builder, loc, whole, offsets, sizes, strides);
  const bool wide = type.getDimSize(1) % kGpuVector == 0 && hasAlignedRows(type, kGpuVector);
  const int64_t lanes = wide ? kGpuVector : 1, perRow = type.getDimSize(1) / lanes,
                count = type.getDimSize(0) * perRow;
  GpuKernel k = kernel("operand", loc, kThreads, lanes);
  KernelBuilder &b = k.b;
  Value source = k.import(from), to = k.import(made);
  Value number = b.add(b.mul(k.block(), kThreads), k.thread());
  b.ifThen(b.less(number, b.index(count)), [&] {
    Value row = b.div(number, perRow), column = b.mul(b.rem(number, perRow), lanes);
    if (!wide) {
      b.store(b.roundTo(to, b.load(source, {row, column})), to, {row, column});
      return;
    }
    auto aligned = [&](Type of) { return llvm::MaybeAlign(lanes * of.getIntOrFloatBitWidth() / 8); };
    Value vector = vector::LoadOp::create(b, VectorType::get({lanes}, type.getElementType()), source,
                                          ValueRange{row, column}, false, aligned(type.getElementType()));
    vector::StoreOp::create(b, b.roundTo(to, vector), to, ValueRange{row, column}, false, aligned(element));
  });
  launch(k, loc, (count + kThreads - 1) / kThreads);
  return made;
}

LogicalResult CudaTrainingLowering::lowerProduct(linalg::GenericOp op, const ProductForm &form,
                                                 const Destination &destination) {
  Type element = form.rounded ? form.rounded : Type(builder.getF32Type());
  Value left = productOperand(op.getLoc(), op.getDpsInputs()[form.left], element);
  Value right = productOperand(op.getLoc(), op.getDpsInputs()[form.right], element);
  lowerMatrixProduct(*this, op.getLoc(), form, left, right, destination);
  return success();
}

} // namespace llmc::codegen
