//===- FragmentProduct.cpp - matrix products on tensor cores with fused epilogues ----------------------===//

#include "codegen/cuda/ProductEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Bytes of weights that a warp asks for before it uses the first.
constexpr int64_t kBytesInFlight = 4096;

} // namespace

ProductEmitter::ProductEmitter(GpuKernel &gpu, TileEmitter &tile, FragmentProduct &kernel)
    : gpu(gpu), b(gpu.b), tile(tile), kernel(kernel),
      classes(tileClasses(kernel.stores, panelOutputs, kernel.panelsPerTile)),
      blockRows(kernel.rowsPerBlock / instructionRows) {
  tile.productResult = kernel.linear.getResult();
  tile.panelElements = panelOutputs;
}

void ProductEmitter::run() {
  Value thread = gpu.thread(), warp = b.div(thread, GpuKernel::warp);
  lane = b.rem(thread, GpuKernel::warp);
  inputWarp = b.rem(warp, kernel.inputWarps);
  if (kernel.streamed) {
    // Reading it takes time, and would be repeated wherever it is needed.
    SmallVector<Value> held{arith::IndexCastOp::create(b, b.getI32Type(), lane)};
    holdInRegisters(b, held);
    lane = b.rem(arith::IndexCastOp::create(b, b.getIndexType(), held[0]), GpuKernel::warp);
    return runStreamed();
  }
  Value outputWarp = b.div(warp, kernel.inputWarps);
  Value index = b.add(b.mul(gpu.block(kernel.outputDimension()), kernel.outputWarps), outputWarp);
  firstRow = b.mul(gpu.block(kernel.rowDimension()), kernel.rowsPerBlock);
  SmallVector<Place> places;
  SmallVector<Value> panels = find(index, &places);
  sums = kernel.staged ? sumStaged(panels) : addUpWarps(sumProducts(panels));
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, inputWarp, b.index(0));
  b.ifThen(isFirst, [&] { storeTiles(places); });
}

SmallVector<Value> ProductEmitter::find(Value index, SmallVectorImpl<Place> *found) {
  SmallVector<Value> panels(largestNeed(), b.index(0));
  int64_t first = 0;
  for (const TileClass &tileClass : classes) {
    Place place;
    Value isBehind = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, index, b.index(first));
    place.isHere = arith::AndIOp::create(b, isBehind, b.less(index, b.index(first + tileClass.count)));
    Value inClass = arith::SubIOp::create(b, index, b.index(first));
    place.inHead = b.rem(inClass, tileClass.tilesPerHead);
    place.base = b.add(
        b.add(b.mul(b.div(inClass, tileClass.tilesPerHead), tileClass.headPanels), tileClass.firstPanel),
        b.mul(place.inHead, tileClass.step));
    for (auto [panel, offset] : llvm::zip(panels, neededPanels(tile, tileClass)))
      panel = arith::SelectOp::create(b, place.isHere, b.add(place.base, offset), panel);
    if (found)
      found->push_back(place);
    first += tileClass.count;
  }
  return panels;
}

size_t ProductEmitter::largestNeed() {
  size_t most = 1;
  for (const TileClass &tileClass : classes)
    most = std::max(most, neededPanels(tile, tileClass).size());
  return most;
}

SmallVector<Value> ProductEmitter::valuesIf(Value condition, llvm::function_ref<SmallVector<Value>()> compute,
                                            ValueRange otherwise) {
  auto branch = scf::IfOp::create(b, TypeRange(otherwise), condition, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, compute());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, otherwise);
  return llvm::to_vector_of<Value>(branch.getResults());
}

//===--------------------------------------------------------------------===//
// Sums
//===--------------------------------------------------------------------===//

/// Sums of products: panels x blocks of rows x instructionSums, of this warp's inputs. The weights of the
/// next records are asked for before those at hand are multiplied, and the first ones before x is made.
SmallVector<Value> ProductEmitter::sumProducts(ArrayRef<Value> panels) {
  const int64_t records = kernel.weights.records(kernel.inputs);
  const int64_t loadBytes = kernel.weights.recordBytes() * static_cast<int64_t>(panels.size());
  const int64_t perWarp = (records + kernel.inputWarps - 1) / kernel.inputWarps;
  const int64_t most = std::clamp<int64_t>(kBytesInFlight / loadBytes, 1, perWarp);
  const int64_t batches = (perWarp + most - 1) / most, batch = (perWarp + batches - 1) / batches;
  const int64_t stride = batch * kernel.inputWarps;
  FragmentReader reader(b, kernel.weights, kernel.w, lane);
  // Record i of a batch; behind the last one that again, which is not multiplied.
  auto recordAt = [&](Value base, int64_t i) { return b.add(b.add(base, i * kernel.inputWarps), inputWarp); };
  auto load = [&](Value base) {
    SmallVector<Value> words;
    for (int64_t i = 0; i < batch; ++i)
      for (Value panel : panels)
        reader.append(reader.load(panel, b.min(recordAt(base, i), b.index(records - 1))), words);
    return words;
  };
  SmallVector<Value> carried(panels.size() * blockRows * instructionSums, b.f32(0));
  const size_t sumCount = carried.size();
  llvm::append_range(carried, load(b.index(0)));
  gpu.waitForEarlierLaunches();
  if (kernel.prologue)
    kernel.prologue();
  if (batches > 1)
    carried =
        b.loop(b.index(0), b.index((batches - 1) * stride), stride, carried, [&](Value base, ValueRange now) {
          SmallVector<Value> words = load(b.add(base, stride));
          SmallVector<Value> next =
              addAll(reader, panels.size(), base, batch, now.drop_front(sumCount), now.take_front(sumCount));
          next.append(words);
          return next;
        });
  // The last batch may end before it is full.
  SmallVector<Value> totals(carried.begin(), carried.begin() + sumCount);
  const ValueRange words = ValueRange(carried).drop_front(sumCount);
  const size_t perRecord = words.size() / batch;
  for (int64_t i = 0; i < batch; ++i) {
    Value record = recordAt(b.index((batches - 1) * stride), i);
    auto multiply = [&] {
      SmallVector<Value> added(totals);
      addRecord(reader, reader.split(words.slice(i * perRecord, perRecord), panels.size()), record, added);
      return added;
    };
    totals = valuesIf(b.less(record, b.index(records)), multiply, totals);
  }
  return totals;
}

/// Multiplies a batch of records that are all there.
SmallVector<Value> ProductEmitter::addAll(FragmentReader &reader, size_t panels, Value base, int64_t batch,
                                          ValueRange words, SmallVector<Value> totals) {
  const size_t perRecord = words.size() / batch;
  for (int64_t i = 0; i < batch; ++i) {
    Value record = b.add(b.add(base, i * kernel.inputWarps), inputWarp);
    addRecord(reader, reader.split(words.slice(i * perRecord, perRecord), panels), record, totals);
  }
  return totals;
}

void ProductEmitter::addRecord(FragmentReader &reader, ArrayRef<FragmentReader::Record> panels, Value record,
                               SmallVectorImpl<Value> &totals) {
  const FragmentLayout &layout = kernel.weights;
  const int64_t stepsPerGroup = layout.groupSize / FragmentLayout::stepInputs;
  const SmallVector<Value> zeros(instructionSums, b.f32(0));
  SmallVector<SmallVector<SmallVector<Value, 2>>> inputs;
  for (int64_t n = 0; n < blockRows; ++n)
    inputs.push_back(loadInputs(n, record));
  for (int64_t group = 0; group < layout.groups(); ++group) {
    SmallVector<SmallVector<Value>> parts(panels.size() * blockRows), inputSums(blockRows);
    for (int64_t s = 0; s < stepsPerGroup; ++s) {
      const int64_t step = group * stepsPerGroup + s;
      for (auto [p, panel] : llvm::enumerate(panels)) {
        SmallVector<Value, 4> operand = reader.operand(panel, step);
        for (int64_t n = 0; n < blockRows; ++n) {
          SmallVector<Value> &part = parts[p * blockRows + n];
          auto total = MutableArrayRef(totals).slice((p * blockRows + n) * instructionSums, instructionSums);
          part = multiply(operand, inputs[n][step],
                          !part.empty()          ? ArrayRef<Value>(part)
                          : layout.isQuantized() ? ArrayRef<Value>(zeros)
                                                 : ArrayRef<Value>(total));
        }
      }
      // Minima, and what operands are more than codes, multiply the sum of a group's inputs: that is a
      // product with ones.
      if (layout.isQuantized() && (layout.hasMin || codeOffset(reader) != 0))
        for (int64_t n = 0; n < blockRows; ++n) {
          SmallVector<Value> ones(4, b.i32(0x3f803f80));
          inputSums[n] =
              multiply(ones, inputs[n][step],
                       inputSums[n].empty() ? ArrayRef<Value>(zeros) : ArrayRef<Value>(inputSums[n]));
        }
    }
    for (size_t p = 0; p < panels.size(); ++p) {
      std::pair<Value, Value> scales[2];
      for (int64_t high = 0; layout.isQuantized() && high < 2; ++high)
        scales[high] = reader.scale(panels[p], group, high);
      for (int64_t n = 0; n < blockRows; ++n)
        for (int64_t i = 0; i < instructionSums; ++i) {
          Value &total = totals[(p * blockRows + n) * instructionSums + i];
          Value part = parts[p * blockRows + n][i];
          if (!layout.isQuantized()) {
            total = part;
            continue;
          }
          if (const double offset = codeOffset(reader))
            part = LLVM::FMAOp::create(b, inputSums[n][i], b.f32(-offset), part);
          auto [scale, minimum] = scales[i / 2];
          total = LLVM::FMAOp::create(b, scale, part, total);
          if (minimum)
            total = LLVM::FMAOp::create(b, minimum, inputSums[n][i], total);
        }
    }
  }
}

/// By how much operands are more than codes less zeroCode.
double ProductEmitter::codeOffset(const FragmentReader &reader) const {
  return static_cast<double>(reader.operandOffset() + kernel.weights.zeroCode);
}

/// Of the row that this lane has, two pairs of inputs for each step. Rows that the step has not are those of
/// its last.
SmallVector<SmallVector<Value, 2>> ProductEmitter::loadInputs(int64_t n, Value record) {
  SmallVector<SmallVector<Value, 2>> inputs(FragmentLayout::steps);
  Value first = b.mul(record, FragmentLayout::recordInputs);
  if (kernel.streamed) {
    // The one row stands for all eight; a matrix of it has eight inputs.
    Value place = b.add(first, b.mul(b.div(lane, instructionRows), instructionRows));
    for (int64_t step = 0; step < FragmentLayout::steps; step += 2) {
      Value loaded = nvgpu::LdMatrixOp::create(
          b, VectorType::get({4, 2}, b.getBF16Type()), kernel.x,
          ValueRange{b.index(0), b.add(place, step * FragmentLayout::stepInputs)}, /*transpose=*/false,
          /*numTiles=*/4);
      Value flat = vector::BitCastOp::create(b, VectorType::get({4, 1}, b.getI32Type()), loaded);
      for (int64_t i = 0; i < 4; ++i)
        inputs[step + i / 2].push_back(vector::ExtractOp::create(b, flat, ArrayRef<int64_t>{i, 0}));
    }
    return inputs;
  }
  Value row = b.add(b.add(firstRow, n * instructionRows), b.div(lane, 4));
  row = b.min(row, arith::SubIOp::create(b, kernel.rows, b.index(1)));
  Value column = b.add(first, b.mul(b.rem(lane, 4), 2));
  for (int64_t step = 0; step < FragmentLayout::steps; ++step)
    for (int64_t upper = 0; upper < 2; ++upper) {
      Value at = b.add(column, step * FragmentLayout::stepInputs + upper * instructionRows);
      Value pair = vector::LoadOp::create(b, VectorType::get({2}, b.getBF16Type()), kernel.x,
                                          ValueRange{row, at}, /*nontemporal=*/false, llvm::MaybeAlign(4));
      Value word = vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), pair);
      inputs[step].push_back(vector::ExtractOp::create(b, word, 0));
    }
  return inputs;
}

SmallVector<Value> ProductEmitter::multiply(ArrayRef<Value> operandA, ArrayRef<Value> operandB,
                                            ArrayRef<Value> sums) {
  SmallVector<Value> result(sums);
  multiplyAdd(b, operandA, operandB, result);
  return result;
}

SmallVector<Value> ProductEmitter::addUpWarps(SmallVector<Value> partial) {
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

void ProductEmitter::storeTiles(ArrayRef<Place> places) {
  for (auto [tileClass, place] : llvm::zip(classes, places))
    b.ifThen(place.isHere, [&] { storeTile(tileClass, place); });
}

void ProductEmitter::storeTile(const TileClass &tileClass, const Place &place) {
  needed = neededPanels(tile, tileClass);
  tile.base = place.base;
  tile.panelInHead = tileClass.rotates ? place.inHead : Value();
  for (int64_t n = 0; n < blockRows; ++n)
    for (int64_t member = 0; member < (kernel.streamed ? 1 : 2); ++member) {
      Value row = b.add(b.add(firstRow, n * instructionRows + member), b.mul(b.rem(lane, 4), 2));
      b.ifThen(b.less(row, kernel.rows), [&] {
        for (int64_t high = 0; high < 2; ++high)
          storeElements(tileClass, n, row, member, high);
      });
    }
}

/// What this thread has of one row, in each panel of a tile.
void ProductEmitter::storeElements(const TileClass &tileClass, int64_t n, Value row, int64_t member,
                                   int64_t high) {
  tile.reset();
  tile.row = row;
  tile.inPanel = b.add(b.div(lane, 4), high * 8);
  tile.product = [&](int64_t offset) {
    const int64_t slot = llvm::find(needed, offset) - needed.begin();
    Value sum = b.broadcast(sums[(slot * blockRows + n) * instructionSums + high * 2 + member]);
    return kernel.bias ? b.addf(sum, b.loadVector(kernel.bias, {tile.columnOf(b.add(tile.base, offset))}))
                       : sum;
  };
  for (int64_t offset : tileClass.offsets)
    storeElement(*tileClass.store, tile.at(tileClass.store->value, offset), row, b.add(tile.base, offset));
}

void ProductEmitter::storeElement(const Store &store, Value value, Value row, Value panel) {
  const int64_t headPanels = store.layout.panelsPerHead(panelOutputs);
  switch (store.kind) {
  case Store::Kind::Rows:
    b.storeVector(b.roundTo(store.destination, value), store.destination, {row, tile.columnOf(panel)});
    return;
  case Store::Kind::Output: {
    Value column = tile.columnOf(panel);
    auto put = [&] { b.storeVector(value, store.destination, {row, column}); };
    if (store.layout.headSize % panelOutputs == 0)
      put();
    else
      b.ifThen(b.less(column, b.index(store.layout.headSize)), put);
    return;
  }
  case Store::Kind::CacheKey:
  case Store::Kind::CacheValue: {
    Value cache = kernel.cacheRows.of(b, store.destination, row);
    b.storeVector(b.roundTo(cache, value), cache,
                  {b.div(panel, headPanels), kernel.cacheRows.position(b, row),
                   tile.columnOf(b.rem(panel, headPanels))});
    return;
  }
  }
}

int64_t FragmentProduct::blocks() const {
  int64_t count = 0;
  for (const TileClass &tileClass : tileClasses(stores, FragmentLayout::tileOutputs, panelsPerTile))
    count += tileClass.count;
  return (count + outputWarps - 1) / outputWarps;
}

void FragmentProduct::emit(GpuKernel &kernel, TileEmitter &tile) {
  ProductEmitter(kernel, tile, *this).run();
}

} // namespace llmc::codegen
