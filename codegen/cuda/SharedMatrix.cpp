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
          transposed};
}

//===--------------------------------------------------------------------===//
// Products of warpgroups
//===--------------------------------------------------------------------===//

void startWarpgroupProduct(KernelBuilder &b, const MatrixOperand &left, const MatrixOperand &right,
                           int64_t size, MutableArrayRef<Value> sums) {
  constexpr int64_t kUnit = 16; // bytes, of addresses in descriptors
  auto from = [&](const MatrixOperand &operand, int64_t k) {
    const int64_t bytes = operand.transposed ? k * kPanelBytes : k * 2;
    Value advance = arith::ConstantOp::create(b, b.getI64IntegerAttr(bytes / kUnit));
    return MatrixOperand{arith::AddIOp::create(b, operand.descriptor, advance), operand.transposed};
  };
  // What compilers leave for later, zeros of sums above all, would be written while products go on.
  holdInRegisters(b, sums);
  NVVM::WgmmaFenceAlignedOp::create(b);
  for (int64_t k = 0; k < size; k += kStep)
    warpgroupMultiplyAdd(b, from(left, k), from(right, k), sums);
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

WarpProduct::WarpProduct(GpuKernel &kernel, int64_t rowTiles, int64_t columnTiles)
    : rowTiles(rowTiles), columnTiles(columnTiles), b(kernel.b) {
  lane = b.rem(kernel.thread(), GpuKernel::warp);
  group = b.div(lane, 4);
  inGroup = b.rem(lane, 4);
}

void WarpProduct::multiplyAdd(const WarpOperand &left, const WarpOperand &right, int64_t size,
                              MutableArrayRef<Value> sums) {
  if (left.matrix.isBf16())
    multiplyBf16(left, right, size, sums);
  else
    multiplyF32(left, right, size, sums);
}

//===--------------------------------------------------------------------===//
// bf16
//===--------------------------------------------------------------------===//

/// Four matrices of 8 by 8: lanes 8 i to 8 i + 7 give the rows of the i-th.
SmallVector<Value, 4> WarpProduct::matrices(const WarpOperand &operand, Value eightRows, Value chunk) {
  auto type = VectorType::get({4, 2}, b.getBF16Type());
  Value loaded = nvgpu::LdMatrixOp::create(b, type, operand.matrix.memory,
                                           operand.matrix.at(eightRows, b.rem(lane, 8), chunk),
                                           /*transpose=*/operand.transposed, /*numTiles=*/4);
  Value flat = vector::BitCastOp::create(b, VectorType::get({4, 1}, b.getI32Type()), loaded);
  SmallVector<Value, 4> words;
  for (int64_t i = 0; i < 4; ++i)
    words.push_back(vector::ExtractOp::create(b, flat, ArrayRef<int64_t>{i, 0}));
  return words;
}

void WarpProduct::multiplyBf16(const WarpOperand &left, const WarpOperand &right, int64_t size,
                               MutableArrayRef<Value> sums) {
  Value matrix = b.div(lane, 8), low = b.rem(matrix, 2), high = b.div(matrix, 2);
  // The left operand's matrices are in the order of rows, then of k; the right one's of k, then of columns.
  auto load = [&](const WarpOperand &operand, int64_t offset, int64_t k, Value across, Value along) {
    Value first = b.add(operand.first, offset);
    if (operand.transposed)
      return matrices(operand, b.add(b.mul(along, 8), k), b.add(b.div(first, 8), across));
    return matrices(operand, b.add(first, b.mul(across, 8)), b.add(along, k / 8));
  };
  for (int64_t k = 0; k < size; k += kStep) {
    SmallVector<SmallVector<Value, 4>> rows;
    for (int64_t tile = 0; tile < rowTiles; ++tile)
      rows.push_back(load(left, tile * 16, k, low, high));
    for (int64_t pair = 0; pair < columnTiles; pair += 2) {
      SmallVector<Value, 4> columns = load(right, pair * 8, k, high, low);
      for (int64_t tile = 0; tile < rowTiles; ++tile)
        for (int64_t i = 0; i < 2; ++i)
          codegen::multiplyAdd(b, rows[tile], ArrayRef(columns).slice(2 * i, 2),
                               sums.slice((tile * columnTiles + pair + i) * sumsPerTile, sumsPerTile));
    }
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
