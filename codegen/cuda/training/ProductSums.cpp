//===- ProductSums.cpp - where sums of products go in training, on GPUs ---------------------------------===//

#include "codegen/cuda/training/ProductSums.h"

using namespace mlir;

namespace llmc::codegen {

/// Parts of a row that are loaded before the first of them is stored.
static constexpr size_t kPartsAtATime = 16;

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
  const bool hasTail = form.n % tileColumns != 0, accumulates = target.update == Update::Accumulate;
  const bool isOdd = form.n % 2 != 0;
  const bool inPairs = hasAlignedRows(cast<MemRefType>(to.getType()), 2) && !(isOdd && accumulates);
  const int64_t width = inPairs ? 2 : 1;
  auto type = VectorType::get({width}, b.getF32Type());
  const llvm::MaybeAlign alignment(width * sizeof(float));
  // `width` sums side by side, of column tile `tile`, from the `first` on.
  struct Part {
    int64_t tile, first;
  };
  SmallVector<Part> parts;
  for (int64_t tile = 0; tile < product.columnTiles; ++tile)
    for (int64_t first = 0; first < 2; first += width)
      parts.push_back({tile, first});
  for (int64_t rowTile = 0; rowTile < product.rowTiles; ++rowTile)
    for (int64_t high = 0; high < 2; ++high) {
      Value r = b.add(row, product.rowOf(rowTile, high));
      auto indices = [&](Value c) {
        return splits > 1 ? SmallVector<Value>{split, r, c} : SmallVector<Value>{r, c};
      };
      auto storeSome = [&](ArrayRef<Part> some) {
        SmallVector<std::pair<Value, Value>> results; // and their columns
        for (const Part &part : some) {
          Value c = b.add(column, b.add(product.columnOf(part.tile), part.first));
          const int64_t place = (rowTile * product.columnTiles + part.tile) * WarpProduct::sumsPerTile +
                                WarpProduct::place(high, part.first);
          Value sum = vector::FromElementsOp::create(b, type, ValueRange(sums.slice(place, width)));
          if (accumulates) {
            Value inside = hasTail ? b.min(c, b.index(form.n - width)) : c;
            sum = b.addf(vector::LoadOp::create(b, type, to, indices(inside), false, alignment), sum);
          }
          results.push_back({sum, c});
        }
        for (auto [sum, c] : results) {
          auto store = [&, sum = sum, c = c] {
            vector::StoreOp::create(b, sum, to, indices(c), false, alignment);
          };
          if (!hasTail) {
            store();
            continue;
          }
          b.ifThen(b.less(c, b.index(form.n - width + 1)), store);
          if (isOdd && inPairs) { // the last column has no other
            Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, c, b.index(form.n - 1));
            b.ifThen(isLast, [&, sum = sum, c = c] {
              b.store(vector::ExtractOp::create(b, sum, 0), to, indices(c));
            });
          }
        }
      };
      auto storeRow = [&] {
        // What is there already is asked for some at a time, before any of it is used.
        for (size_t at = 0; at < parts.size(); at += kPartsAtATime)
          storeSome(ArrayRef(parts).slice(at, std::min<size_t>(kPartsAtATime, parts.size() - at)));
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
