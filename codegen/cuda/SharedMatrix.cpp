//===- SharedMatrix.cpp - matrices in shared memory, and products of warps -----------------------------===//

#include "codegen/cuda/SharedMatrix.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kPanelBytes = 128, kChunksPerPanel = 8;
constexpr int64_t kStep = 16; ///< inputs of a matrix instruction
constexpr int64_t kWords = 4; ///< of its left operand, in a thread

int64_t panelElements(Type element) { return kPanelBytes * 8 / element.getIntOrFloatBitWidth(); }

} // namespace

SharedMatrix::SharedMatrix(GpuKernel &kernel, int64_t rows, int64_t columns, Type element, int64_t stages)
    : rows(rows), columns(padTo(columns, panelElements(element))), element(element), kernel(kernel),
      panelColumns(panelElements(element)) {
  memory = kernel.shared(sharedType({stages * this->columns / panelColumns, rows, panelColumns}, element));
}

SmallVector<Value> SharedMatrix::at(Value eightRows, Value inEight, Value chunkNumber) const {
  KernelBuilder &b = kernel.b;
  const int64_t panels = columns / panelColumns;
  Value panel = panels == 1 ? b.index(0) : b.div(chunkNumber, kChunksPerPanel);
  Value inPanel = panels == 1 ? chunkNumber : b.rem(chunkNumber, kChunksPerPanel);
  if (stage)
    panel = b.add(b.mul(stage, panels), panel);
  Value place = arith::XOrIOp::create(b, inPanel, inEight);
  return {panel, b.add(eightRows, inEight), b.mul(place, chunk())};
}

MatrixOperand SharedMatrix::operand(bool transposed, Value first) const {
  KernelBuilder &b = kernel.b;
  const int64_t panelBytes = rows * kPanelBytes, panels = columns / panelColumns;
  Value offset = transposed ? b.mul(b.div(first, panelColumns), panelBytes) : b.mul(first, kPanelBytes);
  if (stage)
    offset = b.add(b.mul(stage, panels * panelBytes), offset);
  auto wide = [&](Value index) -> Value { return arith::IndexCastOp::create(b, b.getI64Type(), index); };
  Value address = wide(memref::ExtractAlignedPointerAsIndexOp::create(b, memory));
  return {matrixDescriptor(b, arith::AddIOp::create(b, address, wide(offset)), transposed ? panelBytes : 16),
          transposed, panelBytes};
}

Value SharedMatrix::panelPointer(int64_t panel) const {
  KernelBuilder &b = kernel.b;
  const int64_t panelBytes = rows * kPanelBytes, panels = columns / panelColumns;
  Value offset = b.index(panel * panelBytes);
  if (stage)
    offset = b.add(b.mul(stage, panels * panelBytes), offset);
  return sharedPointer(b, b.add(memref::ExtractAlignedPointerAsIndexOp::create(b, memory), offset));
}

//===--------------------------------------------------------------------===//
// Products of warpgroups
//===--------------------------------------------------------------------===//

void startWarpgroupProducts(KernelBuilder &b, MutableArrayRef<WarpgroupProduct> products, bool areHeld) {
  // What compilers leave for later, zeros of sums above all, would be written while products go on.
  for (WarpgroupProduct &product : products) {
    if (!product.leftWords.empty())
      holdInRegisters(b, product.leftWords);
    if (!areHeld)
      holdInRegisters(b, product.sums);
  }
  NVVM::WgmmaFenceAlignedOp::create(b);
  for (WarpgroupProduct &product : products)
    for (int64_t k = 0; k < product.size; k += kStep) {
      const MatrixOperand right = product.right.from(b, k);
      if (product.leftWords.empty())
        warpgroupMultiplyAdd(b, product.left.from(b, k), right, product.sums);
      else
        warpgroupMultiplyAdd(b, ArrayRef(product.leftWords).slice(k / kStep * kWords, kWords), right,
                             product.sums);
    }
  NVVM::WgmmaGroupSyncAlignedOp::create(b);
}

void waitForWarpgroupProducts(KernelBuilder &b, int64_t pending, MutableArrayRef<Value> sums) {
  NVVM::WgmmaWaitGroupSyncOp::create(b, pending);
  holdInRegisters(b, sums); // they are not read before
}

void showCopiesToWarpgroups(KernelBuilder &b) {
  NVVM::FenceProxyOp::create(b, NVVM::ProxyKindAttr::get(b.getContext(), NVVM::ProxyKind::async_shared),
                             NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
}

//===--------------------------------------------------------------------===//
// Products of warps
//===--------------------------------------------------------------------===//

SmallVector<Value, 4> loadMatrices(KernelBuilder &b, const SharedMatrix &matrix, Value lane, Value eightRows,
                                   Value chunk, bool transposed) {
  auto type = VectorType::get({4, 2}, b.getBF16Type());
  Value loaded = nvgpu::LdMatrixOp::create(
      b, type, matrix.memory, matrix.at(eightRows, b.rem(lane, 8), chunk), transposed, /*numTiles=*/4);
  Value flat = vector::BitCastOp::create(b, VectorType::get({4, 1}, b.getI32Type()), loaded);
  SmallVector<Value, 4> words;
  for (int64_t i = 0; i < 4; ++i)
    words.push_back(vector::ExtractOp::create(b, flat, ArrayRef<int64_t>{i, 0}));
  return words;
}

WarpProduct::WarpProduct(GpuKernel &kernel, int64_t rowTiles, int64_t columnTiles)
    : rowTiles(rowTiles), columnTiles(columnTiles), b(kernel.b) {
  lane = b.rem(kernel.thread(), GpuKernel::warp);
  group = b.div(lane, 4);
  inGroup = b.rem(lane, 4);
}

void WarpProduct::multiplyAdd(const WarpOperand &left, const WarpOperand &right, int64_t size,
                              MutableArrayRef<Value> sums) {
  if (!left.matrix.isBf16())
    return multiplyF32(left, right, size, sums);
  for (int64_t k = 0; k < size; k += kStep) {
    SmallVector<Value> rows;
    for (int64_t tile = 0; tile < rowTiles; ++tile)
      llvm::append_range(rows, loadOperand(left, tile * 16, k, /*isLeft=*/true));
    multiplyStep(rows, right, k, sums);
  }
}

SmallVector<Value> WarpProduct::toOperand(KernelBuilder &b, ArrayRef<Value> sums) {
  // A word has two columns of a row: rows g and g + 8 of a column tile, then of its neighbour.
  SmallVector<Value> words;
  for (size_t at = 0; at < sums.size(); at += 2)
    words.push_back(packPair(b, sums[at], sums[at + 1]));
  return words;
}

void WarpProduct::multiplyAdd(ArrayRef<Value> left, const WarpOperand &right, MutableArrayRef<Value> sums) {
  const int64_t perStep = kWords * rowTiles, size = static_cast<int64_t>(left.size());
  for (int64_t i = 0; i < size; i += perStep)
    multiplyStep(left.slice(i, perStep), right, i / perStep * kStep, sums);
}

//===--------------------------------------------------------------------===//
// bf16
//===--------------------------------------------------------------------===//

SmallVector<Value, 4> WarpProduct::loadOperand(const WarpOperand &operand, int64_t offset, int64_t k,
                                               bool isLeft) {
  // The left operand's matrices are in the order of rows, then of k; the right one's of k, then of columns.
  Value matrix = b.div(lane, 8), low = b.rem(matrix, 2), high = b.div(matrix, 2);
  Value across = isLeft ? low : high, along = isLeft ? high : low, first = b.add(operand.first, offset);
  if (operand.transposed)
    return loadMatrices(b, operand.matrix, lane, b.add(b.mul(along, 8), k), b.add(b.div(first, 8), across),
                        true);
  return loadMatrices(b, operand.matrix, lane, b.add(first, b.mul(across, 8)), b.add(along, k / 8), false);
}

void WarpProduct::multiplyStep(ArrayRef<Value> rows, const WarpOperand &right, int64_t k,
                               MutableArrayRef<Value> sums) {
  for (int64_t pair = 0; pair < columnTiles; pair += 2) {
    SmallVector<Value, 4> columns = loadOperand(right, pair * 8, k, /*isLeft=*/false);
    for (int64_t tile = 0; tile < rowTiles; ++tile)
      for (int64_t i = 0; i < 2; ++i)
        codegen::multiplyAdd(b, rows.slice(tile * kWords, kWords), ArrayRef(columns).slice(2 * i, 2),
                             sums.slice((tile * columnTiles + pair + i) * sumsPerTile, sumsPerTile));
  }
}

//===--------------------------------------------------------------------===//
// f32
//===--------------------------------------------------------------------===//

SmallVector<Value, 4> WarpProduct::numbers(const WarpOperand &operand, Value eight, Value inEight, Value k) {
  const SharedMatrix &matrix = operand.matrix;
  SmallVector<Value, 4> result;
  if (!operand.transposed) {
    auto type = VectorType::get({4}, b.getF32Type());
    Value all = vector::LoadOp::create(b, type, matrix.memory, matrix.at(eight, inEight, b.div(k, 4)),
                                       /*nontemporal=*/false, llvm::MaybeAlign(16));
    for (int64_t i = 0; i < 4; ++i)
      result.push_back(vector::ExtractOp::create(b, all, i));
    return result;
  }
  Value column = b.add(eight, inEight);
  Value eightRows = b.mul(b.div(k, 8), 8), first = b.rem(k, 8);
  for (int64_t i = 0; i < 4; ++i) {
    SmallVector<Value> indices = matrix.at(eightRows, b.add(first, i), b.div(column, 4));
    indices.back() = b.add(indices.back(), b.rem(column, 4));
    result.push_back(b.load(matrix.memory, indices));
  }
  return result;
}

void WarpProduct::multiplyF32(const WarpOperand &left, const WarpOperand &right, int64_t size,
                              MutableArrayRef<Value> sums) {
  SmallVector<Value> start(sums.begin(), sums.end());
  SmallVector<Value> totals =
      b.loop(b.index(0), b.index(size), 4, start, [&](Value k, ValueRange now) -> SmallVector<Value> {
        SmallVector<Value> next(now);
        SmallVector<SmallVector<Value, 4>> rows;
        for (int64_t tile = 0; tile < rowTiles; ++tile)
          for (int64_t high = 0; high < 2; ++high)
            rows.push_back(numbers(left, b.add(left.first, tile * 16 + high * 8), group, k));
        for (int64_t tile = 0; tile < columnTiles; ++tile)
          for (int64_t i = 0; i < 2; ++i) {
            Value inEight = b.add(b.mul(inGroup, 2), i);
            SmallVector<Value, 4> column = numbers(right, b.add(right.first, tile * 8), inEight, k);
            for (int64_t row = 0; row < 2 * rowTiles; ++row) {
              Value &sum = next[((row / 2) * columnTiles + tile) * sumsPerTile + place(row % 2, i)];
              for (int64_t step = 0; step < 4; ++step)
                sum = LLVM::FMAOp::create(b, rows[row][step], column[step], sum);
            }
          }
        return next;
      });
  llvm::copy(totals, sums.begin());
}

void storePair(KernelBuilder &b, const SharedMatrix &matrix, Value eightRows, Value inEight, Value column,
               Value first, Value second) {
  Value pair =
      vector::FromElementsOp::create(b, VectorType::get({2}, b.getF32Type()), ValueRange{first, second});
  if (matrix.isBf16())
    pair = arith::TruncFOp::create(b, VectorType::get({2}, b.getBF16Type()), pair);
  SmallVector<Value> indices = matrix.at(eightRows, inEight, b.div(column, matrix.chunk()));
  indices.back() = b.add(indices.back(), b.rem(column, matrix.chunk()));
  vector::StoreOp::create(b, pair, matrix.memory, indices, /*nontemporal=*/false,
                          llvm::MaybeAlign(matrix.isBf16() ? 4 : 8));
}

} // namespace llmc::codegen
