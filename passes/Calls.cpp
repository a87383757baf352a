//===- Calls.cpp - who calls whom in a module --------------------------------------------------------===//

#include "passes/Calls.h"

using namespace mlir;
using namespace llmc;

namespace {

/// Depth-first search over calls, which notes functions that call themselves, directly or not.
class CalleesFirst {
public:
  CalleesFirst(SymbolTable &symbols, SmallVectorImpl<func::FuncOp> &order, DenseSet<Operation *> &recursive)
      : symbols(symbols), order(order), recursive(recursive) {}

  void visit(func::FuncOp function) {
    if (done.contains(function) || function.isExternal())
      return;
    if (!path.insert(function)) {
      // Everything on the path from the function to itself is a cycle.
      recursive.insert(llvm::find(path, function.getOperation()), path.end());
      return;
    }
    function.walk([&](func::CallOp call) {
      if (auto callee = symbols.lookup<func::FuncOp>(call.getCallee()))
        visit(callee);
    });
    path.remove(function);
    done.insert(function);
    order.push_back(function);
  }

private:
  SymbolTable &symbols;
  SmallVectorImpl<func::FuncOp> &order;
  DenseSet<Operation *> &recursive;
  llvm::SetVector<Operation *> path;
  DenseSet<Operation *> done;
};

} // namespace

passes::Calls::Calls(ModuleOp module) {
  SymbolTable symbols(module);
  DenseSet<Operation *> recursive, otherUses;
  CalleesFirst search(symbols, calleesFirst, recursive);
  for (auto function : module.getOps<func::FuncOp>())
    search.visit(function);

  if (auto uses = SymbolTable::getSymbolUses(&module.getBodyRegion()))
    for (SymbolTable::SymbolUse use : *uses) {
      auto function = symbols.lookup<func::FuncOp>(use.getSymbolRef().getRootReference());
      if (!function)
        continue;
      if (auto call = dyn_cast<func::CallOp>(use.getUser()))
        calls[function].push_back(call);
      else
        otherUses.insert(function);
    }

  // Callers come before their callees in this order.
  for (func::FuncOp function : llvm::reverse(calleesFirst)) {
    bool known = llvm::all_of(getCallsOf(function), [&](func::CallOp call) {
      auto caller = dyn_cast<func::FuncOp>(call->getParentOp());
      return caller && changeable.contains(caller);
    });
    if (known && function.getBody().hasOneBlock() && !recursive.contains(function) &&
        !otherUses.contains(function))
      changeable.insert(function);
  }
}

ArrayRef<func::CallOp> passes::Calls::getCallsOf(func::FuncOp function) const {
  auto found = calls.find(function);
  return found == calls.end() ? ArrayRef<func::CallOp>() : ArrayRef<func::CallOp>(found->second);
}
