//===- MatrixTile.cpp - products of codes on the processor's matrix unit --------------------------------===//

#include "codegen/cpu/MatrixTile.h"

#include "codegen/cpu/ActivationReader.h"
#include "codegen/cpu/PanelReader.h"
#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace llmc::codegen {

MatrixTile::MatrixTile(KernelBuilder &b, const ProductKernel &kernel, int64_t panels)
    : b(b), kernel(kernel), layout(kernel.weights) {
  auto scratch = [&](ArrayRef<int64_t> shape, Type element) -> Value {
    return memref::AllocaOp::create(b, bufferType(shape, element), ValueRange{}, b.getI64IntegerAttr(64));
  };
  codes = scratch({groupsPerChunk(), layout.groupSize / 4, 4 * b.lanes}, b.getI8Type());
  integers = scratch({ActivationRecord::isWide(kernel.x.getType()) ? 2 : 1, rows, b.lanes}, b.getI32Type());
  results = scratch({panels, rowsPerBlock, b.lanes}, b.getF32Type());
}

void MatrixTile::run(Value begin, Value end, Value panel, int64_t slot) {
  Value groups = b.index(layout.groups(kernel.inputs));
  auto result = [&](Value row, int64_t r) -> SmallVector<Value> {
    return {b.index(slot), b.add(Value(arith::SubIOp::create(b, row, begin)), r), b.index(0)};
  };
  b.loop(begin, end, 1, [&](Value row) { b.storeVector(b.splat(0), results, result(row, 0)); });
  b.loop(b.index(0), groups, groupsPerChunk(), [&](Value chunk) {
    Value chunkEnd = b.min(b.add(chunk, groupsPerChunk()), groups);
    unpack(panel, chunk, chunkEnd);
    b.loop(begin, end, rows, [&](Value row) {
      SmallVector<Value> sums;
      for (int64_t r = 0; r < rows; ++r)
        sums.push_back(b.loadVector(results, result(row, r)));
      sums = addGroups(row, panel, chunk, chunkEnd, sums);
      for (int64_t r = 0; r < rows; ++r)
        b.storeVector(sums[r], results, result(row, r));
    });
  });
}

void MatrixTile::unpack(Value panel, Value begin, Value end) {
  auto bytes = VectorType::get({4 * b.lanes}, b.getI8Type());
  Value zero;
  if (layout.zeroCode) {
    Value code = arith::ConstantOp::create(b, b.getI8IntegerAttr(static_cast<int8_t>(layout.zeroCode)));
    zero = vector::BroadcastOp::create(b, bytes, code);
  }
  b.loop(begin, end, 1, [&](Value group) {
    PanelReader reader(b, kernel.w, layout, panel, group);
    Value index = arith::SubIOp::create(b, group, begin);
    int64_t row = 0;
    for (int64_t t = 0; t < layout.wordsPerGroup(); ++t)
      for (Value packed : reader.codes(t)) {
        Value unpacked = vector::BitCastOp::create(b, bytes, packed);
        if (zero)
          unpacked = arith::SubIOp::create(b, unpacked, zero);
        b.storeVector(unpacked, codes, {index, b.index(row++), b.index(0)});
      }
  });
}

SmallVector<Value> MatrixTile::addGroups(Value row, Value panel, Value begin, Value end,
                                         SmallVector<Value> sums) {
  // The tile products of a group are under way while the group before is scaled.
  storeIntegers(multiply(row, begin, b.index(0)));
  Value last = arith::SubIOp::create(b, end, b.index(1));
  sums = b.loop(begin, last, 1, sums, [&](Value group, ValueRange carried) {
    Value following = b.add(group, 1);
    SmallVector<Value, 2> tiles = multiply(row, following, arith::SubIOp::create(b, following, begin));
    SmallVector<Value> next = addGroup(row, panel, group, carried);
    storeIntegers(tiles);
    return next;
  });
  return addGroup(row, panel, last, sums);
}

SmallVector<Value, 2> MatrixTile::multiply(Value row, Value group, Value index) {
  auto left = amx::TileType::get({rows, layout.groupSize}, b.getI8Type());
  auto right = amx::TileType::get({layout.groupSize / 4, 4 * b.lanes}, b.getI8Type());
  auto sums = amx::TileType::get({rows, b.lanes}, b.getI32Type());
  auto x = cast<MemRefType>(kernel.x.getType());
  ActivationReader activations(b, kernel.x, layout, group);
  Value stride = b.index(x.getDimSize(1) * x.getDimSize(2)), zero = b.index(0);
  Value w = amx::TileLoadOp::create(b, right, codes, ValueRange{index, zero, zero});
  SmallVector<Value, 2> tiles;
  for (int64_t part : activations.parts) {
    Value a = amx::TileLoadOp::create(b, left, kernel.x, activations.place(row, part), stride);
    Value start = amx::TileZeroOp::create(b, sums);
    tiles.push_back(amx::TileMulIOp::create(b, sums, a, w, start, /*isZextLhs=*/false, /*isZextRhs=*/false));
  }
  return tiles;
}

void MatrixTile::storeIntegers(ValueRange tiles) {
  Value zero = b.index(0);
  for (auto [part, tile] : llvm::enumerate(tiles))
    amx::TileStoreOp::create(b, integers, ValueRange{b.index(part), zero, zero}, tile);
}

SmallVector<Value> MatrixTile::addGroup(Value row, Value panel, Value group, ValueRange sums) {
  ActivationReader activations(b, kernel.x, layout, group);
  PanelReader weights(b, kernel.w, layout, panel, group);
  Value weightScale = weights.scales(), weightMin = layout.hasMin ? weights.minima() : Value();
  SmallVector<Value> next;
  for (int64_t r = 0; r < rows; ++r) {
    SmallVector<Value, 2> parts;
    for (size_t part = 0; part < activations.parts.size(); ++part)
      parts.push_back(b.loadVector(integers, {b.index(part), b.index(r), b.index(0)}));
    next.push_back(activations.addScaled(sums[r], b.add(row, r), parts, weightScale, weightMin));
  }
  return next;
}

} // namespace llmc::codegen
