//===- MatrixProduct.cpp - products of matrices in training ------------------------------------------===//
//
// c[m, n] = sum_k a[m, k] b[k, n], where a and b may lie transposed: y = x w^T, dx = dy w and dw = dy^T x are
// one kernel. The second operand is packed into panels first, and so is the first where its rows do not lie
// together. Each sum is taken in the order of k.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/training/TrainingKernel.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Registers hold 8 rows of 3 vectors; so many panels and rows of them are one chunk.
constexpr int64_t kRows = 8, kVectors = 3, kPanelsPerChunk = 4, kRowsPerChunk = 256, kSumsPerBlock = 1024;

class Product {
public:
  Product(CpuTrainingLowering &lowering, linalg::GenericOp op, const ProductForm &form,
          const Destination &destination)
      : lowering(lowering), loc(op.getLoc()), form(form), destination(destination),
        left(lowering.buffers.lookup(op.getDpsInputs()[form.left])),
        right(lowering.buffers.lookup(op.getDpsInputs()[form.right])), lanes(lowering.target.lanes),
        panelWidth(kVectors * lanes), panels((form.n + panelWidth - 1) / panelWidth) {}

  void lower() {
    packRight();
    if (form.leftTransposed)
      packLeft();
    multiply();
  }

private:
  /// `value` as it is multiplied: rounded, if the product does so.
  Value rounded(KernelBuilder &b, Value value) {
    Type element = getElementTypeOrSelf(value);
    if (!element.isF32())
      return arith::ExtFOp::create(b, KernelBuilder::withShapeOf(value, b.getF32Type()), value);
    if (!form.rounded)
      return value;
    if (form.rounded.isF16()) {
      Value narrow = arith::TruncFOp::create(b, KernelBuilder::withShapeOf(value, form.rounded), value);
      return arith::ExtFOp::create(b, value.getType(), narrow);
    }
    // To nearest even, in the bits of f32.
    Type type = KernelBuilder::withShapeOf(value, b.getI32Type());
    auto constant = [&](int32_t bits) -> Value {
      Attribute number = b.getI32IntegerAttr(bits);
      if (auto vector = dyn_cast<VectorType>(type))
        return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, number));
      return arith::ConstantOp::create(b, cast<IntegerAttr>(number));
    };
    Value bits = arith::BitcastOp::create(b, type, value);
    Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, constant(16)), constant(1));
    bits = arith::AddIOp::create(b, bits, arith::AddIOp::create(b, odd, constant(0x7fff)));
    bits = arith::AndIOp::create(b, bits, constant(static_cast<int32_t>(0xffff0000)));
    return arith::BitcastOp::create(b, value.getType(), bits);
  }

  Type f32() { return lowering.builder.getF32Type(); }

  /// packed[panel, k, :] = b[k, panel * width ...], zeros beyond the last column.
  void packRight() {
    packed = lowering.allocate(loc, {panels, form.k, panelWidth}, f32());
    TrainingKernel kernel = lowering.kernel("pack", loc);
    KernelBuilder &b = kernel.b;
    Value from = kernel.import(right), to = kernel.import(packed);
    Value first = b.mul(kernel.chunk, panelWidth);
    if (!form.rightTransposed) {
      b.loop(b.index(0), b.index(form.k), 1, [&](Value k) {
        for (int64_t v = 0; v < kVectors; ++v)
          b.storeVector(rounded(b, loadColumns(b, from, k, b.add(first, v * lanes))), to,
                        {kernel.chunk, k, b.index(v * lanes)});
      });
    } else {
      // Columns lie together along k.
      b.loop(b.index(0), b.index(panelWidth), 1, [&](Value n) {
        Value column = b.add(first, n);
        Value inside = b.less(column, b.index(form.n));
        Value row = b.min(column, b.index(form.n - 1));
        b.loop(b.index(0), b.index(form.k), 1, [&](Value k) {
          Value value = rounded(b, b.load(from, {row, k}));
          b.store(arith::SelectOp::create(b, inside, value, b.f32(0)), to, {kernel.chunk, k, n});
        });
      });
    }
    kernel.run(panels);
  }

  /// A vector of row `row` from column `column` on; zeros beyond the last.
  Value loadColumns(KernelBuilder &b, Value matrix, Value row, Value column) {
    if (form.n % panelWidth == 0)
      return b.loadVector(matrix, {row, column});
    auto type = VectorType::get({lanes}, cast<MemRefType>(matrix.getType()).getElementType());
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
    return vector::MaskedLoadOp::create(b, type, matrix, ValueRange{row, column}, columnMask(b, column),
                                        zero);
  }
  Value columnMask(KernelBuilder &b, Value column) {
    return vector::CreateMaskOp::create(b, VectorType::get({lanes}, b.getI1Type()),
                                        ValueRange{arith::SubIOp::create(b, b.index(form.n), column)});
  }

  /// rows[block, k, i] = a[k, block * kRows + i]
  void packLeft() {
    const int64_t blocks = (form.m + kRows - 1) / kRows;
    Value rows = lowering.allocate(loc, {blocks, form.k, kRows}, f32());
    TrainingKernel kernel = lowering.kernel("pack_rows", loc);
    KernelBuilder &b = kernel.b;
    Value from = kernel.import(left), to = kernel.import(rows);
    const Chunking chunking = Chunking::of(blocks, form.k * kRows);
    Value begin = b.mul(kernel.chunk, chunking.size);
    Value end = b.min(b.add(begin, chunking.size), b.index(blocks));
    auto type = VectorType::get({kRows}, cast<MemRefType>(left.getType()).getElementType());
    b.loop(b.index(0), b.index(form.k), 1, [&](Value k) {
      b.loop(begin, end, 1, [&](Value block) {
        Value column = b.mul(block, kRows), value;
        if (form.m % kRows == 0) {
          value = vector::LoadOp::create(b, type, from, ValueRange{k, column});
        } else {
          Value mask =
              vector::CreateMaskOp::create(b, VectorType::get({kRows}, b.getI1Type()),
                                           ValueRange{arith::SubIOp::create(b, b.index(form.m), column)});
          Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
          value = vector::MaskedLoadOp::create(b, type, from, ValueRange{k, column}, mask, zero);
        }
        vector::StoreOp::create(b, rounded(b, value), to, ValueRange{block, k, b.index(0)});
      });
    });
    kernel.run(chunking.count);
    left = rows;
  }

  void multiply() {
    const int64_t rowChunks = (form.m + kRowsPerChunk - 1) / kRowsPerChunk,
                  panelChunks = (panels + kPanelsPerChunk - 1) / kPanelsPerChunk;
    TrainingKernel kernel = lowering.kernel("product", loc);
    KernelBuilder &b = kernel.b;
    Value a = kernel.import(left), w = kernel.import(packed), c = kernel.import(destination.buffer);
    Value rowChunk = b.rem(kernel.chunk, rowChunks), panelChunk = b.div(kernel.chunk, rowChunks);
    Value firstRow = b.mul(rowChunk, kRowsPerChunk);
    Value endRow = b.min(b.add(firstRow, kRowsPerChunk), b.index(form.m));
    Value firstPanel = b.mul(panelChunk, kPanelsPerChunk);
    Value endPanel = b.min(b.add(firstPanel, kPanelsPerChunk), b.index(panels));
    for (int64_t firstSum = 0; firstSum < form.k; firstSum += kSumsPerBlock) {
      const int64_t endSum = std::min(firstSum + kSumsPerBlock, form.k);
      const bool adds = firstSum > 0 || destination.update == Update::Accumulate;
      b.loop(firstPanel, endPanel, 1, [&](Value panel) {
        // Of the rows that are left at the end there are fewer than a block.
        const int64_t wholeRows = form.m / kRows * kRows;
        b.loop(firstRow, wholeRows == form.m ? endRow : b.min(endRow, b.index(wholeRows)), kRows,
               [&](Value row) { multiplyBlock(b, a, w, c, row, kRows, panel, firstSum, endSum, adds); });
        if (wholeRows < form.m)
          b.ifThen(b.less(b.index(wholeRows), endRow), [&] {
            multiplyBlock(b, a, w, c, b.index(wholeRows), form.m - wholeRows, panel, firstSum, endSum, adds);
          });
      });
    }
    kernel.run(rowChunks * panelChunks);
  }

  void multiplyBlock(KernelBuilder &b, Value a, Value w, Value c, Value row, int64_t rows, Value panel,
                     int64_t firstSum, int64_t endSum, bool adds) {
    Value firstColumn = b.mul(panel, panelWidth);
    const bool masked = form.n % panelWidth != 0;
    SmallVector<Value> masks(kVectors), sums;
    for (int64_t v = 0; masked && v < kVectors; ++v)
      masks[v] = columnMask(b, b.add(firstColumn, v * lanes));
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t v = 0; v < kVectors; ++v)
        sums.push_back(adds ? loadColumns(b, c, b.add(row, i), b.add(firstColumn, v * lanes)) : b.splat(0));
    Value block = b.div(row, kRows);
    sums = b.loop(b.index(firstSum), b.index(endSum), 1, sums, [&](Value k, ValueRange now) {
      SmallVector<Value> columns, next;
      for (int64_t v = 0; v < kVectors; ++v)
        columns.push_back(b.loadVector(w, {panel, k, b.index(v * lanes)}));
      for (int64_t i = 0; i < rows; ++i) {
        Value x = form.leftTransposed ? b.load(a, {block, k, b.index(i)})
                                      : rounded(b, b.load(a, {b.add(row, i), k}));
        x = b.broadcast(x);
        for (int64_t v = 0; v < kVectors; ++v)
          next.push_back(b.fma(x, columns[v], now[i * kVectors + v]));
      }
      return next;
    });
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t v = 0; v < kVectors; ++v) {
        SmallVector<Value> indices = {b.add(row, i), b.add(firstColumn, v * lanes)};
        if (masked)
          vector::MaskedStoreOp::create(b, c, indices, masks[v], sums[i * kVectors + v]);
        else
          b.storeVector(sums[i * kVectors + v], c, indices);
      }
  }

  CpuTrainingLowering &lowering;
  Location loc;
  const ProductForm form;
  const Destination &destination;
  Value left, right, packed;
  const int64_t lanes, panelWidth, panels;
};

} // namespace

LogicalResult CpuTrainingLowering::lowerProduct(linalg::GenericOp op, const ProductForm &form,
                                                const Destination &destination) {
  if (form.rounded && form.rounded.isBF16() && target.hasBf16Tiles)
    lowerTileProduct(*this, op, form, destination);
  else
    Product(*this, op, form, destination).lower();
  return success();
}

} // namespace llmc::codegen
