//===- Execution.h - what a module computes on made-up inputs ------------------------------------------===//
#ifndef LLMC_PASSES_VERIFY_EXECUTION_H
#define LLMC_PASSES_VERIFY_EXECUTION_H

#include "passes/verify/RandomInputs.h"
#include "llvm/ADT/StringSet.h"

namespace llmc {

/// One run of a public function.
template <typename T> struct Execution {
  using Values = llvm::SmallVector<nn::reference::RuntimeValue<T>>;

  std::string function;
  mlir::FunctionType type;
  StepSizes sizes;
  Values arguments;
  std::optional<Values> results; ///< none if it failed
  std::string error;             ///< why it failed
};

/// Runs each of `functions` on each of `steps`. A function for whose arguments nothing can be made up has one
/// failed execution. Diagnostics of the interpreter become `error`.
template <typename T>
std::vector<Execution<T>> execute(mlir::ModuleOp module, llvm::ArrayRef<mlir::func::FuncOp> functions,
                                  nn::ParameterSource &parameters, llvm::ArrayRef<StepSizes> steps);

/// Functions that are taken from another module when they are called.
struct AnsweredCalls {
  mlir::ModuleOp module;
  llvm::StringSet<> functions;
};

/// Runs the functions of `executions` in `module` on the same arguments, those that succeeded. The result
/// corresponds to `executions`.
template <typename T>
std::vector<Execution<T>> executeAgain(mlir::ModuleOp module, nn::ParameterSource &parameters,
                                       llvm::ArrayRef<Execution<T>> executions,
                                       const AnsweredCalls &calls = {});

/// Returns an operation that `function`, or what it calls and loads, needs and that has no reference
/// semantics; null if it can be interpreted.
mlir::Operation *findUninterpretable(mlir::func::FuncOp function);

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_EXECUTION_H
