//===- MatrixTile.cpp - products of codes on the processor's matrix unit --------------------------------===//

#include "codegen/cpu/MatrixTile.h"

#include "codegen/cpu/PanelReader.h"
#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace llmc::codegen {

MatrixTile::MatrixTile(KernelBuilder &b, const ProductKernel &kernel, int64_t panels)
    : b(b), kernel(kernel), layout(kernel.weights), wide(ActivationRecord::isWide(kernel.x.getType())) {
  auto scratch = [&](ArrayRef<int64_t> shape, Type element) -> Value {
    return memref::AllocaOp::create(b, bufferType(shape, element), ValueRange{}, b.getI64IntegerAttr(64));
  };
  codes = scratch({panels, layout.groups(kernel.inputs), layout.groupSize / 4, 4 * b.lanes}, b.getI8Type());
  integers = scratch({wide ? 2 : 1, rows, b.lanes}, b.getI32Type());
  results = scratch({panels, rows, b.lanes}, b.getF32Type());
}

void MatrixTile::run(Value row, Value panel, int64_t slot) {
  SmallVector<Value> zeros(rows, b.splat(0));
  Value last = b.index(layout.groups(kernel.inputs) - 1);
  // The tile products of a group are under way while the group before is scaled.
  storeIntegers(multiply(row, b.index(0), slot));
  SmallVector<Value> sums = b.loop(b.index(0), last, 1, zeros, [&](Value group, ValueRange carried) {
    SmallVector<Value, 2> tiles = multiply(row, b.add(group, 1), slot);
    SmallVector<Value> next = addGroup(row, panel, group, carried);
    storeIntegers(tiles);
    return next;
  });
  sums = addGroup(row, panel, last, sums);
  for (int64_t r = 0; r < rows; ++r)
    b.storeVector(sums[r], results, {b.index(slot), b.index(r), b.index(0)});
}

void MatrixTile::unpack(Value panel, int64_t slot) {
  auto bytes = VectorType::get({4 * b.lanes}, b.getI8Type());
  Value zero;
  if (layout.zeroCode) {
    Value code = arith::ConstantOp::create(b, b.getI8IntegerAttr(static_cast<int8_t>(layout.zeroCode)));
    zero = vector::BroadcastOp::create(b, bytes, code);
  }
  b.loop(b.index(0), b.index(layout.groups(kernel.inputs)), 1, [&](Value group) {
    PanelReader reader(b, kernel.w, layout, panel, group);
    int64_t row = 0;
    for (int64_t t = 0; t < layout.wordsPerGroup(); ++t)
      for (Value packed : reader.codes(t)) {
        Value unpacked = vector::BitCastOp::create(b, bytes, packed);
        if (zero)
          unpacked = arith::SubIOp::create(b, unpacked, zero);
        b.storeVector(unpacked, codes, {b.index(slot), group, b.index(row++), b.index(0)});
      }
  });
}

SmallVector<Value, 2> MatrixTile::multiply(Value row, Value group, int64_t slot) {
  auto left = amx::TileType::get({rows, layout.groupSize}, b.getI8Type());
  auto right = amx::TileType::get({layout.groupSize / 4, 4 * b.lanes}, b.getI8Type());
  auto sums = amx::TileType::get({rows, b.lanes}, b.getI32Type());
  auto x = cast<MemRefType>(kernel.x.getType());
  auto [record, firstWord] = recordOf(group);
  Value stride = b.index(x.getDimSize(1) * x.getDimSize(2)), zero = b.index(0);
  Value w = amx::TileLoadOp::create(b, right, codes, ValueRange{b.index(slot), group, zero, zero});
  SmallVector<int64_t> parts{ActivationRecord::codes};
  if (wide)
    parts.push_back(ActivationRecord::lowCodes);
  SmallVector<Value, 2> tiles;
  for (int64_t part : parts) {
    Value a =
        amx::TileLoadOp::create(b, left, kernel.x, ValueRange{row, record, b.add(firstWord, part)}, stride);
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

std::pair<Value, Value> MatrixTile::recordOf(Value group) {
  const int64_t groupsPerRecord = ActivationRecord::groupSize / layout.groupSize;
  if (groupsPerRecord == 1)
    return {group, b.index(0)};
  return {b.div(group, groupsPerRecord), b.mul(b.rem(group, groupsPerRecord), layout.groupSize / 4)};
}

SmallVector<Value> MatrixTile::addGroup(Value row, Value panel, Value group, ValueRange sums) {
  Value record = recordOf(group).first;
  PanelReader reader(b, kernel.w, layout, panel, group);
  Value weightScale = reader.scales(), weightMin = layout.hasMin ? reader.minima() : Value();
  SmallVector<Value> next;
  for (int64_t r = 0; r < rows; ++r) {
    Value index = b.add(row, r);
    auto part = [&](int64_t i) { return b.loadVector(integers, {b.index(i), b.index(r), b.index(0)}); };
    auto field = [&](int64_t word) -> Value {
      return arith::BitcastOp::create(b, b.getF32Type(), b.load(kernel.x, {index, record, b.index(word)}));
    };
    Value integer = part(0);
    if (wide)
      integer = b.add(arith::ShLIOp::create(b, integer, b.splatInt(8)), part(1));
    Value product = arith::SIToFPOp::create(b, b.f32Vector, integer);
    Value sum = b.fma(product, b.mulf(weightScale, b.broadcast(field(ActivationRecord::scale))), sums[r]);
    if (layout.hasMin)
      sum = b.fma(weightMin, b.broadcast(field(ActivationRecord::scaledSum)), sum);
    next.push_back(sum);
  }
  return next;
}

} // namespace llmc::codegen
