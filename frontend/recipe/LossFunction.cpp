//===- LossFunction.cpp - changes of @loss -----------------------------------------------------------------===//

#include "frontend/recipe/LossFunction.h"

#include "dialects/nn/Rows.h"

using namespace mlir;

namespace llmc::recipe {

Value findInput(func::FuncOp function, StringRef name) {
  for (BlockArgument argument : function.getArguments())
    if (auto mark = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
        mark && mark.getValue() == name)
      return argument;
  return nullptr;
}

Value addInput(func::FuncOp function, StringRef name, Type type) {
  if (Value there = findInput(function, name))
    return there;
  Builder b(function.getContext());
  const unsigned index = function.getNumArguments();
  (void)function.insertArgument(
      index, type, b.getDictionaryAttr(b.getNamedAttr("nn.input", b.getStringAttr(name))), function.getLoc());
  return function.getArgument(index);
}

nn::CrossEntropyOp crossEntropyOf(func::FuncOp function) {
  return function.front().getTerminator()->getOperand(0).getDefiningOp<nn::CrossEntropyOp>();
}

llvm::SmallPtrSet<Operation *, 1> findHeads(func::FuncOp function) {
  llvm::SmallPtrSet<Operation *, 1> heads;
  SmallVector<Value> open;
  llvm::append_range(open, function.front().getTerminator()->getOperands());
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (isa_and_nonnull<nn::LinearOp>(op))
      heads.insert(op);
    else if (op)
      llvm::append_range(open, op->getOperands());
  }
  return heads;
}

void returnOutputs(func::FuncOp evaluate) {
  Operation *terminator = evaluate.front().getTerminator();
  Value logits = crossEntropyOf(evaluate).getLogits();
  terminator->insertOperands(1, logits);
  Builder b(evaluate.getContext());
  auto type = evaluate.getFunctionType();
  SmallVector<Type> results = {type.getResult(0), logits.getType()};
  evaluate.setType(b.getFunctionType(type.getInputs(), results));
  evaluate.setAllResultAttrs(
      ArrayRef<DictionaryAttr>{evaluate.getResultAttrDict(0),
                               b.getDictionaryAttr(b.getNamedAttr("nn.output", b.getStringAttr("outputs")))});
}

func::FuncOp makeSampleFunction(func::FuncOp evaluate, int64_t length) {
  func::FuncOp sample = evaluate.clone();
  sample.setName("sample");
  nn::fixRows(sample, length);
  nn::CrossEntropyOp entropy = crossEntropyOf(sample);
  Operation *terminator = sample.front().getTerminator();
  ImplicitLocOpBuilder b(sample.getLoc(), terminator);
  Value row = addInput(sample, "output_ids", RankedTensorType::get({1}, b.getI32Type()));
  Value outputs = nn::SelectRowsOp::create(b, entropy.getLogits(), row);
  terminator->setOperands(outputs);
  entropy.erase();
  sample.setType(b.getFunctionType(sample.front().getArgumentTypes(), outputs.getType()));
  sample.setResultAttr(0, "nn.output", b.getStringAttr("outputs"));
  return sample;
}

} // namespace llmc::recipe
