//===- Parameters.cpp - values that are known when the program is compiled ---------------------------===//

#include "passes/Parameters.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace llmc;

/// Whether `value` is computed from values that are `known` and constants, and from one of the former at
/// least.
static bool isComputedFrom(Value value, function_ref<bool(Value)> known) {
  if (known(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() || !isPure(op))
    return false;
  bool reads = false;
  for (Value operand : op->getOperands()) {
    Operation *definition = operand.getDefiningOp();
    if (definition && definition->hasTrait<OpTrait::ConstantLike>())
      continue;
    if (!isComputedFrom(operand, known))
      return false;
    reads = true;
  }
  return reads;
}

bool passes::isParameterExpression(Value value) { return isComputedFrom(value, nn::isParameter); }

bool passes::isLoadExpression(Value value) {
  return isComputedFrom(value, [](Value leaf) { return leaf.getDefiningOp<nn::LoadOp>() != nullptr; });
}

void passes::moveParameterBefore(Value value, Operation *op) {
  Operation *definition = value.getDefiningOp();
  if (!definition || definition->getBlock() != op->getBlock() || definition->isBeforeInBlock(op))
    return;
  for (Value operand : definition->getOperands())
    moveParameterBefore(operand, op);
  definition->moveBefore(op);
}
