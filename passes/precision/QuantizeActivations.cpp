//===- QuantizeActivations.cpp - integer products ----------------------------------------------------===//

#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/NumericBound.h"
#include "passes/Parameters.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

bool isBlockQuantized(Value value) {
  return isa<BlockType>(cast<ShapedType>(value.getType()).getElementType());
}

struct QuantizeActivations : passes::impl::QuantizeActivationsBase<QuantizeActivations>,
                             NumericallyBounded,
                             Counting {
  using QuantizeActivationsBase::QuantizeActivationsBase;

  NumericBound getNumericBound() const override {
    if (bits == 16)
      return NumericBound::relative(5e-4, "activations are rounded to 16 bits and scales of weights to "
                                          "integers, each in units of 128 inputs");
    return NumericBound::relative(0.05, "activations are rounded to 8 bits, with one scale for 128 of them");
  }

  void runOnOperation() override {
    if (bits != 8 && bits != 16) {
      getOperation()->emitError() << "nn-quantize-activations makes codes of 8 or 16 bits, not "
                                  << bits.getValue();
      return signalPassFailure();
    }
    auto format = BlockType::get(&getContext(), bits == 16 ? BlockFormat::Q16_K : BlockFormat::Q8_K);
    getOperation().walk([&](LinearOp op) {
      Value input = op.getInput(), weight = op.getWeight();
      if (!isBlockQuantized(weight) || isBlockQuantized(input))
        return;
      // A known width is that of the weight, which consists of whole blocks.
      if (ShapedType::isDynamic(cast<ShapedType>(input.getType()).getDimSize(1))) {
        remark::missed(op.getLoc(),
                       remark::RemarkOpts::name("QuantizeActivations").category("nn-quantize-activations"))
            << remark::reason("the width of the input is not known");
        count(1, "products left alone");
        return;
      }
      op.getInputMutable().assign(convertOnce(input, format, "activations quantized"));
      alignWeight(op.getWeightMutable());
      count(1, "products of integers");
    });
    getOperation().walk([&](ExpertsOp op) {
      SmallVector<OpOperand *> weights = {&op.getGateMutable(), &op.getUpMutable(), &op.getDownMutable()};
      if (isBlockQuantized(op.getInput()) ||
          !llvm::all_of(weights, [](OpOperand *weight) { return isBlockQuantized(weight->get()); }))
        return;
      op.getInputMutable().assign(convertOnce(op.getInput(), format, "activations quantized"));
      for (OpOperand *weight : weights)
        alignWeight(*weight);
      count(1, "products of integers");
    });
    // A table that is a weight too would otherwise be kept twice.
    getOperation().walk([&](EmbeddingOp op) {
      if (Value table = converted.lookup(op.getTable()))
        op.getTableMutable().assign(table);
    });
    converted.clear();
  }

private:
  void alignWeight(OpOperand &weight) {
    auto stored = cast<BlockType>(getElementTypeOrSelf(weight.get()));
    weight.set(convertOnce(weight.get(), BlockType::get(&getContext(), stored.getFormat(), /*aligned=*/true),
                           "weights aligned"));
  }

  /// `value` in blocks of `format`. It is converted where it is defined, so that all readers can share it.
  Value convertOnce(Value value, BlockType format, StringRef what) {
    if (getElementTypeOrSelf(value) == format)
      return value;
    Value &result = converted[value];
    if (!result) {
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfterValue(value);
      result = ConvertOp::create(builder, value.getLoc(), value, format);
      count(1, what);
    }
    return result;
  }

  DenseMap<Value, Value> converted;
};

} // namespace
