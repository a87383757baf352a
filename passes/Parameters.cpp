//===- Parameters.cpp - values that are known when the program is compiled ---------------------------===//

#include "passes/Parameters.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace llmc;

bool passes::isParameterExpression(Value value) {
  if (nn::isParameter(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() || !isPure(op))
    return false;
  bool reads = false;
  for (Value operand : op->getOperands()) {
    Operation *constant = operand.getDefiningOp();
    if (constant && constant->hasTrait<OpTrait::ConstantLike>())
      continue;
    if (!isParameterExpression(operand))
      return false;
    reads = true;
  }
  return reads;
}

void passes::moveParameterBefore(Value value, Operation *op) {
  Operation *definition = value.getDefiningOp();
  if (!definition || definition->getBlock() != op->getBlock() || definition->isBeforeInBlock(op))
    return;
  for (Value operand : definition->getOperands())
    moveParameterBefore(operand, op);
  definition->moveBefore(op);
}

RankedTensorType passes::withElementType(Value value, Type elementType) {
  return cast<RankedTensorType>(value.getType()).clone(elementType);
}
