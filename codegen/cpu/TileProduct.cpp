//===- TileProduct.cpp - products on the processor's matrix unit ----------------------------------------===//

#include "codegen/cpu/TileProduct.h"

#include "codegen/cpu/Bf16Tile.h"
#include "codegen/cpu/IntegerTile.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// A function for `product` whose body `Tile` emits.
template <typename Tile, typename Product>
func::FuncOp makeFunction(const Product &product, MemRefType sums) {
  KernelBuilder &b = product.b;
  auto module = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  OpBuilder detached(b.getContext());
  KernelBuilder inner(b.getLoc(), detached, b.target);
  Type index = b.getIndexType();
  func::FuncOp function = inner.beginFunction(
      module, "product_tiles", {product.x.getType(), product.w.getType(), index, index, index, sums});
  SymbolTable(module).insert(function);
  Product local{inner, product.layout, product.inputs, function.getArgument(0), function.getArgument(1)};
  Tile tile(local, function.getArgument(5));
  tile.emit(function.getArgument(2), function.getArgument(3), function.getArgument(4));
  return function;
}

MemRefType sumsType(KernelBuilder &b) {
  return bufferType({TileProduct::rowsPerBlock, b.lanes}, b.getF32Type());
}

} // namespace

TileProduct::TileProduct(KernelBuilder &b, Value x, Value w, size_t panels) : b(b), x(x), w(w) {
  for (size_t slot = 0; slot < panels; ++slot)
    results.push_back(b.scratch(sumsType(b)));
}

TileProduct::TileProduct(const IntegerProduct &product, size_t panels)
    : TileProduct(product.b, product.x, product.w, panels) {
  function = makeFunction<IntegerTile>(product, sumsType(b));
}

TileProduct::TileProduct(const Bf16Product &product, size_t panels)
    : TileProduct(product.b, product.x, product.w, panels) {
  function = makeFunction<Bf16Tile>(product, sumsType(b));
}

void TileProduct::run(Value begin, Value end, ArrayRef<Value> panels) {
  for (auto [panel, sums] : llvm::zip(panels, results))
    func::CallOp::create(b, function, ValueRange{x, w, begin, end, panel, sums});
}

} // namespace llmc::codegen
