//===- Calls.h - who calls whom in a module ----------------------------------------------------------===//
#ifndef LLMC_PASSES_CALLS_H
#define LLMC_PASSES_CALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace llmc::passes {

/// The functions of a module and their calls, at the time of construction. Operands of calls may be changed
/// meanwhile.
class Calls {
public:
  explicit Calls(mlir::ModuleOp module);

  /// Functions with a body, callees before their callers. Of functions that call each other the order is
  /// arbitrary.
  llvm::ArrayRef<mlir::func::FuncOp> getCalleesFirst() const { return calleesFirst; }

  /// All calls of `function`.
  llvm::ArrayRef<mlir::func::CallOp> getCallsOf(mlir::func::FuncOp function) const;

  /// Whether arguments and results of `function` can be changed together with all of its calls: these are
  /// known, lie directly in a function's only block, and their functions are such functions too. Public
  /// functions are called by the world; that they may change is the caller's decision.
  bool areChangeable(mlir::func::FuncOp function) const { return changeable.contains(function); }

private:
  llvm::SmallVector<mlir::func::FuncOp> calleesFirst;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::func::CallOp>> calls;
  llvm::DenseSet<mlir::Operation *> changeable;
};

} // namespace llmc::passes

#endif // LLMC_PASSES_CALLS_H
