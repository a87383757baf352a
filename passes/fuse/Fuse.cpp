//===- Fuse.cpp - which operations become one kernel -------------------------------------------------===//

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/NumericBound.h"
#include "passes/Parameters.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"
#include "llvm/ADT/SetVector.h"

namespace llmc::passes {
#define GEN_PASS_DEF_FUSE
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

remark::RemarkOpts remarkOpts() { return remark::RemarkOpts::name("Fuse").category("nn-fuse"); }

bool isActivation(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 2;
}

/// The role of `op`, if it works on activations. Element-wise operations of upstream dialects are recognized
/// by their trait.
std::optional<FusionRole> roleOf(Operation *op) {
  if (op->getNumResults() == 0 || !isPure(op) || passes::isParameterExpression(op->getResult(0)) ||
      llvm::none_of(op->getOperands(), isActivation))
    return std::nullopt;
  if (auto fusible = dyn_cast<FusionOpInterface>(op))
    return fusible.getFusionRole();
  bool wholeTensors = llvm::all_of(
      op->getOperands(), [&](Value operand) { return operand.getType() == op->getResult(0).getType(); });
  if (op->hasTrait<OpTrait::Elementwise>() && isActivation(op->getResult(0)) && wholeTensors)
    return FusionRole::Elementwise;
  return std::nullopt;
}

bool isContraction(Operation *op) { return roleOf(op) == FusionRole::Contraction; }
bool isRowWise(Operation *op) { return roleOf(op) == FusionRole::RowWise; }
/// Whether `op` works on values that are still in registers.
bool isEpilogue(Operation *op) {
  auto role = roleOf(op);
  return role == FusionRole::Elementwise || role == FusionRole::Layout || role == FusionRole::Store;
}
/// Whether a row-wise kernel can do `op`. It holds whole rows, so that it can do what an epilogue can.
bool fitsRowWiseKernel(Operation *op) { return isRowWise(op) || isEpilogue(op); }

/// Operations of one block that are to become one kernel.
class KernelPlan {
public:
  explicit KernelPlan(Operation *seed) { members.insert(seed); }

  size_t size() const { return members.size(); }
  bool contains(Operation *op) const { return members.contains(op); }

  /// Takes in row-wise operations that make the input of `product` and are read by nothing else.
  void takePrologue(Operation *product) {
    for (Operation *op = product->getOperand(0).getDefiningOp();
         op && isRowWise(op) && op->getBlock() == product->getBlock();
         op = op->getOperand(0).getDefiningOp()) {
      if (!op->hasOneUse()) {
        remark::missed(op->getLoc(), remarkOpts())
            << remark::reason("the result of {0} is read more than once", op->getName().getStringRef());
        return;
      }
      members.insert(op);
    }
  }

  /// Takes in what reads the members' results and `fits`, as long as it depends on no other operation that
  /// depends on a member.
  void takeConsumers(function_ref<bool(Operation *)> fits) {
    // An operation may be refused because of one that becomes a member later, hence once more after each
    // addition.
    for (bool grown = true; grown;) {
      grown = false;
      for (size_t i = 0; i < members.size(); ++i)
        for (Operation *user : usersInOrder(members[i]))
          if (!contains(user) && fits(user) && !dependsAround(user))
            grown |= members.insert(user);
    }
  }

  /// Makes the operations a fusion.
  FusionOp materialize();

private:
  Block *block() const { return members.front()->getBlock(); }

  /// What reads results of `op` in its own block.
  static SmallVector<Operation *> usersInOrder(Operation *op) {
    SmallVector<Operation *> users;
    for (Operation *user : op->getUsers())
      if (user->getBlock() == op->getBlock())
        users.push_back(user);
    llvm::sort(users, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return users;
  }

  /// Whether `op` reads something that is no member but depends on one, so that fusing it would make a cycle.
  bool dependsAround(Operation *op) const {
    // What `reader` and its regions read in this block.
    auto operandsOf = [&](Operation *reader) {
      SmallVector<Operation *> definitions;
      reader->walk([&](Operation *nested) {
        for (Value operand : nested->getOperands())
          if (Operation *definition = operand.getDefiningOp())
            if (Operation *here = block()->findAncestorOpInBlock(*definition); here && here != reader)
              definitions.push_back(here);
      });
      return definitions;
    };
    // Members that `op` reads itself are no detour.
    SmallVector<Operation *> worklist = operandsOf(op);
    llvm::erase_if(worklist, [&](Operation *operand) { return contains(operand); });
    DenseSet<Operation *> seen;
    while (!worklist.empty()) {
      Operation *reached = worklist.pop_back_val();
      if (contains(reached))
        return true;
      if (seen.insert(reached).second)
        llvm::append_range(worklist, operandsOf(reached));
    }
    return false;
  }

  llvm::SetVector<Operation *> members;
};

FusionOp KernelPlan::materialize() {
  SmallVector<Operation *> ordered(members.getArrayRef());
  llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  llvm::SetVector<Value> inputs;
  SmallVector<Value> results;
  SmallVector<Location> locations;
  for (Operation *op : ordered) {
    locations.push_back(op->getLoc());
    for (Value operand : op->getOperands())
      if (!operand.getDefiningOp() || !contains(operand.getDefiningOp()))
        inputs.insert(operand);
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !contains(user); }))
        results.push_back(result);
  }

  OpBuilder builder(ordered.back());
  Location loc = builder.getFusedLoc(locations);
  auto fusion = FusionOp::create(builder, loc, ValueRange(results).getTypes(), inputs.getArrayRef());
  Block &body = fusion.getBody().emplaceBlock();
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body.addArgument(input.getType(), input.getLoc()));
  builder.setInsertionPointToStart(&body);
  for (Operation *op : ordered)
    builder.clone(*op, mapping);
  YieldOp::create(builder, loc,
                  llvm::map_to_vector(results, [&](Value result) { return mapping.lookup(result); }));

  for (auto [result, made] : llvm::zip(results, fusion.getResults()))
    result.replaceAllUsesWith(made);
  for (Operation *op : llvm::reverse(ordered))
    op->erase();
  // The fusion stands where its last operation stood; what reads its other results may stand before.
  sortTopologically(fusion->getBlock());
  return fusion;
}

struct Fuse : passes::impl::FuseBase<Fuse>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](FunctionOpInterface function) {
      function->walk([&](Block *block) {
        if (!isa<FusionOp>(block->getParentOp()))
          blocks.push_back(block);
      });
    });
    for (Block *block : blocks) {
      fuseProducts(*block);
      fuseRowWise(*block);
    }
  }

private:
  /// From the last product to the first, so that an operation that could follow two products follows the
  /// later one.
  void fuseProducts(Block &block) {
    SmallVector<Operation *> products;
    for (Operation &op : llvm::reverse(block))
      if (isContraction(&op))
        products.push_back(&op);
    for (Operation *product : products) {
      KernelPlan plan(product);
      plan.takeConsumers(isEpilogue);
      plan.takePrologue(product);
      if (materialize(plan))
        count(1, "kernels around a product");
    }
  }

  void fuseRowWise(Block &block) {
    // A fusion ends the walk over the block, since it reorders it.
    DenseSet<Operation *> tried;
    for (auto it = block.begin(); it != block.end();) {
      Operation *op = &*it++;
      if (!fitsRowWiseKernel(op) || !tried.insert(op).second)
        continue;
      KernelPlan plan(op);
      plan.takeConsumers(fitsRowWiseKernel);
      if (materialize(plan)) {
        count(1, "row-wise kernels");
        it = block.begin();
      }
    }
  }

  /// Makes a fusion of `plan`, unless it is a single operation.
  bool materialize(KernelPlan &plan) {
    if (plan.size() == 1)
      return false;
    count(plan.size(), "operations fused");
    FusionOp fusion = plan.materialize();
    std::string names;
    llvm::raw_string_ostream stream(names);
    llvm::interleaveComma(fusion.getBody().front().without_terminator(), stream,
                          [&](Operation &op) { stream << op.getName(); });
    remark::passed(fusion.getLoc(), remarkOpts()) << remark::add("one kernel: {0}", names);
    return true;
  }
};

} // namespace
