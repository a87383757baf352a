//===- ArgumentUse.cpp - what a function does with an argument -----------------------------------------===//

#include "passes/verify/ArgumentUse.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

/// Visits every use of a value once, wherever it is passed on to.
class UseWalk {
public:
  ArgumentUse run(BlockArgument value) {
    auto function = dyn_cast<func::FuncOp>(value.getOwner()->getParentOp());
    auto input =
        function ? function.getArgAttrOfType<StringAttr>(value.getArgNumber(), "nn.input") : StringAttr();
    use.isPosition = input && input.getValue() == "positions";
    use.isCache = isa<KvCacheType>(value.getType());
    visit(value);
    if (limit)
      use.limit = *limit;
    else if (use.isPosition)
      use.limit = std::numeric_limits<int32_t>::max();
    return use;
  }

private:
  void visit(Value value) {
    if (!visited.insert(value).second)
      return;
    for (OpOperand &operand : value.getUses())
      visit(operand);
  }

  void visit(OpOperand &operand) {
    llvm::TypeSwitch<Operation *>(operand.getOwner())
        .Case([&](EmbeddingOp op) {
          int64_t rows = op.getTable().getType().getDimSize(0);
          if (operand.get() == op.getIds() && !ShapedType::isDynamic(rows))
            limit = std::min(limit.value_or(rows), rows);
        })
        .Case([&](SelectRowsOp op) { use.isRowIndex |= operand.get() == op.getRows(); })
        .Case([&](AttentionOp op) {
          use.isSegment |= operand.get() == op.getSegments() || operand.get() == op.getKeySegments();
        })
        .Case<RopeOp, RopeTableOp>([&](auto op) { use.isPosition |= operand.get() == op.getPositions(); })
        .Case([&](CachedAttentionOp op) {
          use.isPosition |= operand.get() == op.getPositions();
          if (operand.get() == op.getCache() && op.getWindow())
            use.window = std::max<int64_t>(use.window, *op.getWindow());
        })
        .Case([&](CacheAppendOp op) {
          use.isPosition |= operand.get() == op.getPositions();
          if (operand.get() == op.getCache())
            visit(op.getResult());
        })
        .Case([&](FusionOp op) { visit(op.getBody().getArgument(operand.getOperandNumber())); })
        .Case([&](func::CallOp op) {
          auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
          if (callee && !callee.isExternal())
            visit(callee.getArgument(operand.getOperandNumber()));
        });
  }

  ArgumentUse use;
  std::optional<int64_t> limit;
  llvm::DenseSet<Value> visited;
};

} // namespace

ArgumentUse llmc::findUse(BlockArgument argument) { return UseWalk().run(argument); }
