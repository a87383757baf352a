//===- OperationNames.cpp - names of what a loss computes ---------------------------------------------------===//

#include "frontend/recipe/OperationNames.h"

#include "dialects/nn/NN.h"

using namespace mlir;

namespace llmc::recipe {

void nameOperations(func::FuncOp loss) {
  StringRef last;
  for (Operation &op : loss.front()) {
    StringRef read;
    for (Value operand : op.getOperands())
      if (auto load = operand.getDefiningOp<nn::LoadOp>())
        read = load.getParam();
    last = read.empty() ? last : read;
    const StringRef place = last.empty() ? "the beginning" : last;
    const std::string name =
        (op.getName().stripDialect() + (read.empty() ? " behind " : " of ") + place).str();
    op.setLoc(NameLoc::get(StringAttr::get(op.getContext(), name)));
  }
}

} // namespace llmc::recipe
