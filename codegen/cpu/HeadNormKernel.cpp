//===- HeadNormKernel.cpp - kernels of norms of heads -------------------------------------------------===//
//
// Heads are padded to whole vectors with zeros, and so is the weight, so that the padding stays zero and adds
// nothing to the mean.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/HeadNormKernel.h"

#include "codegen/cpu/FunctionLowering.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

class HeadNormEmitter {
public:
  HeadNormEmitter(KernelBuilder &b, TileEmitter &tile, HeadNormKernel &kernel)
      : b(b), tile(tile), kernel(kernel), headPanels(kernel.layout.panelsPerHead(b.lanes)) {}

  void emitRow(Value row) {
    tile.row = row;
    b.loop(b.index(0), b.index(kernel.layout.heads), 1, [&](Value head) {
      firstPanel = b.mul(head, headPanels);
      normalize();
      storeHead();
    });
    for (const Store &store : kernel.stores)
      if (outerValue(store.value))
        copy(store);
  }

private:
  /// Moves the tile to a panel of the head.
  void at(Value panel) {
    inHead = panel;
    tile.base = b.add(firstPanel, panel);
    tile.reset();
  }

  /// Makes the norm's result known for the head.
  void normalize() {
    Value input = kernel.norm.getInput(), zero = b.splat(0);
    tile.rotaryPanels = 0;
    Value squares =
        b.loop(b.index(0), b.index(headPanels), 1, ValueRange{zero}, [&](Value panel, ValueRange sum) {
          at(panel);
          Value x = tile.at(input, 0);
          return SmallVector<Value>{b.addf(sum[0], b.mulf(x, x))};
        })[0];
    Value mean = b.divf(b.sum(squares), b.f32(static_cast<double>(kernel.layout.headSize)));
    Value root = math::SqrtOp::create(b, b.addf(mean, b.f32(kernel.norm.getEpsilon().convertToDouble())));
    Value factor = b.broadcast(b.divf(b.f32(1), root));
    tile.known[kernel.norm.getResult()] = [this, input, factor](int64_t offset) {
      Value weight = b.loadVector(kernel.weight, {b.mul(b.add(inHead, offset), b.lanes)});
      return b.mulf(b.mulf(tile.at(input, offset), factor), weight);
    };
  }

  /// Stores pairs of panels that rotate, then the other ones.
  void storeHead() {
    const int64_t half = padTo(kernel.layout.rotaryDims / 2, b.lanes) / b.lanes;
    b.loop(b.index(0), b.index(half), 1, [&](Value panel) {
      at(panel);
      tile.rotaryPanels = half;
      tile.panelInHead = panel;
      store({0, half});
    });
    tile.rotaryPanels = 0;
    b.loop(b.index(2 * half), b.index(headPanels), 1, [&](Value panel) {
      at(panel);
      store({0});
    });
  }

  void store(ArrayRef<int64_t> offsets) {
    for (const Store &store : kernel.stores)
      for (int64_t offset : offsets)
        if (!outerValue(store.value))
          storePanel(b, store, tile.at(store.value, offset), tile.row, b.add(tile.base, offset),
                     kernel.cacheRows);
  }

  /// Stores a value that comes from outside: what is appended to a cache beside the keys.
  void copy(const Store &store) {
    firstPanel = b.index(0);
    b.loop(b.index(0), b.index(store.layout.panels(b.lanes)), 1, [&](Value panel) {
      at(panel);
      storePanel(b, store, tile.at(store.value, 0), tile.row, panel, kernel.cacheRows);
    });
  }

  KernelBuilder &b;
  TileEmitter &tile;
  HeadNormKernel &kernel;
  const int64_t headPanels;
  Value firstPanel; ///< of the head
  Value inHead;     ///< the tile's panel, in the head
};

} // namespace

void HeadNormKernel::emit(KernelBuilder &b, TileEmitter &tile) {
  HeadNormEmitter emitter(b, tile, *this);
  b.loop(rowBegin, rowEnd, 1, [&](Value row) { emitter.emitRow(row); });
}

} // namespace llmc::codegen
