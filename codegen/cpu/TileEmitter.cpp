//===- TileEmitter.cpp - values of a fusion on registers -----------------------------------------------===//

#include "codegen/cpu/TileEmitter.h"

#include "codegen/cpu/ElementwiseMath.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/NotSupported.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace llmc::codegen {

LogicalResult checkElementwise(Operation *op) {
  const bool isActivation = isa<nn::SiluOp, nn::GeluOp, nn::ReluOp, nn::ScaleOp, nn::SoftcapOp>(op);
  if (!isActivation && !isElementwiseMath(op))
    return emitNotSupported(op) << "is not supported here by the CPU code generator: expected one that works "
                                   "element by element";
  if (Type type = op->getResultTypes()[0]; !getElementTypeOrSelf(type).isF32())
    return emitNotSupported(op) << "on " << type
                                << " is not supported by the CPU code generator, which computes in f32";
  if (!isActivation && !becomesInstructions(op))
    return emitNotSupported(op) << "has neither instructions nor a polynomial on vectors of f32 that is good "
                                   "for all numbers, which the CPU code generator needs";
  return success();
}

bool keepsPaddingZero(Operation *op) { return !isElementwiseMath(op) || keepsZero(op); }

// math.exp, math.tanh and math.erf on vectors become polynomials in the lowering to LLVM
// (ApproximateMath.cpp).
Value emitExp(KernelBuilder &b, Value x) { return math::ExpOp::create(b, x); }

Value TileEmitter::at(Value value, int64_t offset) {
  auto key = std::pair(value, offset);
  if (auto it = computed.find(key); it != computed.end())
    return it->second;
  Value result = compute(value, offset);
  computed[key] = result;
  return result;
}

Value TileEmitter::loadPanel(Value buffer, int64_t offset) {
  auto type = cast<MemRefType>(buffer.getType());
  Value column = columnOf(b.add(base, offset));
  if (type.getRank() == 1)
    return b.loadVector(buffer, {column});
  return b.loadVector(buffer, {row, column});
}

Value TileEmitter::compute(Value value, int64_t offset) {
  if (value == productResult)
    return product(offset);
  if (auto it = known.find(value); it != known.end())
    return it->second(offset);
  if (auto it = buffers.find(value); it != buffers.end())
    return loadPanel(it->second, offset);
  Operation *op = value.getDefiningOp();
  if (auto split = dyn_cast<nn::SplitOp>(op))
    return at(split.getInput(), offset + splitBase.lookup(value));
  if (auto rotation = dyn_cast<nn::RotateOp>(op))
    return rotate(rotation, offset);
  return elementwise(op, offset);
}

Value TileEmitter::rotate(nn::RotateOp op, int64_t offset) {
  if (rotaryPanels == 0) // These dimensions do not rotate.
    return at(op.getInput(), offset);
  // The tile is one pair of panels: offset 0 holds first members, offset rotaryPanels the second ones.
  Value table = buffers.lookup(op.getTable());
  Value column = columnOf(panelInHead);
  Value cosine = b.loadVector(table, {row, column});
  Value sine = b.loadVector(table, {row, b.add(column, rotaryPanels * panelElements)});
  Value first = at(op.getInput(), 0), second = at(op.getInput(), rotaryPanels);
  if (offset == 0)
    return b.subf(b.mulf(first, cosine), b.mulf(second, sine));
  return b.fma(first, sine, b.mulf(second, cosine));
}

Value TileEmitter::elementwise(Operation *op, int64_t offset) {
  SmallVector<Value> x;
  for (Value operand : op->getOperands())
    x.push_back(at(operand, offset));
  auto logistic = [&](Value v) {
    return b.divf(b.splat(1), b.addf(b.splat(1), emitExp(b, arith::NegFOp::create(b, v))));
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<nn::SiluOp>([&](auto) { return b.mulf(x[0], logistic(x[0])); })
      .Case<nn::ReluOp>([&](auto) { return b.maxf(x[0], b.splat(0)); })
      .Case<nn::ScaleOp>([&](auto op) { return b.mulf(x[0], b.splat(op.getFactor().convertToDouble())); })
      .Case<nn::SoftcapOp>([&](auto op) {
        double cap = op.getCap().convertToDouble();
        return b.mulf(math::TanhOp::create(b, b.mulf(x[0], b.splat(1 / cap))), b.splat(cap));
      })
      .Case<nn::GeluOp>([&](nn::GeluOp op) -> Value {
        if (op.getKind() == nn::GeluKind::Sigmoid)
          return b.mulf(x[0], logistic(b.mulf(x[0], b.splat(1.702))));
        Value inner;
        if (op.getKind() == nn::GeluKind::Exact) {
          inner = math::ErfOp::create(b, b.mulf(x[0], b.splat(0.70710678118654752440)));
        } else {
          Value cube = b.mulf(b.mulf(x[0], x[0]), x[0]);
          inner = math::TanhOp::create(
              b, b.mulf(b.splat(0.79788456080286535588), b.fma(cube, b.splat(0.044715), x[0])));
        }
        return b.mulf(b.mulf(x[0], b.splat(0.5)), b.addf(b.splat(1), inner));
      })
      .Default([&](Operation *op) {
        Value y = applyElementwise(b, op, x);
        return keepsZero(op) ? y : clearPadding(op->getResult(0), y, offset);
      });
}

Value TileEmitter::clearPadding(Value value, Value vector, int64_t offset) {
  const int64_t width = cast<RankedTensorType>(value.getType()).getDimSize(1);
  if (width % panelElements == 0)
    return vector;
  Value column = columnOf(b.add(base, offset));
  Value left = arith::SubIOp::create(b, b.index(width), column);
  auto maskType = VectorType::get({b.lanes}, b.getI1Type());
  Value mask = vector::CreateMaskOp::create(b, maskType, ValueRange{left});
  return arith::SelectOp::create(b, mask, vector, b.splat(0));
}

void TileEmitter::demand(Value value, int64_t offset, SmallVectorImpl<int64_t> &panels) {
  llvm::SetVector<std::pair<Value, int64_t>> pending;
  pending.insert({value, offset});
  for (size_t i = 0; i < pending.size(); ++i) {
    auto [wanted, at] = pending[i];
    Operation *op = wanted.getDefiningOp();
    if (wanted == productResult) {
      if (!llvm::is_contained(panels, at))
        panels.push_back(at);
    } else if (!op || buffers.contains(wanted)) {
      continue;
    } else if (auto split = dyn_cast<nn::SplitOp>(op)) {
      pending.insert({split.getInput(), at + splitBase.lookup(wanted)});
    } else if (auto rotation = dyn_cast<nn::RotateOp>(op)) {
      pending.insert({rotation.getInput(), rotaryPanels == 0 ? at : 0});
      pending.insert({rotation.getInput(), rotaryPanels == 0 ? at : rotaryPanels});
    } else {
      for (Value operand : op->getOperands())
        pending.insert({operand, at});
    }
  }
}

} // namespace llmc::codegen
