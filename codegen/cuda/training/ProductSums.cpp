//===- ProductSums.cpp - where sums of products go in training, on GPUs ---------------------------------===//

#include "codegen/cuda/training/ProductSums.h"

using namespace mlir;

namespace llmc::codegen {

ProductSums::ProductSums(CudaTrainingLowering &lowering, Location loc, const ProductForm &form,
                         const Destination &destination, int64_t splits, int64_t tileRows,
                         int64_t tileColumns)
    : lowering(lowering), loc(loc), form(form), destination(destination), splits(splits), tileRows(tileRows),
      tileColumns(tileColumns), target(destination) {
  if (splits > 1)
    target = {lowering.allocate(loc, {splits, form.m, form.n}, lowering.builder.getF32Type())};
}

void ProductSums::store(GpuKernel &kernel, WarpProduct &product, ArrayRef<Value> sums, Value split, Value row,
                        Value column) {
  KernelBuilder &b = kernel.b;
  Value to = kernel.import(target.buffer);
  const bool pairs = hasAlignedRows(cast<MemRefType>(to.getType()), 2) && form.n % 2 == 0;
  const bool accumulates = target.update == Update::Accumulate;
  auto pairType = VectorType::get({2}, b.getF32Type());
  for (int64_t rowTile = 0; rowTile < product.rowTiles; ++rowTile)
    for (int64_t high = 0; high < 2; ++high) {
      Value r = b.add(row, product.rowOf(rowTile, high));
      auto storeRow = [&] {
        for (int64_t tile = 0; tile < product.columnTiles; ++tile) {
          Value c = b.add(column, product.columnOf(tile));
          ArrayRef<Value> ofTile = sums.slice(
              (rowTile * product.columnTiles + tile) * WarpProduct::sumsPerTile, WarpProduct::sumsPerTile);
          auto indices = [&](int64_t i) {
            SmallVector<Value> result;
            if (splits > 1)
              result.push_back(split);
            result.append({r, b.add(c, i)});
            return result;
          };
          auto storePair = [&] {
            Value pair = vector::FromElementsOp::create(
                b, pairType,
                ValueRange{ofTile[WarpProduct::place(high, 0)], ofTile[WarpProduct::place(high, 1)]});
            const llvm::MaybeAlign kPair(8);
            if (accumulates)
              pair = b.addf(vector::LoadOp::create(b, pairType, to, indices(0), false, kPair), pair);
            vector::StoreOp::create(b, pair, to, indices(0), false, kPair);
          };
          auto storeOne = [&](int64_t i) {
            Value sum = ofTile[WarpProduct::place(high, i)];
            if (accumulates)
              sum = b.addf(b.load(to, indices(i)), sum);
            b.store(sum, to, indices(i));
          };
          auto inside = [&](int64_t i, llvm::function_ref<void()> body) {
            if (form.n % tileColumns == 0)
              body();
            else
              b.ifThen(b.less(b.add(c, i), b.index(form.n)), body);
          };
          if (pairs)
            inside(0, storePair);
          else
            for (int64_t i = 0; i < 2; ++i)
              inside(i, [&] { storeOne(i); });
        }
      };
      if (form.m % tileRows == 0)
        storeRow();
      else
        b.ifThen(b.less(r, b.index(form.m)), storeRow);
    }
}

void ProductSums::addUp() {
  if (splits == 1)
    return;
  lowering.forEach("product_sum", loc, destination.buffer, [&](GpuKernel &kernel, ArrayRef<Value> indices) {
    KernelBuilder &b = kernel.b;
    Value from = kernel.import(target.buffer), to = kernel.import(destination.buffer);
    Value sum = b.loop(b.index(0), b.index(splits), 1, ValueRange{b.f32(0)},
                       [&](Value split, ValueRange now) -> SmallVector<Value> {
                         return {b.addf(now[0], b.load(from, {split, indices[0], indices[1]}))};
                       })[0];
    if (destination.update == Update::Accumulate)
      sum = b.addf(b.load(to, indices), sum);
    b.store(sum, to, indices);
  });
}

} // namespace llmc::codegen
