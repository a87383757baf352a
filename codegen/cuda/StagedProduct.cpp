//===- StagedProduct.cpp - products of many rows, which lie in shared memory ---------------------------===//

#include "codegen/cuda/ProductEmitter.h"
#include "codegen/cuda/SharedMatrix.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Records of x that shared memory has room for.
constexpr int64_t kStages = 4;
/// Chunks of 8 inputs of a row lie in an order that differs from row to row, so that eight rows are read
/// without conflicts: chunk c of row r at place c ^ (r % 8).
constexpr int64_t kChunk = 8;
constexpr int64_t kChunks = FragmentLayout::recordInputs / kChunk;

} // namespace

/// Words of the weights of a record, panel by panel.
SmallVector<Value> ProductEmitter::loadRecord(FragmentReader &reader, ArrayRef<Value> panels, Value record) {
  SmallVector<Value> words;
  for (Value panel : panels)
    reader.append(reader.load(panel, record), words);
  return words;
}

/// Starts to copy the records of x that the first `ahead` turns need.
void ProductEmitter::copyFirstRows(int64_t ahead) {
  const int64_t records = kernel.weights.records(kernel.inputs);
  stages =
      gpu.shared(sharedType({kStages, kernel.rowsPerBlock, FragmentLayout::recordInputs}, b.getBF16Type()));
  for (int64_t s = 0; s < ahead; ++s)
    token = copyRows(b.index(s), b.index(std::min(s, records - 1)));
}

/// Waits for the copies of a turn, behind which those of `ahead` - 1 turns are under way.
void ProductEmitter::waitForRows(int64_t ahead) {
  nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(static_cast<int32_t>(ahead - 1)));
  if (kernel.warpgroups)
    showCopiesToWarpgroups(b);
  gpu.barrier();
}

/// Starts to copy what the turn after the next `ahead` - 1 needs; behind the last record that again.
void ProductEmitter::copyRowsAhead(Value record, int64_t ahead) {
  Value last = b.index(kernel.weights.records(kernel.inputs) - 1);
  copyRows(b.rem(b.add(record, ahead), kStages), b.min(b.add(record, ahead), last));
}

/// Sums of products of all inputs. While a record of x is multiplied the next ones are on their way to
/// shared memory, and the next record of weights to registers.
SmallVector<Value> ProductEmitter::sumStaged(ArrayRef<Value> panels) {
  FragmentReader reader(b, kernel.weights, kernel.w, lane);
  SmallVector<Value> sums = kernel.warpgroups ? sumByWarpgroups(reader, panels) : sumByWarps(reader, panels);
  // The block's last copies are of records that it has had.
  nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(0));
  return sums;
}

SmallVector<Value> ProductEmitter::sumByWarps(FragmentReader &reader, ArrayRef<Value> panels) {
  const int64_t records = kernel.weights.records(kernel.inputs), ahead = kStages - 1;
  copyFirstRows(ahead);
  SmallVector<Value> carried(panels.size() * blockRows * instructionSums, b.f32(0));
  const size_t sumCount = carried.size();
  llvm::append_range(carried, loadRecord(reader, panels, b.index(0)));
  Value last = b.index(records - 1);
  SmallVector<Value> result =
      b.loop(b.index(0), b.index(records), 1, carried, [&](Value record, ValueRange now) {
        waitForRows(ahead);
        copyRowsAhead(record, ahead);
        SmallVector<Value> next(now.take_front(sumCount)),
            words = loadRecord(reader, panels, b.min(b.add(record, 1), last));
        multiplyRecord(reader, now.drop_front(sumCount), b.rem(record, kStages), panels.size(), next);
        next.append(words);
        return next;
      });
  result.resize(sumCount);
  return result;
}

/// By the matrix instructions of warpgroups, which read x from shared memory themselves. They work on a
/// record while weights of the next one become operands in registers that the record before has left: two
/// turns of the loop at a time, with registers of their own. Words of quantized weights, which are few, are
/// asked for a record earlier. Memory of x is filled again two turns after.
SmallVector<Value> ProductEmitter::sumByWarpgroups(FragmentReader &reader, ArrayRef<Value> panels) {
  const int64_t records = kernel.weights.records(kernel.inputs), ahead = kStages - 2;
  const bool isQuantized = kernel.weights.isQuantized();
  copyFirstRows(ahead);
  Value last = b.index(records - 1);
  auto wordsOf = [&](Value record) { return loadRecord(reader, panels, b.min(record, last)); };
  auto operandsOf = [&](ValueRange words) {
    SmallVector<Value> operands;
    for (int64_t step = 0; step < FragmentLayout::steps; ++step)
      for (const FragmentReader::Record &weights : reader.split(words, panels.size()))
        llvm::append_range(operands, reader.scaledOperand(weights, step));
    return operands;
  };
  SmallVector<Value> sums(panels.size() * blockRows * instructionSums, b.f32(0));
  // What compilers leave for later, zeros above all, would be written while products go on.
  holdInRegisters(b, sums);
  // The operands of a record, and the words of the next one if weights are quantized.
  struct Weights {
    SmallVector<Value> operands, words;
  };
  auto turn = [&](Value record, Weights &weights, MutableArrayRef<Value> totals) {
    waitForRows(ahead);
    startProducts(weights.operands, b.rem(record, kStages), panels.size(), totals);
    copyRowsAhead(record, ahead);
    SmallVector<Value> words;
    if (isQuantized)
      words = wordsOf(b.add(record, 2));
    NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
    weights.operands = operandsOf(isQuantized ? weights.words : wordsOf(b.add(record, 1)));
    weights.words = words;
  };
  Weights first{operandsOf(wordsOf(b.index(0))), {}};
  if (isQuantized)
    first.words = wordsOf(b.index(1));
  const size_t sumCount = sums.size(), operandCount = first.operands.size();
  SmallVector<Value> carried(sums);
  llvm::append_range(carried, first.operands);
  llvm::append_range(carried, first.words);
  carried = b.loop(b.index(0), b.index(records / 2 * 2), 2, carried, [&](Value record, ValueRange now) {
    SmallVector<Value> next(now.take_front(sumCount));
    Weights weights{SmallVector<Value>(now.slice(sumCount, operandCount)),
                    SmallVector<Value>(now.drop_front(sumCount + operandCount))};
    turn(record, weights, next);
    turn(b.add(record, 1), weights, next);
    llvm::append_range(next, weights.operands);
    llvm::append_range(next, weights.words);
    return next;
  });
  SmallVector<Value> operands(ArrayRef(carried).slice(sumCount, operandCount));
  carried.resize(sumCount);
  if (records % 2 == 1) {
    waitForRows(ahead);
    startProducts(operands, b.index((records - 1) % kStages), panels.size(), carried);
  }
  waitForWarpgroupProducts(b, 0, carried);
  return carried;
}

Value ProductEmitter::copyRows(Value stage, Value record) {
  Value thread = gpu.thread();
  SmallVector<Value> tokens;
  auto type = nvgpu::DeviceAsyncTokenType::get(b.getContext());
  for (int64_t first = 0; first < kernel.rowsPerBlock * kChunks; first += kernel.threads()) {
    Value index = b.add(thread, first), row = b.div(index, kChunks), chunk = b.rem(index, kChunks);
    Value from = b.min(b.add(firstRow, row), arith::SubIOp::create(b, kernel.rows, b.index(1)));
    Value column = b.add(b.mul(record, FragmentLayout::recordInputs), b.mul(chunk, kChunk));
    Value place = arith::XOrIOp::create(b, chunk, b.rem(row, kChunks));
    tokens.push_back(nvgpu::DeviceAsyncCopyOp::create(
        b, type, stages, ValueRange{stage, row, b.mul(place, kChunk)}, kernel.x, ValueRange{from, column},
        b.getIndexAttr(kChunk), Value(), b.getUnitAttr()));
  }
  return nvgpu::DeviceAsyncCreateGroupOp::create(b, type, tokens);
}

/// Adds the products of a record to `totals`. `words` are the weights' words, panel by panel.
void ProductEmitter::multiplyRecord(FragmentReader &reader, ValueRange words, Value stage, size_t panels,
                                    SmallVectorImpl<Value> &totals) {
  const SmallVector<FragmentReader::Record> records = reader.split(words, panels);
  Value inGroup = b.rem(lane, 8), matrix = b.div(lane, 8);
  Value row = b.add(b.mul(b.div(lane, 16), 8), inGroup);
  for (int64_t step = 0; step < FragmentLayout::steps; ++step) {
    SmallVector<SmallVector<Value, 4>> operands;
    for (const FragmentReader::Record &record : records)
      operands.push_back(reader.scaledOperand(record, step));
    Value chunk = arith::XOrIOp::create(b, b.add(b.rem(matrix, 2), step * 2), inGroup);
    Value column = b.mul(chunk, kChunk);
    // Two blocks of rows at a time: matrices of the first and second inputs of each.
    for (int64_t n = 0; n < blockRows; n += 2) {
      auto type = VectorType::get({4, 2}, b.getBF16Type());
      Value loaded = nvgpu::LdMatrixOp::create(b, type, stages,
                                               ValueRange{stage, b.add(row, n * instructionRows), column},
                                               /*transpose=*/false, /*numTiles=*/4);
      Value flat = vector::BitCastOp::create(b, VectorType::get({4, 1}, b.getI32Type()), loaded);
      SmallVector<Value, 4> inputs;
      for (int64_t i = 0; i < 4; ++i)
        inputs.push_back(vector::ExtractOp::create(b, flat, ArrayRef<int64_t>{i, 0}));
      for (size_t p = 0; p < panels; ++p)
        for (int64_t k = 0; k < 2; ++k) {
          auto total =
              MutableArrayRef(totals).slice((p * blockRows + n + k) * instructionSums, instructionSums);
          llvm::copy(multiply(operands[p], ArrayRef(inputs).slice(2 * k, 2), total), total.begin());
        }
    }
  }
}

/// Asks for the products of a record: `operands` are the weights', in the order of steps, then of panels.
/// Products of the record before go on, so that sums may not be touched, as startWarpgroupProducts() does.
void ProductEmitter::startProducts(SmallVector<Value> operands, Value stage, size_t panels,
                                   MutableArrayRef<Value> totals) {
  constexpr size_t kOperand = 4;
  Value base = arith::IndexCastOp::create(b, b.getI64Type(),
                                          Value(memref::ExtractAlignedPointerAsIndexOp::create(b, stages)));
  const int64_t stageBytes = kernel.rowsPerBlock * FragmentLayout::recordInputs * 2;
  Value offset = arith::IndexCastOp::create(b, b.getI64Type(), b.mul(stage, stageBytes));
  const MatrixOperand x{matrixDescriptor(b, arith::AddIOp::create(b, base, offset)), false, stageBytes};
  holdInRegisters(b, operands);
  NVVM::WgmmaFenceAlignedOp::create(b);
  for (int64_t step = 0; step < FragmentLayout::steps; ++step) {
    const MatrixOperand here = x.from(b, step * FragmentLayout::stepInputs);
    for (size_t p = 0; p < panels; ++p)
      warpgroupMultiplyAdd(b, ArrayRef(operands).slice((step * panels + p) * kOperand, kOperand), here,
                           totals.slice(p * blockRows * instructionSums, blockRows * instructionSums));
  }
  NVVM::WgmmaGroupSyncAlignedOp::create(b);
}

} // namespace llmc::codegen
