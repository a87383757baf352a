//===- ReferenceModel.cpp - a model that stays as it is, beside the one that learns -----------------------===//

#include "frontend/recipe/LossFunction.h"
#include "frontend/recipe/TrainingGraph.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace llmc::recipe {

static std::string nameOf(StringRef param) { return (kReferencePrefix + param).str(); }

Value addReferenceModel(func::FuncOp loss, ModuleOp reference) {
  OpBuilder b(loss);
  for (auto param : reference.getOps<nn::ParamOp>()) {
    auto copy = cast<nn::ParamOp>(b.clone(*param));
    copy.setSymName(nameOf(param.getSymName()));
    copy->setAttr(nn::kFrozenAttribute, b.getUnitAttr());
    copy->setAttr(kReferenceAttribute, b.getUnitAttr());
    // By which it is read, as nothing saves it.
    if (!param->hasAttr(kFirstNameAttribute))
      copy->setAttr(kFirstNameAttribute, param.getSymNameAttr());
  }
  auto function = cast<func::FuncOp>(reference.lookupSymbol("loss"));
  IRMapping mapping;
  for (BlockArgument argument : function.getArguments()) {
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
    mapping.map(argument, addInput(loss, name.getValue(), argument.getType()));
  }
  b.setInsertionPoint(loss.front().getTerminator());
  nn::CrossEntropyOp entropy = crossEntropyOf(function);
  for (Operation &op : function.front().without_terminator()) {
    if (&op == entropy.getOperation())
      continue;
    Operation *copy = b.clone(op, mapping);
    if (auto load = dyn_cast<nn::LoadOp>(copy))
      load.setParam(nameOf(load.getParam()));
  }
  return mapping.lookup(Value(entropy.getLogits()));
}

} // namespace llmc::recipe
