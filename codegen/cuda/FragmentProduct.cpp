//===- FragmentProduct.cpp - matrix products on tensor cores with fused epilogues ----------------------===//

#include "codegen/cuda/FragmentProduct.h"

#include "codegen/cuda/FragmentReader.h"
#include "codegen/cuda/SharedMatrix.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr int64_t kPanel = FragmentLayout::tileOutputs;
/// Columns of operand B: rows of x that one instruction works on.
constexpr int64_t kRows = 8;
/// Sums of one instruction that a thread holds: of outputs g, g, g + 8, g + 8 and rows 2 t, 2 t + 1, 2 t, 2 t
/// + 1.
constexpr int64_t kSums = 4;
/// Records of x that shared memory has room for.
constexpr int64_t kStages = 4;
/// Bytes of weights that a warp asks for before it uses the first.
constexpr int64_t kBytesInFlight = 4096;

class ProductEmitter {
public:
  ProductEmitter(GpuKernel &gpu, TileEmitter &tile, FragmentProduct &kernel)
      : gpu(gpu), b(gpu.b), tile(tile), kernel(kernel),
        classes(tileClasses(kernel.stores, kPanel, kernel.panelsPerTile)),
        blockRows(kernel.rowsPerBlock / kRows) {
    tile.productResult = kernel.linear.getResult();
    tile.panelElements = kPanel;
  }

  void run() {
    Value thread = gpu.thread(), warp = b.div(thread, GpuKernel::warp);
    lane = b.rem(thread, GpuKernel::warp);
    inputWarp = b.rem(warp, kernel.inputWarps);
    Value outputWarp = b.div(warp, kernel.inputWarps);
    Value index = b.add(b.mul(gpu.block(kernel.outputDimension()), kernel.outputWarps), outputWarp);
    firstRow = b.mul(gpu.block(kernel.rowDimension()), kernel.rowsPerBlock);

    // Where each class has its tile, and the panels of the one that `index` is.
    SmallVector<Value> panels(largestNeed(), b.index(0));
    int64_t first = 0;
    for (const TileClass &tileClass : classes) {
      Place place;
      place.isHere =
          arith::AndIOp::create(b, atLeast(index, first), isBelow(index, b.index(first + tileClass.count)));
      Value inClass = arith::SubIOp::create(b, index, b.index(first));
      place.inHead = b.rem(inClass, tileClass.tilesPerHead);
      place.base = b.add(
          b.add(b.mul(b.div(inClass, tileClass.tilesPerHead), tileClass.headPanels), tileClass.firstPanel),
          b.mul(place.inHead, tileClass.step));
      for (auto [panel, offset] : llvm::zip(panels, neededPanels(tileClass)))
        panel = arith::SelectOp::create(b, place.isHere, b.add(place.base, offset), panel);
      places.push_back(place);
      first += tileClass.count;
    }
    sums = kernel.staged ? sumStaged(panels) : addUpWarps(sumProducts(panels));
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, inputWarp, b.index(0));
    b.ifThen(isFirst, [&] {
      for (auto [tileClass, place] : llvm::zip(classes, places))
        b.ifThen(place.isHere, [&] { storeTile(tileClass, place); });
    });
  }

private:
  struct Place {
    Value isHere, inHead, base;
  };

  Value atLeast(Value x, int64_t bound) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, x, b.index(bound));
  }
  Value isBelow(Value x, Value bound) { return b.less(x, bound); }

  /// Panels of the product, relative to a tile's first, that its stores need.
  SmallVector<int64_t> neededPanels(const TileClass &tileClass) {
    tile.rotaryPanels = tileClass.rotates ? tileClass.offsets[1] : 0;
    SmallVector<int64_t> needed;
    for (int64_t offset : tileClass.offsets)
      tile.demand(tileClass.store->value, offset, needed);
    llvm::sort(needed);
    return needed;
  }

  size_t largestNeed() {
    size_t most = 1;
    for (const TileClass &tileClass : classes)
      most = std::max(most, neededPanels(tileClass).size());
    return most;
  }

  //===--------------------------------------------------------------------===//
  // Sums
  //===--------------------------------------------------------------------===//

  /// Sums of products: panels x blocks of rows x kSums, of this warp's inputs. The weights of the next
  /// records are asked for before those at hand are multiplied, and the first ones before x is made.
  SmallVector<Value> sumProducts(ArrayRef<Value> panels) {
    const int64_t records = kernel.weights.records(kernel.inputs);
    const int64_t loadBytes = kernel.weights.recordBytes() * static_cast<int64_t>(panels.size());
    const int64_t perWarp = (records + kernel.inputWarps - 1) / kernel.inputWarps;
    const int64_t most = std::clamp<int64_t>(kBytesInFlight / loadBytes, 1, perWarp);
    const int64_t batches = (perWarp + most - 1) / most, batch = (perWarp + batches - 1) / batches;
    const int64_t stride = batch * kernel.inputWarps;
    FragmentReader reader(b, kernel.weights, kernel.w, lane);
    // Record i of a batch; behind the last one that again, which is not multiplied.
    auto recordAt = [&](Value base, int64_t i) {
      return b.add(b.add(base, i * kernel.inputWarps), inputWarp);
    };
    auto load = [&](Value base) {
      SmallVector<Value> words;
      for (int64_t i = 0; i < batch; ++i)
        for (Value panel : panels)
          reader.append(reader.load(panel, b.min(recordAt(base, i), b.index(records - 1))), words);
      return words;
    };
    SmallVector<Value> carried(panels.size() * blockRows * kSums, b.f32(0));
    const size_t sumCount = carried.size();
    llvm::append_range(carried, load(b.index(0)));
    if (kernel.prologue)
      kernel.prologue();
    auto multiply = [&](Value base, ValueRange words, SmallVector<Value> totals) {
      const size_t perRecord = words.size() / batch;
      for (int64_t i = 0; i < batch; ++i)
        totals = addIfThere(reader, panels.size(), recordAt(base, i), words.slice(i * perRecord, perRecord),
                            totals);
      return totals;
    };
    if (batches > 1)
      carried = b.loop(b.index(0), b.index((batches - 1) * stride), stride, carried,
                       [&](Value base, ValueRange now) {
                         SmallVector<Value> words = load(b.add(base, stride));
                         SmallVector<Value> next = addAll(reader, panels.size(), base, batch,
                                                          now.drop_front(sumCount), now.take_front(sumCount));
                         next.append(words);
                         return next;
                       });
    SmallVector<Value> totals(carried.begin(), carried.begin() + sumCount);
    return multiply(b.index((batches - 1) * stride), ValueRange(carried).drop_front(sumCount), totals);
  }

  /// Multiplies a batch of records that are all there.
  SmallVector<Value> addAll(FragmentReader &reader, size_t panels, Value base, int64_t batch,
                            ValueRange words, SmallVector<Value> totals) {
    const size_t perRecord = words.size() / batch;
    for (int64_t i = 0; i < batch; ++i) {
      Value record = b.add(b.add(base, i * kernel.inputWarps), inputWarp);
      addRecord(reader, reader.split(words.slice(i * perRecord, perRecord), panels), record, totals);
    }
    return totals;
  }

  /// Multiplies a record if it is one of the weight's.
  SmallVector<Value> addIfThere(FragmentReader &reader, size_t panels, Value record, ValueRange words,
                                ArrayRef<Value> totals) {
    const int64_t records = kernel.weights.records(kernel.inputs);
    auto branch =
        scf::IfOp::create(b, TypeRange(ValueRange(totals)), isBelow(record, b.index(records)), true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> sums(totals);
    addRecord(reader, reader.split(words, panels), record, sums);
    scf::YieldOp::create(b, sums);
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, totals);
    return llvm::to_vector_of<Value>(branch.getResults());
  }

  void addRecord(FragmentReader &reader, ArrayRef<FragmentReader::Record> panels, Value record,
                 SmallVectorImpl<Value> &totals) {
    const FragmentLayout &layout = kernel.weights;
    const int64_t stepsPerGroup = layout.groupSize / FragmentLayout::stepInputs;
    SmallVector<Value> zeros(kSums, b.f32(0));
    for (int64_t group = 0; group < layout.groups(); ++group) {
      SmallVector<SmallVector<Value>> parts(panels.size() * blockRows), inputSums(blockRows);
      for (int64_t s = 0; s < stepsPerGroup; ++s) {
        const int64_t step = group * stepsPerGroup + s;
        SmallVector<SmallVector<Value, 2>> inputs;
        for (int64_t n = 0; n < blockRows; ++n)
          inputs.push_back(loadInputs(n, record, step));
        for (auto [p, panel] : llvm::enumerate(panels)) {
          SmallVector<Value, 4> operand = reader.operand(panel, step);
          for (int64_t n = 0; n < blockRows; ++n) {
            SmallVector<Value> &part = parts[p * blockRows + n];
            auto total = MutableArrayRef(totals).slice((p * blockRows + n) * kSums, kSums);
            part = multiply(operand, inputs[n],
                            !part.empty()          ? ArrayRef<Value>(part)
                            : layout.isQuantized() ? ArrayRef<Value>(zeros)
                                                   : ArrayRef<Value>(total));
          }
        }
        // Minima multiply the sum of a group's inputs: that is a product with ones.
        if (layout.hasMin)
          for (int64_t n = 0; n < blockRows; ++n) {
            SmallVector<Value> ones(4, b.i32(0x3f803f80));
            inputSums[n] =
                multiply(ones, inputs[n],
                         inputSums[n].empty() ? ArrayRef<Value>(zeros) : ArrayRef<Value>(inputSums[n]));
          }
      }
      for (size_t p = 0; p < panels.size(); ++p) {
        std::pair<Value, Value> scales[2];
        for (int64_t high = 0; layout.isQuantized() && high < 2; ++high)
          scales[high] = reader.scale(panels[p], group, high);
        for (int64_t n = 0; n < blockRows; ++n)
          for (int64_t i = 0; i < kSums; ++i) {
            Value &total = totals[(p * blockRows + n) * kSums + i];
            Value part = parts[p * blockRows + n][i];
            if (!layout.isQuantized()) {
              total = part;
              continue;
            }
            auto [scale, minimum] = scales[i / 2];
            total = LLVM::FMAOp::create(b, scale, part, total);
            if (minimum)
              total = LLVM::FMAOp::create(b, minimum, inputSums[n][i], total);
          }
      }
    }
  }

  /// Operand B: of the row that this lane has, two pairs of inputs. Rows that the step has not are those of
  /// its last.
  SmallVector<Value, 2> loadInputs(int64_t n, Value record, int64_t step) {
    Value row = b.add(b.add(firstRow, n * kRows), b.div(lane, 4));
    row = b.min(row, arith::SubIOp::create(b, kernel.rows, b.index(1)));
    Value column = b.add(b.mul(record, FragmentLayout::recordInputs), step * FragmentLayout::stepInputs);
    column = b.add(column, b.mul(b.rem(lane, 4), 2));
    SmallVector<Value, 2> pairs;
    for (int64_t upper = 0; upper < 2; ++upper) {
      Value pair = vector::LoadOp::create(b, VectorType::get({2}, b.getBF16Type()), kernel.x,
                                          ValueRange{row, b.add(column, upper * kRows)},
                                          /*nontemporal=*/false, llvm::MaybeAlign(4));
      Value word = vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), pair);
      pairs.push_back(vector::ExtractOp::create(b, word, 0));
    }
    return pairs;
  }

  SmallVector<Value> multiply(ArrayRef<Value> operandA, ArrayRef<Value> operandB, ArrayRef<Value> sums) {
    SmallVector<Value> result(sums);
    multiplyAdd(b, operandA, operandB, result);
    return result;
  }

  //===--- Rows by way of shared memory ---===//

  /// Words of the weights of a record, panel by panel.
  SmallVector<Value> loadRecord(FragmentReader &reader, ArrayRef<Value> panels, Value record) {
    SmallVector<Value> words;
    for (Value panel : panels)
      reader.append(reader.load(panel, record), words);
    return words;
  }

  /// Starts to copy the records of x that the first `ahead` turns need.
  void copyFirstRows(int64_t ahead) {
    const int64_t records = kernel.weights.records(kernel.inputs);
    stages =
        gpu.shared(sharedType({kStages, kernel.rowsPerBlock, FragmentLayout::recordInputs}, b.getBF16Type()));
    for (int64_t s = 0; s < ahead; ++s)
      token = copyRows(b.index(s), b.index(std::min(s, records - 1)));
  }

  /// Waits for the copies of a turn, behind which those of `ahead` - 1 turns are under way.
  void waitForRows(int64_t ahead) {
    nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(static_cast<int32_t>(ahead - 1)));
    if (kernel.warpgroups)
      showCopiesToWarpgroups(b);
    gpu.barrier();
  }

  /// Starts to copy what the turn after the next `ahead` - 1 needs; behind the last record that again.
  void copyRowsAhead(Value record, int64_t ahead) {
    Value last = b.index(kernel.weights.records(kernel.inputs) - 1);
    copyRows(b.rem(b.add(record, ahead), kStages), b.min(b.add(record, ahead), last));
  }

  /// Sums of products of all inputs. While a record of x is multiplied the next ones are on their way to
  /// shared memory, and the next record of weights to registers.
  SmallVector<Value> sumStaged(ArrayRef<Value> panels) {
    FragmentReader reader(b, kernel.weights, kernel.w, lane);
    SmallVector<Value> sums =
        kernel.warpgroups ? sumByWarpgroups(reader, panels) : sumByWarps(reader, panels);
    // The block's last copies are of records that it has had.
    nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(0));
    return sums;
  }

  SmallVector<Value> sumByWarps(FragmentReader &reader, ArrayRef<Value> panels) {
    const int64_t records = kernel.weights.records(kernel.inputs), ahead = kStages - 1;
    copyFirstRows(ahead);
    SmallVector<Value> carried(panels.size() * blockRows * kSums, b.f32(0));
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
  SmallVector<Value> sumByWarpgroups(FragmentReader &reader, ArrayRef<Value> panels) {
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
    SmallVector<Value> sums(panels.size() * blockRows * kSums, b.f32(0));
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

  /// Chunks of 8 inputs of a row lie in an order that differs from row to row, so that eight rows are read
  /// without conflicts: chunk c of row r at place c ^ (r % 8).
  static constexpr int64_t kChunk = 8;
  static constexpr int64_t kChunks = FragmentLayout::recordInputs / kChunk;

  Value copyRows(Value stage, Value record) {
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
  void multiplyRecord(FragmentReader &reader, ValueRange words, Value stage, size_t panels,
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
        Value loaded =
            nvgpu::LdMatrixOp::create(b, type, stages, ValueRange{stage, b.add(row, n * kRows), column},
                                      /*transpose=*/false, /*numTiles=*/4);
        Value flat = vector::BitCastOp::create(b, VectorType::get({4, 1}, b.getI32Type()), loaded);
        SmallVector<Value, 4> inputs;
        for (int64_t i = 0; i < 4; ++i)
          inputs.push_back(vector::ExtractOp::create(b, flat, ArrayRef<int64_t>{i, 0}));
        for (size_t p = 0; p < panels; ++p)
          for (int64_t k = 0; k < 2; ++k) {
            auto total = MutableArrayRef(totals).slice((p * blockRows + n + k) * kSums, kSums);
            llvm::copy(multiply(operands[p], ArrayRef(inputs).slice(2 * k, 2), total), total.begin());
          }
      }
    }
  }

  /// Asks for the products of a record: `operands` are the weights', in the order of steps, then of panels.
  /// Products of the record before go on, so that sums may not be touched, as startWarpgroupProducts() does.
  void startProducts(SmallVector<Value> operands, Value stage, size_t panels, MutableArrayRef<Value> totals) {
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
                             totals.slice(p * blockRows * kSums, blockRows * kSums));
    }
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
  }

  /// Adds the sums of the warps that share a tile; the first of them gets the totals.
  SmallVector<Value> addUpWarps(SmallVector<Value> partial) {
    if (kernel.inputWarps == 1)
      return partial;
    const auto count = static_cast<int64_t>(partial.size());
    Value exchange = gpu.shared(
        sharedType({kernel.inputWarps * kernel.outputWarps, count, GpuKernel::warp}, b.getF32Type()));
    Value warp = b.div(gpu.thread(), GpuKernel::warp);
    for (int64_t i = 0; i < count; ++i)
      b.store(partial[i], exchange, {warp, b.index(i), lane});
    gpu.barrier();
    for (int64_t i = 0; i < count; ++i)
      for (int64_t other = 1; other < kernel.inputWarps; ++other) {
        // Only the first warp uses them, but all may add.
        Value from = b.rem(b.add(warp, other), kernel.inputWarps * kernel.outputWarps);
        partial[i] = b.addf(partial[i], b.load(exchange, {from, b.index(i), lane}));
      }
    return partial;
  }

  //===--------------------------------------------------------------------===//
  // Epilogue
  //===--------------------------------------------------------------------===//

  void storeTile(const TileClass &tileClass, const Place &place) {
    needed = neededPanels(tileClass);
    tile.base = place.base;
    tile.panelInHead = tileClass.rotates ? place.inHead : Value();
    for (int64_t n = 0; n < blockRows; ++n)
      for (int64_t member = 0; member < 2; ++member) {
        Value row = b.add(b.add(firstRow, n * kRows + member), b.mul(b.rem(lane, 4), 2));
        b.ifThen(isBelow(row, kernel.rows), [&] {
          for (int64_t high = 0; high < 2; ++high)
            storeElements(tileClass, n, row, member, high);
        });
      }
  }

  /// What this thread has of one row, in each panel of a tile.
  void storeElements(const TileClass &tileClass, int64_t n, Value row, int64_t member, int64_t high) {
    tile.reset();
    tile.row = row;
    tile.inPanel = b.add(b.div(lane, 4), high * 8);
    tile.product = [&](int64_t offset) {
      const int64_t slot = llvm::find(needed, offset) - needed.begin();
      Value sum = b.broadcast(sums[(slot * blockRows + n) * kSums + high * 2 + member]);
      return kernel.bias ? b.addf(sum, b.loadVector(kernel.bias, {tile.columnOf(b.add(tile.base, offset))}))
                         : sum;
    };
    for (int64_t offset : tileClass.offsets)
      storeElement(*tileClass.store, tile.at(tileClass.store->value, offset), row, b.add(tile.base, offset));
  }

  void storeElement(const Store &store, Value value, Value row, Value panel) {
    const int64_t headPanels = store.layout.panelsPerHead(kPanel);
    switch (store.kind) {
    case Store::Kind::Rows:
      b.storeVector(b.roundTo(store.destination, value), store.destination, {row, tile.columnOf(panel)});
      return;
    case Store::Kind::Output: {
      Value column = tile.columnOf(panel);
      auto put = [&] { b.storeVector(value, store.destination, {row, column}); };
      if (store.layout.headSize % kPanel == 0)
        put();
      else
        b.ifThen(isBelow(column, b.index(store.layout.headSize)), put);
      return;
    }
    case Store::Kind::CacheKey:
    case Store::Kind::CacheValue: {
      Value position = arith::IndexCastOp::create(b, b.getIndexType(), b.load(kernel.positions, {row}));
      b.storeVector(b.roundTo(store.destination, value), store.destination,
                    {b.div(panel, headPanels), position, tile.columnOf(b.rem(panel, headPanels))});
      return;
    }
    }
  }

  GpuKernel &gpu;
  KernelBuilder &b;
  TileEmitter &tile;
  FragmentProduct &kernel;
  const SmallVector<TileClass> classes;
  const int64_t blockRows; ///< instructions side by side for the rows of a block
  Value lane, inputWarp, firstRow;
  Value stages; ///< records of x in shared memory
  Value token;  ///< of a copy: waits are for groups by their number, whichever token they are given
  SmallVector<Place> places;   ///< of classes
  SmallVector<Value> sums;     ///< panels x blockRows x kSums
  SmallVector<int64_t> needed; ///< of the tile that is emitted
};

} // namespace

int64_t FragmentProduct::blocks() const {
  int64_t count = 0;
  for (const TileClass &tileClass : tileClasses(stores, kPanel, panelsPerTile))
    count += tileClass.count;
  return (count + outputWarps - 1) / outputWarps;
}

void FragmentProduct::emit(GpuKernel &kernel, TileEmitter &tile) {
  ProductEmitter(kernel, tile, *this).run();
}

} // namespace llmc::codegen
