#include "dialects/cost/ProgramCost.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace llmc::nn {

namespace {

/// Costs of functions, each computed once.
class CostModel {
public:
  CostModel(ModuleOp module, int64_t rows, int64_t context) : symbols(module), rows(rows), context(context) {}

  OpCost costOf(StringRef name) {
    // A function that calls itself counts once.
    auto [known, isNew] = costs.try_emplace(name, OpCost());
    auto function = symbols.lookup<func::FuncOp>(name);
    if (!isNew || !function)
      return known->second;
    OpCost total;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      // What is inside of an operation with a cost is part of it.
      if (auto priced = dyn_cast<CostOpInterface>(op)) {
        total += priced.getCost(rows, context);
        return WalkResult::skip();
      }
      if (auto call = dyn_cast<func::CallOp>(op))
        total += costOf(call.getCallee());
      return WalkResult::advance();
    });
    return costs[name] = total;
  }

private:
  SymbolTable symbols;
  int64_t rows, context;
  llvm::StringMap<OpCost> costs;
};

} // namespace

OpCost costOfProgram(ModuleOp module, StringRef function, int64_t rows, int64_t context) {
  return CostModel(module, rows, context).costOf(function);
}

} // namespace llmc::nn
