//===- StreamedProduct.cpp - products of one row, to which weights stream ------------------------------===//
//
// A step of one row takes as long as its weights need to come. A block works on one tile after the other. One
// of its warps has the copy engine fill stages of shared memory with weights: of the next tile while this
// one's sums are added up and stored, and of the first while the kernel before goes on. The others share the
// inputs of a stage.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cuda/CopyEngine.h"
#include "codegen/cuda/ProductEmitter.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Shared memory of a block: two kernels find room on a multiprocessor.
constexpr int64_t kBlockBytes = 110 << 10;
/// The most bytes that a stage has of a panel, if a record of each warp is no more.
constexpr int64_t kPanelBytes = 10 << 10, kMostStages = 16;
/// Sums of a panel that one row has in a thread: of outputs g and g + 8.
constexpr int64_t kRowSums = 2;

} // namespace

WeightStream FragmentProduct::stream(int64_t panels) const {
  WeightStream plan{};
  const int64_t records = weights.records(inputs);
  plan.records = 1;
  while (2 * plan.records * inputWarps <= records &&
         2 * plan.records * inputWarps * weights.recordBytes() <= kPanelBytes)
    plan.records *= 2;
  const int64_t ofAll = plan.records * inputWarps;
  plan.turns = (records + ofAll - 1) / ofAll;
  plan.panelBytes = ofAll * weights.recordBytes();
  const int64_t exchange = 2 * inputWarps * panels * kRowSums * GpuKernel::warp * 4;
  const int64_t row = records * FragmentLayout::recordInputs * 2;
  plan.stages = std::min((kBlockBytes - exchange - row) / (panels * plan.panelBytes), kMostStages);
  return plan;
}

void ProductEmitter::runStreamed() {
  const auto panels = static_cast<int64_t>(largestNeed());
  const WeightStream stream = kernel.stream(panels);
  const int64_t tiles = kernel.blocks();
  Value ring = gpu.shared(sharedType({stream.stages, panels * stream.panelBytes}, b.getI8Type()));
  StageBarriers arrivals(gpu, stream.stages, 1), releases(gpu, stream.stages, kernel.inputWarps),
      rowArrival(gpu, 1, 1);
  StageBarriers exchanges(gpu, 2, kernel.inputWarps);
  isFirstLane = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, b.index(0));
  Value warp = b.div(gpu.thread(), GpuKernel::warp);
  Value brings = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, gpu.thread(),
                                       b.index(kernel.inputWarps * GpuKernel::warp));
  b.ifThen(brings, [&] {
    for (StageBarriers *barriers : {&arrivals, &releases, &rowArrival, &exchanges})
      barriers->initialize();
  });
  gpu.barrier();

  // Item i of a block is turn i % turns of its tile i / turns.
  Value tilesHere =
      arith::CeilDivUIOp::create(b, arith::SubIOp::create(b, b.index(tiles), gpu.block()), gpu.blocks(tiles));
  Value items = b.mul(tilesHere, stream.turns), first = b.min(items, b.index(stream.stages));
  auto bring = [&](Value item) {
    Value tileIndex = b.add(gpu.block(), b.mul(b.div(item, stream.turns), gpu.blocks(tiles)));
    Value offset = b.mul(b.rem(item, stream.turns), stream.panelBytes), stage = b.rem(item, stream.stages);
    Value bytes = b.min(arith::SubIOp::create(b, b.index(kernel.weights.tileBytes(kernel.inputs)), offset),
                        b.index(stream.panelBytes));
    arrivals.expect(stage, b.mul(bytes, panels));
    for (auto [p, panel] : llvm::enumerate(find(tileIndex, nullptr)))
      arrivals.copyBytes(kernel.w, {panel, offset}, ring,
                         {stage, b.index(static_cast<int64_t>(p) * stream.panelBytes)}, bytes, stage);
  };
  b.ifThen(brings, [&] { b.loop(b.index(0), first, 1, bring); });
  gpu.launchDependents();
  gpu.waitForEarlierLaunches();
  bringRow(rowArrival, brings);
  b.ifThen(brings, [&] {
    b.loop(first, items, 1, [&](Value item) {
      // What was there before has been read as often as the stage was filled.
      Value round = b.div(item, stream.stages);
      releases.wait(b.rem(item, stream.stages), b.rem(b.add(round, 1), 2));
      bring(item);
    });
  });
  b.ifThen(b.less(warp, b.index(kernel.inputWarps)),
           [&] { sumStream(stream, ring, arrivals, releases, exchanges); });
}

/// What the warps do that multiply.
void ProductEmitter::sumStream(const WeightStream &stream, Value ring, StageBarriers &arrivals,
                               StageBarriers &releases, StageBarriers &exchanges) {
  const auto panels = static_cast<int64_t>(largestNeed());
  const int64_t records = kernel.weights.records(kernel.inputs), ofAll = stream.records * kernel.inputWarps;
  Value exchange =
      gpu.shared(sharedType({2, kernel.inputWarps, panels * kRowSums, GpuKernel::warp}, b.getF32Type()));
  FragmentReader reader(b, kernel.weights, ring, lane);
  firstRow = b.index(0);
  gpu.forEachWork(kernel.blocks(), {b.index(0)}, [&](Value index, ValueRange carried) -> SmallVector<Value> {
    Value count = carried[0];
    SmallVector<Place> places;
    find(index, &places);
    SmallVector<Value> zeros(static_cast<size_t>(panels * instructionSums), b.f32(0));
    sums = b.loop(b.index(0), b.index(stream.turns), 1, zeros, [&](Value turn, ValueRange now) {
      Value item = b.add(b.mul(count, stream.turns), turn), stage = b.rem(item, stream.stages);
      arrivals.wait(stage, b.rem(b.div(item, stream.stages), 2));
      Value own = b.mul(inputWarp, stream.records);
      SmallVector<SmallVector<FragmentReader::Record>> loaded;
      for (int64_t i = 0; i < stream.records; ++i) {
        loaded.emplace_back();
        for (int64_t p = 0; p < panels; ++p)
          loaded.back().push_back(reader.load(stage, b.add(own, p * ofAll + i)));
      }
      gpu.syncWarp();
      b.ifThen(isFirstLane, [&] { releases.arrive(stage); });
      SmallVector<Value> totals(now);
      for (int64_t i = 0; i < stream.records; ++i) {
        Value record = b.add(b.add(b.mul(turn, ofAll), own), i);
        auto multiply = [&] {
          SmallVector<Value> added(totals);
          addRecord(reader, loaded[static_cast<size_t>(i)], record, added);
          return added;
        };
        totals =
            records % ofAll == 0 ? multiply() : valuesIf(b.less(record, b.index(records)), multiply, totals);
      }
      return totals;
    });
    addUpStreamed(exchange, exchanges, count, places);
    return {b.add(count, 1)};
  });
}

/// Makes x a row in shared memory, by the prologue or as it was made.
void ProductEmitter::bringRow(StageBarriers &arrival, Value brings) {
  if (kernel.prologue)
    return kernel.prologue();
  const int64_t width = kernel.weights.records(kernel.inputs) * FragmentLayout::recordInputs;
  Value row = gpu.shared(sharedType({1, width}, b.getBF16Type())), first = b.index(0);
  b.ifThen(brings, [&] {
    arrival.expect(first, b.index(width * 2));
    arrival.copyBytes(kernel.x, {first, first}, row, {first, first}, b.index(width * 2), first);
  });
  arrival.wait(first, first);
  kernel.x = row;
}

/// Adds up what warps have of a tile, and has one of them store it: each in its turn, so that the others go
/// on. There are two buffers: who stores reads one while others write the next.
void ProductEmitter::addUpStreamed(Value exchange, StageBarriers &exchanges, Value count,
                                   ArrayRef<Place> places) {
  const auto panels = static_cast<int64_t>(sums.size()) / instructionSums;
  Value buffer = b.rem(count, 2);
  auto eachSum = [&](llvm::function_ref<void(Value &, Value)> body) {
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t high = 0; high < kRowSums; ++high)
        body(sums[static_cast<size_t>(p * instructionSums + high * 2)], b.index(p * kRowSums + high));
  };
  eachSum([&](Value &sum, Value which) { b.store(sum, exchange, {buffer, inputWarp, which, lane}); });
  gpu.syncWarp();
  b.ifThen(isFirstLane, [&] { exchanges.arrive(buffer); });
  exchanges.wait(buffer, b.rem(b.div(count, 2), 2));
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
