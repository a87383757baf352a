//===- StreamedProduct.cpp - products of one row, to which weights stream ------------------------------===//
//
// A step of one row takes as long as its weights need to come. A block works on one tile after the other, and
// each of its warps has a ring of chunks of weights in shared memory, which the copy engine fills: of the
// next tile while this one's sums are added up and stored, and of the first while the kernel before goes on.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/CopyEngine.h"
#include "codegen/cuda/ProductEmitter.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Shared memory of a block: two kernels find room on a multiprocessor.
constexpr int64_t kBlockBytes = 110 << 10;
/// The most bytes of a chunk, if a record has no more, and the most chunks that a warp has on their way.
constexpr int64_t kChunkBytes = 2560, kMostSlots = 16;
/// Sums of a panel that one row has in a thread: of outputs g and g + 8.
constexpr int64_t kRowSums = 2;

} // namespace

WeightStream FragmentProduct::stream(int64_t panels) const {
  WeightStream plan{};
  const int64_t records = weights.records(inputs);
  plan.records = 1;
  for (int64_t more = 2; records % more == 0 && records / more >= inputWarps &&
                         more * panels * weights.recordBytes() <= kChunkBytes;
       more *= 2)
    plan.records = more;
  plan.chunks = records / plan.records;
  plan.turns = (plan.chunks + inputWarps - 1) / inputWarps;
  plan.panelBytes = plan.records * weights.recordBytes();
  const int64_t exchange = 2 * inputWarps * panels * kRowSums * GpuKernel::warp * 4;
  const int64_t row = records * FragmentLayout::recordInputs * 2;
  plan.slots = std::min((kBlockBytes - exchange - row) / (inputWarps * panels * plan.panelBytes), kMostSlots);
  return plan;
}

void ProductEmitter::runStreamed() {
  const auto panels = static_cast<int64_t>(largestNeed());
  const WeightStream stream = kernel.stream(panels);
  const int64_t warps = kernel.inputWarps, tiles = kernel.blocks();
  const bool isWhole = stream.chunks % warps == 0;
  Value ring = gpu.shared(sharedType({warps * stream.slots, panels * stream.panelBytes}, b.getI8Type()));
  Value exchange = gpu.shared(sharedType({2, warps, panels * kRowSums, GpuKernel::warp}, b.getF32Type()));
  StageBarriers arrivals(gpu, warps * stream.slots, 1), rowArrival(gpu, 1, 1);
  Value isFirstLane = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, b.index(0));
  Value isFirstThread = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, gpu.thread(), b.index(0));
  b.ifThen(isFirstThread, [&] {
    arrivals.initialize();
    rowArrival.initialize();
  });
  gpu.barrier();

  auto placeOf = [&](Value item) { return b.add(b.mul(inputWarp, stream.slots), b.rem(item, stream.slots)); };
  auto chunkOf = [&](Value turn) { return b.add(b.mul(turn, warps), inputWarp); };
  auto ifThere = [&](Value chunk, llvm::function_ref<void()> body) {
    if (isWhole)
      return body();
    b.ifThen(b.less(chunk, b.index(stream.chunks)), body);
  };
  // Starts to copy what item `item` of this warp needs, if there is one: chunk by chunk, tile by tile.
  auto copy = [&](Value item) {
    Value tileIndex = b.add(gpu.block(), b.mul(b.div(item, stream.turns), gpu.blocks(tiles)));
    b.ifThen(b.less(tileIndex, b.index(tiles)), [&] {
      Value place = placeOf(item), chunk = chunkOf(b.rem(item, stream.turns));
      ifThere(chunk, [&] {
        arrivals.expect(place, panels * stream.panelBytes);
        for (auto [p, panel] : llvm::enumerate(find(tileIndex, nullptr)))
          arrivals.copyBytes(kernel.w, {panel, b.mul(chunk, stream.panelBytes)}, ring,
                             {place, b.index(static_cast<int64_t>(p) * stream.panelBytes)}, stream.panelBytes,
                             place);
      });
      if (!isWhole)
        b.ifThen(b.less(b.index(stream.chunks - 1), chunk), [&] { arrivals.arrive(place); });
    });
  };
  b.ifThen(isFirstLane, [&] { b.loop(b.index(0), b.index(stream.slots), 1, copy); });
  gpu.launchDependents();
  gpu.waitForEarlierLaunches();
  bringRow(rowArrival, isFirstThread);

  FragmentReader reader(b, kernel.weights, ring, lane);
  firstRow = b.index(0);
  const auto sumCount = static_cast<size_t>(panels * instructionSums);
  // How many tiles this block has had is how many items its warps have.
  gpu.forEachWork(tiles, {b.index(0)}, [&](Value index, ValueRange carried) -> SmallVector<Value> {
    Value count = carried[0];
    SmallVector<Place> places;
    find(index, &places);
    SmallVector<Value> zeros(sumCount, b.f32(0));
    sums = b.loop(b.index(0), b.index(stream.turns), 1, zeros, [&](Value turn, ValueRange now) {
      Value item = b.add(b.mul(count, stream.turns), turn), place = placeOf(item), chunk = chunkOf(turn);
      arrivals.wait(place, b.rem(b.div(item, stream.slots), 2));
      SmallVector<Value> words;
      for (int64_t i = 0; i < stream.records; ++i)
        for (int64_t p = 0; p < panels; ++p)
          reader.append(reader.load(place, b.index(p * stream.records + i)), words);
      gpu.syncWarp(); // all lanes have what they need
      b.ifThen(isFirstLane, [&] { copy(b.add(item, stream.slots)); });
      const size_t perRecord = words.size() / static_cast<size_t>(stream.records);
      auto multiplyChunk = [&] {
        SmallVector<Value> totals(now);
        for (int64_t i = 0; i < stream.records; ++i)
          addRecord(reader,
                    reader.split(ValueRange(words).slice(static_cast<size_t>(i) * perRecord, perRecord),
                                 static_cast<size_t>(panels)),
                    b.add(b.mul(chunk, stream.records), i), totals);
        return totals;
      };
      return isWhole ? multiplyChunk() : valuesIf(b.less(chunk, b.index(stream.chunks)), multiplyChunk, now);
    });
    addUpStreamed(exchange, count, places);
    return {b.add(count, 1)};
  });
}

/// Makes x a row in shared memory, by the prologue or as it was made.
void ProductEmitter::bringRow(StageBarriers &arrival, Value isFirstThread) {
  if (kernel.prologue)
    return kernel.prologue();
  const int64_t width = kernel.weights.records(kernel.inputs) * FragmentLayout::recordInputs;
  Value row = gpu.shared(sharedType({1, width}, b.getBF16Type())), first = b.index(0);
  b.ifThen(isFirstThread, [&] {
    arrival.expect(first, width * 2);
    arrival.copyBytes(kernel.x, {first, first}, row, {first, first}, width * 2, first);
  });
  arrival.wait(first, first);
  kernel.x = row;
}

/// Adds up what warps have of a tile, and has one of them store it: each in its turn, so that the others go
/// on. There are two buffers: who stores reads one while others write the next.
void ProductEmitter::addUpStreamed(Value exchange, Value count, ArrayRef<Place> places) {
  const auto panels = static_cast<int64_t>(sums.size()) / instructionSums;
  Value buffer = b.rem(count, 2);
  auto eachSum = [&](llvm::function_ref<void(Value &, Value)> body) {
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t high = 0; high < kRowSums; ++high)
        body(sums[static_cast<size_t>(p * instructionSums + high * 2)], b.index(p * kRowSums + high));
  };
  eachSum([&](Value &sum, Value which) { b.store(sum, exchange, {buffer, inputWarp, which, lane}); });
  gpu.barrier();
  Value isMine =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, inputWarp, b.rem(count, kernel.inputWarps));
  b.ifThen(isMine, [&] {
    eachSum([&](Value &sum, Value which) {
      sum = b.load(exchange, {buffer, b.index(0), which, lane});
      for (int64_t w = 1; w < kernel.inputWarps; ++w)
        sum = b.addf(sum, b.load(exchange, {buffer, b.index(w), which, lane}));
    });
    storeTiles(places);
  });
}

} // namespace llmc::codegen
