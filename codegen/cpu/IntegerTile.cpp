//===- IntegerTile.cpp - integer products on the processor's matrix unit ---------------------------------===//

#include "codegen/cpu/IntegerTile.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace llmc::codegen {

IntegerTile::IntegerTile(const IntegerProduct &product, Value results)
    : product(product), b(product.b), layout(product.layout), results(results) {
  const int64_t steps = runsPerChunk() * (PanelLayout::run / step);
  weights = b.scratch(bufferType({steps, layout.weightBytes(), rows, step}, b.getI8Type()));
  units = b.scratch(bufferType({runsPerChunk(), b.lanes}, b.getF32Type()));
  tiles = b.scratch(bufferType({levels(), rows, b.lanes}, b.getI32Type()));
}

void IntegerTile::emit(Value begin, Value end, Value panel) {
  Value count = arith::SubIOp::create(b, end, begin),
        whole = arith::CeilDivUIOp::create(b, count, b.index(rows));
  b.loop(b.index(0), b.mul(whole, rows), 1,
         [&](Value r) { b.storeVector(b.splat(0), results, {r, b.index(0)}); });
  const int64_t chunkInputs = runsPerChunk() * PanelLayout::run, chunks = product.inputs / chunkInputs,
                left = product.inputs % chunkInputs;
  b.loop(b.index(0), b.index(chunks), 1, [&](Value chunk) {
    addChunk(begin, end, panel, b.mul(chunk, runsPerChunk()), runsPerChunk(), PanelLayout::run);
  });
  if (left == 0)
    return;
  const int64_t runs = layout.runs(left), lastInputs = left - (runs - 1) * PanelLayout::run;
  addChunk(begin, end, panel, b.index(chunks * runsPerChunk()), runs, lastInputs);
}

void IntegerTile::addChunk(Value begin, Value end, Value panel, Value first, int64_t count,
                           int64_t lastInputs) {
  unpack(panel, first, (count - 1) * PanelLayout::run + lastInputs);
  for (int64_t i = 0; i < count; ++i)
    b.storeVector(product.scaledUnits(panel, b.add(first, i)), units, {b.index(i), b.index(0)});
  b.loop(begin, end, rows, [&](Value row) {
    Value r = arith::SubIOp::create(b, row, begin);
    // The tile products of a run are under way while the run before is scaled.
    for (int64_t i = 0; i < count; ++i) {
      const int64_t inputs = i + 1 == count ? lastInputs : PanelLayout::run;
      SmallVector<Value, 4> next = multiply(row, b.add(first, i), i, inputs);
      if (i > 0)
        addRun(row, r, b.add(first, i - 1), i - 1);
      store(next);
    }
    addRun(row, r, b.add(first, count - 1), count - 1);
  });
}

void IntegerTile::unpack(Value panel, Value first, int64_t inputs) {
  const int64_t groupsPerStep = step / layout.groupSize, rowsPerGroup = layout.groupSize / 4;
  auto put = [&](ArrayRef<Value> bytes, Value index, Value row) {
    for (auto [byte, vector] : llvm::enumerate(bytes))
      b.storeVector(vector, weights, {index, b.index(byte), row, b.index(0)});
  };
  b.loop(b.index(0), b.index(inputs / layout.groupSize), 1, [&](Value group) {
    PanelReader reader(b, product.w, layout, product.inputs, panel,
                       b.add(b.mul(first, layout.groupsPerRun()), group));
    Value index = b.div(group, groupsPerStep), row = b.mul(b.rem(group, groupsPerStep), rowsPerGroup);
    Value scales = reader.alignedScales();
    int64_t word = 0;
    for (int64_t t = 0; t < layout.wordsPerGroup(); ++t)
      for (Value codes : reader.codes(t)) {
        SmallVector<Value, 3> bytes = integers(codes, scales);
        for (Value &vector : bytes)
          vector = vector::BitCastOp::create(b, VectorType::get({step}, b.getI8Type()), vector);
        put(bytes, index, b.add(row, word++));
      }
  });
  // What is left of the last tile meets whatever lies behind a row of activations.
  auto bytes = VectorType::get({step}, b.getI8Type());
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(bytes, b.getI8IntegerAttr(0)));
  for (int64_t input = inputs; input % step != 0; input += 4)
    put(SmallVector<Value>(layout.weightBytes(), zero), b.index(input / step), b.index(input % step / 4));
}

SmallVector<Value, 3> IntegerTile::integers(Value codes, Value scales) {
  // Codes of even and of odd inputs as 16-bit numbers, side by side in each lane.
  auto halves = VectorType::get({2 * b.lanes}, b.getI16Type());
  auto asHalves = [&](Value words) -> Value { return vector::BitCastOp::create(b, halves, words); };
  auto asWords = [&](Value pairs) -> Value { return vector::BitCastOp::create(b, b.i32Vector, pairs); };
  auto splat = [&](int64_t number) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(halves, b.getI16IntegerAttr(number)));
  };
  Value highMask = b.splatInt(static_cast<int32_t>(0xff00ff00)), lowMask = b.splatInt(0x00ff00ff);
  auto join = [&](Value even, Value odd) { // their low bytes
    Value shifted = asWords(arith::ShLIOp::create(b, odd, splat(8)));
    return b.bitOr(arith::AndIOp::create(b, asWords(even), lowMask), shifted);
  };
  auto joinHigh = [&](Value even, Value odd) {
    Value shifted = asWords(arith::ShRUIOp::create(b, even, splat(8)));
    return b.bitOr(shifted, arith::AndIOp::create(b, asWords(odd), highMask));
  };
  Value scale = b.bitOr(b.bitAnd(scales, 0xffff), b.shiftLeft(scales, 16));
  Value center = splat(layout.center()), factor = asHalves(scale);
  Value even = arith::SubIOp::create(b, asHalves(arith::AndIOp::create(b, codes, lowMask)), center);
  Value odd = arith::SubIOp::create(b, Value(arith::ShRUIOp::create(b, asHalves(codes), splat(8))), center);
  if (layout.weightBytes() == 2) {
    Value minimum = arith::ShRUIOp::create(b, scales, b.splatInt(16));
    minimum = asHalves(
        b.bitOr(minimum, arith::AndIOp::create(b, scales, b.splatInt(static_cast<int32_t>(0xffff0000)))));
    auto integer = [&](Value code) -> Value {
      Value product = arith::MulIOp::create(b, code, factor);
      return layout.hasMin ? b.add(product, minimum) : product;
    };
    even = integer(even), odd = integer(odd);
    return {join(even, odd), joinHigh(even, odd)};
  }
  auto evens = arith::MulSIExtendedOp::create(b, even, factor),
       odds = arith::MulSIExtendedOp::create(b, odd, factor);
  return {join(evens.getLow(), odds.getLow()), joinHigh(evens.getLow(), odds.getLow()),
          join(evens.getHigh(), odds.getHigh())};
}

SmallVector<Value, 4> IntegerTile::multiply(Value row, Value run, int64_t index, int64_t inputs) {
  auto bytes = amx::TileType::get({rows, step}, b.getI8Type());
  auto sums = amx::TileType::get({rows, b.lanes}, b.getI32Type());
  auto x = cast<MemRefType>(product.x.getType());
  ActivationReader activations(b, product.x, run);
  Value stride = b.index(x.getDimSize(1) * x.getDimSize(2)), zero = b.index(0);
  SmallVector<Value, 4> accumulators;
  for (int64_t level = 0; level < levels(); ++level)
    accumulators.push_back(amx::TileZeroOp::create(b, sums));
  for (int64_t input = 0; input < inputs; input += step) {
    SmallVector<Value, 2> parts;
    for (int64_t part = 0; part < activations.parts(); ++part)
      parts.push_back(amx::TileLoadOp::create(b, bytes, product.x,
                                              activations.place(row, part, b.index(input / 4)), stride));
    Value number = b.index((index * PanelLayout::run + input) / step);
    for (int64_t byte = layout.weightBytes() - 1; byte >= 0; --byte) {
      Value w = amx::TileLoadOp::create(b, bytes, weights, ValueRange{number, b.index(byte), zero, zero});
      const bool isUnsigned = byte != layout.weightBytes() - 1;
      for (auto [part, codes] : llvm::enumerate(parts)) {
        Value &sum = accumulators[byte + activations.parts() - 1 - static_cast<int64_t>(part)];
        sum = amx::TileMulIOp::create(b, sums, codes, w, sum, /*isZextLhs=*/false, isUnsigned);
      }
    }
  }
  return accumulators;
}

void IntegerTile::store(ValueRange accumulators) {
  Value zero = b.index(0);
  for (auto [level, tile] : llvm::enumerate(accumulators))
    amx::TileStoreOp::create(b, tiles, ValueRange{b.index(level), zero, zero}, tile);
}

void IntegerTile::addRun(Value row, Value r, Value run, int64_t index) {
  ActivationReader activations(b, product.x, run);
  Value unit = b.loadVector(units, {b.index(index), b.index(0)});
  constexpr int64_t together = 4; // rows, so that their additions overlap
  b.loop(b.index(0), b.index(rows), together, [&](Value first) {
    for (int64_t offset = 0; offset < together; ++offset) {
      Value i = b.add(first, offset);
      auto level = [&](int64_t number) { return b.loadVector(tiles, {b.index(number), i, b.index(0)}); };
      // Each level weighs 256 times the one below; rounding down level by level is rounding down once.
      Value integer;
      for (int64_t number = 0; number + 1 < levels(); ++number)
        integer = integer ? b.add(level(number), b.shiftRight(integer, 8)) : level(number);
      integer = b.add(b.shiftLeft(level(levels() - 1), 8), integer);
      SmallVector<Value> place{b.add(r, i), b.index(0)};
      Value scale = activations.scale(b.add(row, i));
      b.storeVector(product.addScaled(b.loadVector(results, place), integer, unit, scale), results, place);
    }
  });
}

} // namespace llmc::codegen
