//===- SetComputeType.cpp - element types of products ------------------------------------------------===//

#include "passes/NumericBound.h"
#include "passes/Parameters.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"

namespace llmc::passes {
#define GEN_PASS_DEF_SETCOMPUTETYPE
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;
using passes::ComputeType;

namespace {

Type elementTypeOf(Value value) { return cast<ShapedType>(value.getType()).getElementType(); }

/// Converts values, each to a type only once, right after their definition.
class Converter {
public:
  /// Returns `value` with elements of `elementType`.
  Value convert(Value value, Type elementType, Location loc) {
    Value &converted = known[{value, elementType}];
    if (!converted) {
      OpBuilder builder(value.getContext());
      builder.setInsertionPointAfterValue(value);
      converted = ConvertOp::create(builder, loc, value, elementType);
    }
    return converted;
  }
  unsigned count() const { return known.size(); }

private:
  DenseMap<std::pair<Value, Type>, Value> known;
};

struct SetComputeType : passes::impl::SetComputeTypeBase<SetComputeType>, NumericallyBounded, Counting {
  using SetComputeTypeBase::SetComputeTypeBase;

  NumericBound getNumericBound() const override {
    if (type == ComputeType::F32 && !bf16Inputs)
      return NumericBound::exact();
    return NumericBound::relative(0.05, "operands of bf16 products are rounded to 8 bits of mantissa");
  }

  void runOnOperation() override {
    Converter weights, inputs;
    auto f32 = Float32Type::get(&getContext());
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<ParamOp>(op))
        return WalkResult::skip(); // computed once, when the program is compiled
      convertWeights(op, weights);
      if (auto linear = dyn_cast<LinearOp>(op))
        convertInput(op, linear.getInputMutable(), linear.getWeight(), inputs);
      if (auto experts = dyn_cast<ExpertsOp>(op))
        convertInput(op, experts.getInputMutable(), {experts.getGate(), experts.getUp(), experts.getDown()},
                     inputs);
      if (auto embedding = dyn_cast<EmbeddingOp>(op))
        convertTable(embedding, weights);
      // Norm weights and biases: a few numbers, which kernels read as f32.
      for (OpOperand &operand : op->getOpOperands())
        if (readsVector(op, operand.get()))
          operand.set(weights.convert(operand.get(), f32, op->getLoc()));
      return WalkResult::advance();
    });
    count(weights.count(), "parameters converted");
    count(inputs.count(), "inputs of products converted");
  }

private:
  /// Whether `op` reads `operand` as a vector of parameters that is to be converted to f32.
  static bool readsVector(Operation *op, Value operand) {
    if (!isa<LinearOp, RmsNormOp, LayerNormOp>(op))
      return false;
    auto type = cast<RankedTensorType>(operand.getType());
    return type.getRank() == 1 && isa<Float16Type, BFloat16Type>(type.getElementType()) &&
           passes::isParameterExpression(operand);
  }

  /// What a weight with elements of `stored` is computed in.
  Type computeTypeOf(Type stored) const {
    switch (type) {
    case ComputeType::Auto:
      return stored.isF16() ? Float32Type::get(stored.getContext()) : stored;
    case ComputeType::F32:
      return Float32Type::get(stored.getContext());
    case ComputeType::BF16:
      return BFloat16Type::get(stored.getContext());
    }
    llvm_unreachable("unknown compute type");
  }

  void convertWeights(Operation *op, Converter &weights) const {
    SmallVector<OpOperand *> operands;
    if (auto linear = dyn_cast<LinearOp>(op))
      operands = {&linear.getWeightMutable()};
    else if (auto experts = dyn_cast<ExpertsOp>(op))
      operands = {&experts.getGateMutable(), &experts.getUpMutable(), &experts.getDownMutable()};
    for (OpOperand *operand : operands) {
      Type stored = elementTypeOf(operand->get()), computed = computeTypeOf(stored);
      if (computed != stored && passes::isParameterExpression(operand->get()))
        operand->set(weights.convert(operand->get(), computed, op->getLoc()));
    }
  }

  /// Kernels read no f16. A tied table becomes f32 once.
  static void convertTable(EmbeddingOp op, Converter &weights) {
    if (elementTypeOf(op.getTable()).isF16() && passes::isParameterExpression(op.getTable()))
      op.getTableMutable().assign(
          weights.convert(op.getTable(), Float32Type::get(op.getContext()), op.getLoc()));
  }

  /// A product of bf16 multiplies bf16 by bf16. `op` multiplies `input` by `weights`.
  void convertInput(Operation *op, OpOperand &input, ValueRange weights, Converter &inputs) const {
    const bool wanted = llvm::all_of(weights, [&](Value weight) {
      Type element = elementTypeOf(weight);
      return element.isBF16() || (bf16Inputs && isa<BlockType>(element));
    });
    if (wanted && !elementTypeOf(input.get()).isBF16())
      input.set(inputs.convert(input.get(), BFloat16Type::get(op->getContext()), op->getLoc()));
  }
};

} // namespace
