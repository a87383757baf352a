//===- ExpandRope.cpp - rotary tables ----------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "passes/NumericBound.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_EXPANDROPE
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

struct ExpandRope : passes::impl::ExpandRopeBase<ExpandRope>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override {
    return NumericBound::exact(); // nn.rope is defined as the two operations
  }

  void runOnOperation() override {
    getOperation().walk([&](Block *block) { runOnBlock(*block); });
  }

private:
  void runOnBlock(Block &block) {
    // A table is its positions and its type and attributes.
    DenseMap<std::pair<Value, Attribute>, RopeTableOp> tables;
    for (RopeOp rope : llvm::make_early_inc_range(block.getOps<RopeOp>())) {
      OpBuilder builder(rope);
      auto inputType = cast<RankedTensorType>(rope.getInput().getType());
      auto positions = cast<RankedTensorType>(rope.getPositions().getType());
      // Angles keep their precision where activations are bf16.
      Type element = inputType.getElementType().isF64() ? builder.getF64Type() : builder.getF32Type();
      auto type =
          RankedTensorType::get({positions.getDimSize(0), static_cast<int64_t>(rope.getDims())}, element);
      auto key =
          ArrayAttr::get(&getContext(), {rope.getDimsAttr(), rope.getThetaAttr(), TypeAttr::get(type),
                                         rope.getScalingAttr() ? Attribute(rope.getScalingAttr())
                                                               : Attribute(UnitAttr::get(&getContext()))});
      RopeTableOp &table = tables[{rope.getPositions(), key}];
      if (!table) {
        table = RopeTableOp::create(builder, rope.getLoc(), type, rope.getPositions(), rope.getDimsAttr(),
                                    rope.getThetaAttr(), rope.getScalingAttr());
        count(1, "tables");
      }
      auto rotate = RotateOp::create(builder, rope.getLoc(), rope.getInput(), table, rope.getHeadsAttr(),
                                     rope.getStyleAttr());
      rope.replaceAllUsesWith(rotate.getResult());
      rope.erase();
      count(1, "rotations");
    }
  }
};

} // namespace
