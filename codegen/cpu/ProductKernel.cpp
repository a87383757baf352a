//===- ProductKernel.cpp - kernels of matrix products with fused epilogues ------------------------------===//
//
// A tile is `rowsPerTile` rows by a few panels of outputs, accumulated in registers over all of K in order:
// every variant of a kernel adds up an output in the same order, so that it does not depend on what is
// computed beside it.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/ProductKernel.h"

#include "codegen/cpu/AttentionKernel.h"
#include "codegen/cpu/TileProduct.h"

using namespace mlir;

namespace llmc::codegen {

SmallVector<int64_t> neededPanels(TileEmitter &tile, const TileClass &tileClass) {
  tile.rotaryPanels = tileClass.rotates ? tileClass.offsets[1] : 0;
  SmallVector<int64_t> needed;
  for (int64_t offset : tileClass.offsets)
    tile.demand(tileClass.store->value, offset, needed);
  llvm::sort(needed);
  return needed;
}

SmallVector<TileClass> tileClasses(ArrayRef<Store> stores, int64_t lanes, int64_t panelsPerTile) {
  SmallVector<TileClass> classes;
  for (const Store &store : stores) {
    const WidthLayout &layout = store.layout;
    const int64_t headPanels = layout.panelsPerHead(lanes), panels = layout.panels(lanes);
    if (layout.rotaryDims > 0) {
      int64_t half = padTo(layout.rotaryDims / 2, lanes) / lanes, rest = headPanels - 2 * half;
      classes.push_back({&store, layout.heads * half, {0, half}, half, headPanels, 0, 1, true});
      if (rest > 0)
        classes.push_back({&store, layout.heads * rest, {0}, rest, headPanels, 2 * half, 1, false});
      continue;
    }
    int64_t whole = panels / panelsPerTile, left = panels % panelsPerTile;
    if (whole > 0)
      classes.push_back({&store, whole, llvm::to_vector(llvm::seq<int64_t>(0, panelsPerTile)), whole, panels,
                         0, panelsPerTile, false});
    if (left > 0)
      classes.push_back({&store, 1, llvm::to_vector(llvm::seq<int64_t>(0, left)), 1, panels,
                         whole * panelsPerTile, 1, false});
  }
  return classes;
}

/// The sums of products of f32.
static SmallVector<Value> sumFloats(PanelProduct &product, ArrayRef<Value> rows, ArrayRef<Value> panels) {
  KernelBuilder &b = product.b;
  SmallVector<Value> zeros(rows.size() * panels.size(), b.splat(0));
  return b.loop(b.index(0), b.index(product.inputs), 1, zeros, [&](Value input, ValueRange sums) {
    SmallVector<Value> next(sums), w;
    for (Value panel : panels) {
      Value bits = PanelReader(b, product.w, product.weights, product.inputs, panel, input).words(0);
      w.push_back(vector::BitCastOp::create(b, b.f32Vector, bits));
    }
    for (auto [r, row] : llvm::enumerate(rows)) {
      Value x = b.broadcast(b.load(product.x, {row, input}));
      for (size_t p = 0; p < panels.size(); ++p)
        next[r * panels.size() + p] = b.fma(x, w[p], next[r * panels.size() + p]);
    }
    return next;
  });
}

SmallVector<Value> PanelProduct::sum(ArrayRef<Value> rows, ArrayRef<Value> panels) {
  switch (weights.kind) {
  case PanelLayout::Kind::F32:
    return sumFloats(*this, rows, panels);
  case PanelLayout::Kind::BF16:
    return Bf16Product{b, weights, inputs, x, w}.sum(rows, panels);
  case PanelLayout::Kind::Codes:
    break;
  }
  IntegerProduct product{b, weights, inputs, x, w};
  if (rows.size() == 1)
    return product.sum(rows, panels);
  // Panel after panel: the integers of several rows and panels are more than there are registers.
  SmallVector<Value> sums(rows.size() * panels.size());
  for (auto [p, panel] : llvm::enumerate(panels))
    for (auto [r, sum] : llvm::enumerate(product.sum(rows, panel)))
      sums[r * panels.size() + p] = sum;
  return sums;
}

Value CacheRows::position(KernelBuilder &b, Value row) const {
  return arith::IndexCastOp::create(b, b.getIndexType(), b.load(positions, {row}));
}

Value CacheRows::of(KernelBuilder &b, Value cache, Value row) const {
  if (!offsets)
    return cache;
  return b.shifted(cache, arith::IndexCastOp::create(b, b.getIndexType(), b.load(offsets, {row})));
}

void storePanel(KernelBuilder &b, const Store &store, Value vector, Value row, Value panel,
                const CacheRows &cacheRows) {
  const WidthLayout &layout = store.layout;
  const int64_t lanes = b.lanes, headPanels = layout.panelsPerHead(lanes);
  switch (store.kind) {
  case Store::Kind::Rows:
    b.storeVector(vector, store.destination, {row, b.mul(panel, lanes)});
    return;
  case Store::Kind::Output: {
    Value column = b.mul(panel, lanes);
    if (layout.headSize % lanes == 0) {
      b.storeVector(vector, store.destination, {row, column});
      return;
    }
    Value left = arith::SubIOp::create(b, b.index(layout.headSize), column);
    Value mask = vector::CreateMaskOp::create(b, VectorType::get({lanes}, b.getI1Type()), ValueRange{left});
    vector::MaskedStoreOp::create(b, store.destination, ValueRange{row, column}, mask, vector);
    return;
  }
  case Store::Kind::CacheKey: {
    // Keys of a block of positions lie beside each other, so that a vector holds one dimension of many of
    // them.
    const int64_t blockKeys = AttentionKernel::keysPerBlock(lanes);
    Value position = cacheRows.position(b, row), cache = cacheRows.of(b, store.destination, row);
    Value head = b.div(panel, headPanels), dim = b.mul(b.rem(panel, headPanels), lanes);
    Value block = b.div(position, blockKeys), slot = b.rem(position, blockKeys);
    Value rounded = b.roundTo(cache, vector);
    for (int64_t lane = 0; lane < lanes; ++lane)
      b.store(vector::ExtractOp::create(b, rounded, lane), cache, {head, block, b.add(dim, lane), slot});
    return;
  }
  case Store::Kind::CacheValue: {
    Value position = cacheRows.position(b, row), cache = cacheRows.of(b, store.destination, row);
    Value head = b.div(panel, headPanels), dim = b.mul(b.rem(panel, headPanels), lanes);
    b.storeVector(b.roundTo(cache, vector), cache, {head, position, dim});
    return;
  }
  }
}

Value ProductKernel::blocks(OpBuilder &builder, Location loc, Value rows) const {
  Value size = arith::ConstantIndexOp::create(builder, loc, rowsPerBlock);
  return arith::CeilDivUIOp::create(builder, loc, rows, size);
}

int64_t ProductKernel::tiles(int64_t lanes) const {
  int64_t count = 0;
  for (const TileClass &tileClass : tileClasses(stores, lanes, panelsPerTile))
    count += tileClass.count;
  return count;
}

namespace {

/// Emits one product kernel.
class ProductEmitter {
public:
  ProductEmitter(KernelBuilder &b, TileEmitter &tile, ProductKernel &kernel)
      : b(b), tile(tile), kernel(kernel), classes(tileClasses(kernel.stores, b.lanes, kernel.panelsPerTile)) {
    tile.productResult = kernel.linear.getResult();
  }

  void run() {
    if (kernel.matrixTiles) {
      size_t panels = 0;
      for (const TileClass &tileClass : classes)
        panels = std::max(panels, neededPanels(tile, tileClass).size());
      if (kernel.weights.kind == PanelLayout::Kind::Codes)
        matrix.emplace(integerProduct(), panels);
      else
        matrix.emplace(bf16Product(), panels);
    }
    Value chunk = kernel.chunk;
    firstRow = b.index(0);
    endRow = kernel.rows;
    if (kernel.rowsPerBlock > 0) {
      const int64_t chunks = kernel.chunksPerBlock(b.lanes);
      Value blocks = kernel.blocks(b, b.getLoc(), kernel.rows), block = b.div(chunk, chunks);
      Value rowTiles = arith::CeilDivUIOp::create(b, kernel.rows, b.index(kernel.rowsPerTile));
      auto firstOf = [&](Value block) {
        Value tile = arith::DivUIOp::create(b, b.mul(block, rowTiles), blocks);
        return b.mul(tile, kernel.rowsPerTile);
      };
      firstRow = firstOf(block);
      endRow = b.min(firstOf(b.add(block, 1)), kernel.rows);
      chunk = b.rem(chunk, chunks);
    }
    Value chunkBegin = b.mul(chunk, kernel.tilesPerChunk), chunkEnd = b.add(chunkBegin, kernel.tilesPerChunk);
    int64_t first = 0;
    for (const TileClass &tileClass : classes) {
      Value begin = arith::MaxSIOp::create(b, chunkBegin, b.index(first));
      Value end = b.min(chunkEnd, b.index(first + tileClass.count));
      b.loop(begin, end, 1,
             [&](Value t) { emitTile(tileClass, arith::SubIOp::create(b, t, b.index(first))); });
      first += tileClass.count;
    }
  }

private:
  /// Tile `index` of its class for all rows of the chunk.
  void emitTile(const TileClass &tileClass, Value index) {
    Value inHead = b.rem(index, tileClass.tilesPerHead);
    Value base =
        b.add(b.add(b.mul(b.div(index, tileClass.tilesPerHead), tileClass.headPanels), tileClass.firstPanel),
              b.mul(inHead, tileClass.step));
    needed = neededPanels(tile, tileClass);
    tile.base = base;
    tile.panelInHead = tileClass.rotates ? inHead : Value();
    if (kernel.isDecode) {
      emitRows(tileClass, b.index(0), 1);
      return;
    }
    if (matrix) {
      // The outputs of one row, mostly, which a tile takes as long for as for sixteen.
      Value begin = b.index(0);
      if (kernel.rowsAreChosen) {
        Value isOne = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, kernel.rows, b.index(1));
        b.ifThen(isOne, [&] { emitRows(tileClass, b.index(0), 1); });
        begin = arith::SelectOp::create(b, isOne, kernel.rows, begin);
      }
      b.loop(begin, kernel.rows, TileProduct::rowsPerBlock,
             [&](Value first) { emitMatrixRows(tileClass, first); });
      return;
    }
    // The widest tiles that the rows fill, then single rows.
    Value row = firstRow;
    auto rowLoop = [&](int64_t height) {
      Value left = arith::SubIOp::create(b, endRow, row);
      Value end = b.add(row, b.mul(b.div(left, height), height));
      b.loop(row, end, height, [&](Value first) { emitRows(tileClass, first, height); });
      row = end;
    };
    rowLoop(kernel.rowsPerTile);
    if (kernel.rowsPerTile > 1)
      rowLoop(1);
  }

  /// The block of rows from `first` on.
  void emitMatrixRows(const TileClass &tileClass, Value first) {
    Value end = b.min(b.add(first, TileProduct::rowsPerBlock), kernel.rows);
    SmallVector<Value> panels;
    for (int64_t offset : needed)
      panels.push_back(b.add(tile.base, offset));
    matrix->run(first, end, panels);
    b.loop(first, end, 1, [&](Value row) {
      Value r = arith::SubIOp::create(b, row, first);
      storeRow(tileClass, row, [&](int64_t slot) { return matrix->sum(r, slot); });
    });
  }

  void emitRows(const TileClass &tileClass, Value first, int64_t height) {
    SmallVector<Value> panels, rows;
    for (int64_t offset : needed)
      panels.push_back(b.add(tile.base, offset));
    for (int64_t r = 0; r < height; ++r)
      rows.push_back(b.add(first, r));
    SmallVector<Value> sums =
        PanelProduct{b, kernel.weights, kernel.inputs, kernel.x, kernel.w}.sum(rows, panels);
    for (auto [r, row] : llvm::enumerate(rows))
      storeRow(tileClass, row, [&, r = r](int64_t slot) { return sums[r * needed.size() + slot]; });
  }

  IntegerProduct integerProduct() { return {b, kernel.weights, kernel.inputs, kernel.x, kernel.w}; }

  Bf16Product bf16Product() { return {b, kernel.weights, kernel.inputs, kernel.x, kernel.w}; }

  /// Computes and writes what a tile stores of one row. `sumOf` gives the sums of the needed panels.
  void storeRow(const TileClass &tileClass, Value row, llvm::function_ref<Value(int64_t slot)> sumOf) {
    tile.reset();
    tile.row = row;
    tile.product = [&](int64_t offset) {
      Value sum = sumOf(llvm::find(needed, offset) - needed.begin());
      return kernel.bias ? b.addf(sum, b.loadVector(kernel.bias, {b.mul(b.add(tile.base, offset), b.lanes)}))
                         : sum;
    };
    for (int64_t offset : tileClass.offsets)
      storePanel(b, *tileClass.store, tile.at(tileClass.store->value, offset), row, b.add(tile.base, offset),
                 kernel.cacheRows);
  }

  KernelBuilder &b;
  TileEmitter &tile;
  ProductKernel &kernel;
  const SmallVector<TileClass> classes;
  std::optional<TileProduct> matrix; ///< where products go to the matrix unit
  SmallVector<int64_t> needed;       ///< of the tile that is emitted
  Value firstRow, endRow;            ///< of the chunk
};

} // namespace

void ProductKernel::emit(KernelBuilder &b, TileEmitter &tile) { ProductEmitter(b, tile, *this).run(); }

} // namespace llmc::codegen
