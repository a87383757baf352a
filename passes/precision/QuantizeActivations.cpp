//===- QuantizeActivations.cpp - integer products ----------------------------------------------------===//

#include "mlir/IR/Remarks.h"
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
      return NumericBound::relative(5e-4,
                                    "activations are rounded to 16 bits, with one scale for 32 of them");
    return NumericBound::relative(0.05, "activations are rounded to 8 bits, with one scale for 32 of them");
  }

  void runOnOperation() override {
    if (bits != 8 && bits != 16) {
      getOperation()->emitError() << "nn-quantize-activations makes codes of 8 or 16 bits, not "
                                  << bits.getValue();
      return signalPassFailure();
    }
    auto format = BlockType::get(&getContext(), bits == 16 ? BlockFormat::Q16_0 : BlockFormat::Q8_0);
    // The quantized form of each activation. A value is quantized where it is defined, so that all readers
    // can share it.
    DenseMap<Value, Value> quantized;
    getOperation().walk([&](LinearOp op) {
      Value input = op.getInput();
      if (!isBlockQuantized(op.getWeight()) || isBlockQuantized(input))
        return;
      // A known width is that of the weight, which consists of whole blocks.
      if (ShapedType::isDynamic(cast<ShapedType>(input.getType()).getDimSize(1))) {
        remark::missed(op.getLoc(),
                       remark::RemarkOpts::name("QuantizeActivations").category("nn-quantize-activations"))
            << remark::reason("the width of the input is not known");
        count(1, "products left alone");
        return;
      }
      Value &converted = quantized[input];
      if (!converted) {
        OpBuilder builder(op);
        builder.setInsertionPointAfterValue(input);
        converted = ConvertOp::create(builder, op.getLoc(), input, format);
        count(1, "activations quantized");
      }
      op.getInputMutable().assign(converted);
      count(1, "products of integers");
    });
  }
};

} // namespace
