//===- Bf16Tile.cpp - products of bf16 on the processor's matrix unit -----------------------------------===//

#include "codegen/cpu/Bf16Tile.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace llmc::codegen {

void Bf16Tile::emit(Value begin, Value end, Value panel) {
  auto rowLoop = [&](Value from, Value to, int64_t height) {
    b.loop(from, to, height * rows,
           [&](Value row) { addInputs(row, arith::SubIOp::create(b, row, begin), height, panel); });
  };
  // A pair of tiles wherever more than one tile is left.
  Value count = arith::CeilDivUIOp::create(b, Value(arith::SubIOp::create(b, end, begin)), b.index(rows));
  Value even = b.add(begin, b.mul(b.div(count, 2), 2 * rows));
  rowLoop(begin, even, 2);
  rowLoop(even, end, 1);
}

void Bf16Tile::addInputs(Value row, Value r, int64_t height, Value panel) {
  auto sumsType = amx::TileType::get({rows, b.lanes}, b.getF32Type());
  const int64_t inputs = 2 * product.layout.groups(product.inputs), whole = inputs / chunk,
                left = inputs % chunk;
  auto place = [&](int64_t tile) -> SmallVector<Value> { return {b.add(r, tile * rows), b.index(0)}; };
  auto addChunk = [&](Value first, int64_t size, SmallVector<Value> sums) {
    multiply(row, panel, first, size, sums);
    for (int64_t tile = 0; tile < height; ++tile)
      amx::TileStoreOp::create(b, results, place(tile), sums[tile]);
  };
  // One chunk starts from zero; sums of more come back from memory.
  auto zeros = [&] {
    SmallVector<Value> sums;
    for (int64_t tile = 0; tile < height; ++tile)
      sums.push_back(amx::TileZeroOp::create(b, sumsType));
    return sums;
  };
  auto stored = [&] {
    SmallVector<Value> sums;
    for (int64_t tile = 0; tile < height; ++tile)
      sums.push_back(amx::TileLoadOp::create(b, sumsType, results, place(tile)));
    return sums;
  };
  addChunk(b.index(0), whole > 0 ? chunk : left, zeros());
  b.loop(b.index(chunk), b.index(whole * chunk), chunk,
         [&](Value first) { addChunk(first, chunk, stored()); });
  if (whole > 0 && left > 0)
    addChunk(b.index(whole * chunk), left, stored());
}

void Bf16Tile::multiply(Value row, Value panel, Value first, int64_t inputs, MutableArrayRef<Value> sums) {
  for (int64_t input = 0; input < inputs; input += step) {
    const int64_t size = std::min(step, inputs - input);
    auto left = amx::TileType::get({rows, size}, b.getBF16Type());
    auto right = amx::TileType::get({size / 2, 2 * b.lanes}, b.getBF16Type());
    Value pair = b.div(b.add(first, input), 2);
    Value weights = amx::TileLoadOp::create(b, right, product.w, ValueRange{panel, pair, b.index(0)});
    for (auto [tile, sum] : llvm::enumerate(sums)) {
      SmallVector<Value> place{b.add(row, static_cast<int64_t>(tile) * rows), pair};
      Value activations = amx::TileLoadOp::create(b, left, product.x, place);
      sum = amx::TileMulFOp::create(b, sum.getType(), activations, weights, sum);
    }
  }
}

} // namespace llmc::codegen
