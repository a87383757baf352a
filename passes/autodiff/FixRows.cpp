//===- FixRows.cpp - known numbers of rows -----------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"

namespace llmc::passes {
#define GEN_PASS_DEF_FIXROWS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;

namespace {

struct FixRows : passes::impl::FixRowsBase<FixRows> {
  using FixRowsBase::FixRowsBase;

  void runOnOperation() override {
    if (rows <= 0) {
      getOperation().emitError() << "nn-fix-rows needs rows, a positive number, but has " << rows.getValue();
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      for (Value result : op->getResults())
        result.setType(fixed(result.getType()));
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (Value argument : block.getArguments())
            argument.setType(fixed(argument.getType()));
      if (auto function = dyn_cast<func::FuncOp>(op)) {
        auto fix = [&](TypeRange types) {
          return llvm::map_to_vector(types, [&](Type type) { return fixed(type); });
        };
        function.setFunctionType(FunctionType::get(&getContext(), fix(function.getArgumentTypes()),
                                                   fix(function.getResultTypes())));
      }
    });
  }

private:
  Type fixed(Type type) const {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || tensor.hasStaticShape())
      return type;
    SmallVector<int64_t> shape(tensor.getShape());
    for (int64_t &size : shape)
      if (ShapedType::isDynamic(size))
        size = rows;
    return tensor.clone(shape);
  }
};

} // namespace
