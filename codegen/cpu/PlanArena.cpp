//===- PlanArena.cpp - places buffers of activations in one arena ------------------------------------===//
//
// Buffers that do not live at the same time share memory. A call's buffers lie within a slice of its caller's
// arena, as stack frames do, so that all layers use the same memory.
//
// Threads meet in parallel regions and nowhere else: what a thread reads between two regions it may still be
// reading while another one works in the second.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/NumericBound.h"
#include "passes/Statistics.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_PLANARENA
#include "codegen/cpu/Passes.h.inc"

namespace {

constexpr int64_t kAlignment = 64;

/// A piece of the arena that is in use from one operation of the function's block to another.
struct Interval {
  Operation *owner; ///< memref.alloc or func.call
  int64_t bytes;
  int64_t first, last;
  int64_t offset = 0;
};

/// Gives each interval an offset such that those that overlap in time do not overlap in memory: largest
/// first, each as low as possible. Returns the arena's size.
int64_t place(MutableArrayRef<Interval> intervals) {
  SmallVector<Interval *> order;
  for (Interval &interval : intervals)
    order.push_back(&interval);
  llvm::sort(order, [](Interval *a, Interval *b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes
                                : a->owner != b->owner && a->owner->isBeforeInBlock(b->owner);
  });
  int64_t size = 0;
  SmallVector<Interval *> placed;
  for (Interval *interval : order) {
    SmallVector<Interval *> rivals;
    for (Interval *other : placed)
      if (other->first <= interval->last && interval->first <= other->last)
        rivals.push_back(other);
    llvm::sort(rivals, [](Interval *a, Interval *b) { return a->offset < b->offset; });
    for (Interval *rival : rivals) {
      if (interval->offset + interval->bytes <= rival->offset)
        break;
      interval->offset = std::max(interval->offset, rival->offset + rival->bytes);
    }
    placed.push_back(interval);
    size = std::max(size, interval->offset + interval->bytes);
  }
  return size;
}

class PlanArena : public impl::PlanArenaBase<PlanArena>, public NumericallyBounded, public Counting {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    sizes.clear();
    buffers = largest = withoutReuse = 0;
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      plan(function);
    count(buffers, "buffers placed");
    count(largest, "bytes in the largest arena");
    count(withoutReuse, "bytes of its buffers side by side");
  }

private:
  /// Plans a function after those that it calls, and returns the bytes of its arena.
  int64_t plan(func::FuncOp function) {
    if (auto it = sizes.find(function); it != sizes.end())
      return it->second;
    if (function.isDeclaration())
      return sizes[function] = 0;
    SmallVector<Interval> intervals = intervalsOf(function.front());
    const int64_t size = place(intervals);
    sizes[function] = size;
    if (size == 0 && !function->hasAttr(kStepAttribute))
      return 0;
    useArena(function, size, intervals);
    if (size > largest) {
      largest = size;
      withoutReuse = 0;
      for (const Interval &interval : intervals)
        withoutReuse += interval.bytes;
    }
    return size;
  }

  /// The buffers of a block, and the arenas of the functions that it calls.
  SmallVector<Interval> intervalsOf(Block &block) {
    DenseMap<Operation *, int64_t> position;
    for (auto [index, op] : llvm::enumerate(block))
      position[&op] = index;

    // Where a buffer that is read at each position may be overwritten at the earliest: behind the region that
    // all threads enter next.
    SmallVector<int64_t> lastAccess(position.size());
    int64_t nextRegion = position.size() - 1;
    for (Operation &op : llvm::reverse(block)) {
      if (hasRegion(op))
        nextRegion = position[&op];
      lastAccess[position[&op]] = nextRegion;
    }

    SmallVector<Interval> intervals;
    for (Operation &op : block) {
      Interval interval{&op, 0, position[&op], position[&op]};
      if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
        MemRefType type = alloc.getType();
        interval.bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
        interval.first = block.getOperations().size();
        llvm::SmallPtrSet<Operation *, 8> known;
        addUses(interval, alloc, block, position, lastAccess, known);
      } else if (auto call = dyn_cast<func::CallOp>(op)) {
        interval.bytes = plan(getOperation().lookupSymbol<func::FuncOp>(call.getCallee()));
      }
      interval.bytes = (interval.bytes + kAlignment - 1) / kAlignment * kAlignment;
      if (interval.bytes > 0)
        intervals.push_back(interval);
    }
    return intervals;
  }

  /// Extends `interval` by the accesses to `buffer`, and to views of it. What threads compute of it for
  /// themselves extends it by the accesses to the results: a late thread computes them in any region that
  /// uses them.
  static void addUses(Interval &interval, Value buffer, Block &block,
                      const DenseMap<Operation *, int64_t> &position, ArrayRef<int64_t> lastAccess,
                      llvm::SmallPtrSetImpl<Operation *> &known) {
    for (Operation *user : buffer.getUsers()) {
      if (isa<ViewLikeOpInterface>(user)) {
        addUses(interval, user->getResult(0), block, position, lastAccess, known);
        continue;
      }
      if (user->hasAttr(kEveryThreadAttribute) && known.insert(user).second)
        for (Value operand : user->getOperands())
          if (operand.getDefiningOp<memref::AllocaOp>())
            addUses(interval, operand, block, position, lastAccess, known);
      const int64_t at = position.lookup(block.findAncestorOpInBlock(*user));
      interval.first = std::min(interval.first, at);
      interval.last = std::max(interval.last, lastAccess[at]);
    }
  }

  /// Gives a function an arena of `size` bytes as its last argument, and each buffer and call its piece of
  /// it.
  void useArena(func::FuncOp function, int64_t size, ArrayRef<Interval> intervals) {
    Block &block = function.front();
    OpBuilder builder(function.getContext());
    auto bytes = [&](int64_t count) { return MemRefType::get({count}, builder.getI8Type()); };
    Value arena = block.addArgument(bytes(size), function.getLoc());
    function.setFunctionType(builder.getFunctionType(block.getArgumentTypes(), function.getResultTypes()));
    function->setAttr(kArenaBytesAttribute, builder.getI64IntegerAttr(size));
    for (const Interval &interval : intervals) {
      Operation *op = interval.owner;
      builder.setInsertionPoint(op);
      Value offset = arith::ConstantIndexOp::create(builder, op->getLoc(), interval.offset);
      auto call = dyn_cast<func::CallOp>(op);
      MemRefType type = call ? bytes(sizes[getOperation().lookupSymbol(call.getCallee())])
                             : cast<memref::AllocOp>(op).getType();
      Value view = memref::ViewOp::create(builder, op->getLoc(), type, arena, offset, ValueRange{});
      if (call) {
        call->insertOperands(call->getNumOperands(), view);
        continue;
      }
      ++buffers;
      op->replaceAllUsesWith(ValueRange{view});
      op->erase();
    }
  }

  /// Whether all threads enter a parallel region in `op`.
  static bool hasRegion(Operation &op) {
    return isa<scf::ForallOp, gpu::LaunchFuncOp>(op) ||
           (isa<func::CallOp>(op) && !op.hasAttr(kEveryThreadAttribute));
  }

  DenseMap<Operation *, int64_t> sizes;
  int64_t buffers = 0, largest = 0, withoutReuse = 0;
};

} // namespace

} // namespace llmc::codegen
