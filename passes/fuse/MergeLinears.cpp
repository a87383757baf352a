//===- MergeLinears.cpp - sibling products as one ----------------------------------------------------===//

#include "mlir/IR/Remarks.h"
#include "passes/NumericBound.h"
#include "passes/Parameters.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"
#include "llvm/ADT/MapVector.h"

namespace llmc::passes {
#define GEN_PASS_DEF_MERGELINEARS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

using Siblings = SmallVector<LinearOp, 4>;

Type elementTypeOf(Value value) { return cast<ShapedType>(value.getType()).getElementType(); }
int64_t dim(Value value, unsigned index) { return cast<ShapedType>(value.getType()).getDimSize(index); }

remark::RemarkOpts remarkOpts() {
  return remark::RemarkOpts::name("MergeLinears").category("nn-merge-linears");
}

struct MergeLinears : passes::impl::MergeLinearsBase<MergeLinears>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    getOperation().walk([&](Block *block) {
      llvm::MapVector<Value, Siblings> byInput;
      for (LinearOp op : block->getOps<LinearOp>())
        byInput[op.getInput()].push_back(op);
      for (auto &[input, siblings] : byInput)
        if (siblings.size() > 1)
          mergeAlike(siblings);
    });
  }

private:
  /// Why `op` can be merged with no product whatever, or nothing.
  static StringRef whyNever(LinearOp op) {
    if (!passes::isParameterExpression(op.getWeight()))
      return "its weight is not a parameter";
    if (op.getBias() && !passes::isParameterExpression(op.getBias()))
      return "its bias is not a parameter";
    if (ShapedType::isDynamic(dim(op.getWeight(), 0)))
      return "its width is not known";
    return {};
  }

  /// Why `op` cannot be merged with `first`, or nothing.
  static std::string whyNotWith(LinearOp first, LinearOp op) {
    std::string reason;
    llvm::raw_string_ostream stream(reason);
    if (first.getWeight().getType().clone(op.getWeight().getType().getShape()) != op.getWeight().getType())
      stream << "weights have elements " << elementTypeOf(first.getWeight()) << " and "
             << elementTypeOf(op.getWeight());
    else if (elementTypeOf(first.getResult()) != elementTypeOf(op.getResult()))
      stream << "results have elements " << elementTypeOf(first.getResult()) << " and "
             << elementTypeOf(op.getResult());
    else if (!first.getBias() != !op.getBias())
      stream << "one has a bias and the other has none";
    else if (op.getBias() && elementTypeOf(first.getBias()) != elementTypeOf(op.getBias()))
      stream << "biases have elements " << elementTypeOf(first.getBias()) << " and "
             << elementTypeOf(op.getBias());
    return reason;
  }

  /// Merges those of `siblings` that can be merged, which may be several groups.
  void mergeAlike(ArrayRef<LinearOp> siblings) {
    SmallVector<Siblings> groups;
    for (LinearOp op : siblings) {
      if (StringRef reason = whyNever(op); !reason.empty()) {
        decline(op, reason);
        continue;
      }
      auto group =
          llvm::find_if(groups, [&](Siblings &group) { return whyNotWith(group.front(), op).empty(); });
      if (group != groups.end())
        group->push_back(op);
      else
        groups.push_back({op});
    }
    // Reasons first: merging erases the operations that they are about.
    for (auto [index, group] : llvm::enumerate(groups))
      if (group.size() == 1 && groups.size() > 1)
        decline(group.front(), whyNotWith(groups[index == 0 ? 1 : 0].front(), group.front()));
    for (Siblings &group : groups)
      if (group.size() > 1)
        merge(group);
  }

  void decline(LinearOp op, StringRef reason) {
    remark::missed(op.getLoc(), remarkOpts()) << remark::reason("{0}", reason.str());
    count(1, "products left alone");
  }

  /// The concatenation of what each of `group` reads as `operandOf`, before the first of them.
  static Value concatenate(ArrayRef<LinearOp> group, Location loc, function_ref<Value(LinearOp)> operandOf) {
    LinearOp first = group.front();
    SmallVector<Value> parts;
    for (LinearOp op : group) {
      parts.push_back(operandOf(op));
      passes::moveParameterBefore(parts.back(), first);
    }
    OpBuilder builder(first);
    return ConcatOp::create(builder, loc, parts);
  }

  void merge(ArrayRef<LinearOp> group) {
    LinearOp first = group.front();
    SmallVector<Location> locations;
    SmallVector<Type> types;
    for (LinearOp op : group) {
      locations.push_back(op.getLoc());
      types.push_back(op.getType());
    }
    Location loc = FusedLoc::get(&getContext(), locations);
    Value weight = concatenate(group, loc, [](LinearOp op) { return op.getWeight(); });
    Value bias =
        first.getBias() ? concatenate(group, loc, [](LinearOp op) { return op.getBias(); }) : Value();

    OpBuilder builder(first);
    auto resultType = cast<RankedTensorType>(first.getType());
    auto mergedType = resultType.clone({resultType.getDimSize(0), dim(weight, 0)});
    auto merged = LinearOp::create(builder, loc, mergedType, first.getInput(), weight, bias);
    auto split = SplitOp::create(builder, loc, types, merged);
    for (auto [op, part] : llvm::zip(group, split.getResults())) {
      op->getResult(0).replaceAllUsesWith(part);
      op->erase();
    }
    remark::passed(loc, remarkOpts())
        << remark::add("{0} products of width {1} in all became one", group.size(), dim(weight, 0));
    count(group.size(), "products merged");
    count(1, "products made of them");
  }
};

} // namespace
