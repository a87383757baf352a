//===- Rows.cpp - known numbers of rows --------------------------------------------------------------===//

#include "dialects/nn/Rows.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace llmc::nn {

static Type fixed(Type type, int64_t rows) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.hasStaticShape())
    return type;
  SmallVector<int64_t> shape(tensor.getShape());
  for (int64_t &size : shape)
    if (ShapedType::isDynamic(size))
      size = rows;
  return tensor.clone(shape);
}

void fixRows(Operation *root, int64_t rows) {
  root->walk([&](Operation *op) {
    for (Value result : op->getResults())
      result.setType(fixed(result.getType(), rows));
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value argument : block.getArguments())
          argument.setType(fixed(argument.getType(), rows));
    if (auto function = dyn_cast<FunctionOpInterface>(op)) {
      auto fix = [&](ArrayRef<Type> types) {
        return llvm::map_to_vector(types, [&](Type type) { return fixed(type, rows); });
      };
      function.setType(
          function.cloneTypeWith(fix(function.getArgumentTypes()), fix(function.getResultTypes())));
    }
  });
}

} // namespace llmc::nn
