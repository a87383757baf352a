//===- Bf16Product.cpp - products of bf16 in the order of the matrix unit ------------------------------===//

#include "codegen/cpu/Bf16Product.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Pairs of inputs that the matrix unit adds up at once.
constexpr int64_t kPairsPerTile = 16;

/// The even and the odd numbers of a vector of pairs, in f32.
std::pair<Value, Value> unpackPairs(KernelBuilder &b, Value pairs) {
  Value even = b.shiftLeft(pairs, 16), odd = b.bitAnd(pairs, static_cast<int32_t>(0xffff0000));
  return {arith::BitcastOp::create(b, b.f32Vector, even), arith::BitcastOp::create(b, b.f32Vector, odd)};
}

} // namespace

SmallVector<Value> Bf16Product::sum(ArrayRef<Value> rows, ArrayRef<Value> panels) {
  const int64_t groups = layout.groups(inputs);
  const size_t cells = rows.size() * panels.size();
  SmallVector<Value> zeros(cells, b.splat(0));
  auto weights = [&](Value panel, Value group) { return PanelReader(b, w, layout, panel, group).words(0); };
  auto activations = [&](Value row, Value group) { return b.broadcast(b.load(x, {row, group})); };
  if (!b.target.hasBf16MatrixTiles)
    return b.loop(b.index(0), b.index(groups), 1, zeros, [&](Value group, ValueRange sums) {
      SmallVector<Value> next(sums), words;
      for (Value panel : panels)
        words.push_back(weights(panel, group));
      for (auto [r, row] : llvm::enumerate(rows))
        for (auto [p, word] : llvm::enumerate(words))
          next[r * panels.size() + p] = b.bf16Dot(next[r * panels.size() + p], word, activations(row, group));
      return next;
    });
  return b.loop(b.index(0), b.index(groups), kPairsPerTile, zeros, [&](Value first, ValueRange sums) {
    SmallVector<Value> apart(2 * cells, b.splat(0)), next(sums);
    Value end = b.min(b.add(first, kPairsPerTile), b.index(groups));
    apart = b.loop(first, end, 1, apart, [&](Value group, ValueRange carried) {
      SmallVector<Value> result(carried);
      SmallVector<std::pair<Value, Value>> words;
      for (Value panel : panels)
        words.push_back(unpackPairs(b, weights(panel, group)));
      for (auto [r, row] : llvm::enumerate(rows)) {
        auto [even, odd] = unpackPairs(b, activations(row, group));
        for (auto [p, word] : llvm::enumerate(words)) {
          const size_t cell = 2 * (r * panels.size() + p);
          result[cell] = b.fma(word.first, even, result[cell]);
          result[cell + 1] = b.fma(word.second, odd, result[cell + 1]);
        }
      }
      return result;
    });
    for (size_t cell = 0; cell < cells; ++cell)
      next[cell] = b.addf(next[cell], b.addf(apart[2 * cell], apart[2 * cell + 1]));
    return next;
  });
}

void Bf16Tile::run(Value begin, Value end, ArrayRef<Value> panels) {
  Value count = arith::SubIOp::create(b, end, begin);
  Value even = b.add(begin, b.mul(b.div(count, 2 * rows), 2 * rows));
  for (auto [slot, panel] : llvm::enumerate(panels)) {
    auto rowLoop = [&](Value from, Value to, int64_t height) {
      b.loop(from, to, height * rows, [&](Value row) {
        addInputs(row, arith::SubIOp::create(b, row, begin), height, panel, static_cast<int64_t>(slot));
      });
    };
    rowLoop(begin, even, 2);
    rowLoop(even, end, 1);
  }
}

void Bf16Tile::addInputs(Value row, Value r, int64_t height, Value panel, int64_t slot) {
  auto sumsType = amx::TileType::get({rows, b.lanes}, b.getF32Type());
  const int64_t inputs = 2 * product.layout.groups(product.inputs), whole = inputs / chunk,
                left = inputs % chunk;
  auto place = [&](int64_t tile) -> SmallVector<Value> {
    return {b.index(slot), b.add(r, tile * rows), b.index(0)};
  };
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
