//===- Bf16Product.cpp - products of bf16 in the order of the matrix unit ------------------------------===//

#include "codegen/cpu/Bf16Product.h"

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
  auto weights = [&](Value panel, Value group) {
    return PanelReader(b, w, layout, inputs, panel, group).words(0);
  };
  auto activations = [&](Value row, Value group) { return b.broadcast(b.load(x, {row, group})); };
  if (!b.target.hasBf16Tiles)
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

} // namespace llmc::codegen
