//===- Execution.cpp - what a module computes on made-up inputs ----------------------------------------===//

#include "passes/verify/Execution.h"
#include "dialects/nn/reference/Interpreter.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

template <typename T> void run(Execution<T> &execution, Interpreter<T> &interpreter, MLIRContext *context) {
  ScopedDiagnosticHandler collect(context, [&](Diagnostic &diagnostic) {
    if (execution.error.empty())
      execution.error = diagnostic.str();
  });
  auto results = interpreter.call(execution.function, execution.arguments);
  if (succeeded(results))
    execution.results = std::move(*results);
}

/// Looks for what can not be interpreted in what a function reaches.
class Search {
public:
  Operation *visit(Operation *symbol) {
    if (!symbol || !visited.insert(symbol).second)
      return nullptr;
    for (Region &region : symbol->getRegions())
      if (Operation *found = visit(region))
        return found;
    return nullptr;
  }

private:
  Operation *visit(Region &region) {
    if (!region.empty() && !region.hasOneBlock())
      return region.getParentOp();
    for (Operation &op : region.getOps())
      if (Operation *found = visitBody(op))
        return found;
    return nullptr;
  }

  Operation *visitBody(Operation &op) {
    if (!isa<ReferenceOpInterface>(op) && !op.hasTrait<OpTrait::IsTerminator>())
      return &op;
    for (Region &region : op.getRegions())
      if (Operation *found = visit(region))
        return found;
    if (auto load = dyn_cast<LoadOp>(op))
      return visit(SymbolTable::lookupNearestSymbolFrom(op.getParentOfType<ModuleOp>(), load.getParamAttr()));
    auto call = dyn_cast<func::CallOp>(op);
    if (!call)
      return nullptr;
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
    return !callee || callee.isExternal() ? &op : visit(callee);
  }

  llvm::DenseSet<Operation *> visited;
};

} // namespace

template <typename T>
std::vector<Execution<T>> llmc::execute(ModuleOp module, ArrayRef<func::FuncOp> functions,
                                        ParameterSource &parameters, ArrayRef<StepSizes> steps) {
  std::vector<Execution<T>> executions;
  Interpreter<T> interpreter(module, &parameters);
  for (func::FuncOp function : functions) {
    for (const StepSizes &sizes : steps) {
      Execution<T> &execution =
          executions.emplace_back(Execution<T>{function.getName().str(), function.getFunctionType(), sizes});
      auto arguments = makeArguments<T>(function, sizes);
      if (!arguments) {
        execution.error = "it takes arguments that no values can be made up for";
        break;
      }
      execution.arguments = std::move(*arguments);
      run(execution, interpreter, module.getContext());
    }
  }
  return executions;
}

template <typename T>
std::vector<Execution<T>> llmc::executeAgain(ModuleOp module, ParameterSource &parameters,
                                             ArrayRef<Execution<T>> executions, const AnsweredCalls &calls) {
  Interpreter<T> interpreter(module, &parameters);
  std::optional<Interpreter<T>> other;
  if (!calls.functions.empty())
    interpreter.answerCallsBy(other.emplace(calls.module, &parameters), calls.functions);
  std::vector<Execution<T>> again(executions);
  for (Execution<T> &execution : again) {
    if (!execution.results)
      continue;
    execution.results.reset();
    run(execution, interpreter, module.getContext());
  }
  return again;
}

Operation *llmc::findUninterpretable(func::FuncOp function) { return Search().visit(function); }

template std::vector<Execution<float>> llmc::execute<float>(ModuleOp, ArrayRef<func::FuncOp>,
                                                            ParameterSource &, ArrayRef<StepSizes>);
template std::vector<Execution<double>> llmc::execute<double>(ModuleOp, ArrayRef<func::FuncOp>,
                                                              ParameterSource &, ArrayRef<StepSizes>);
template std::vector<Execution<float>>
llmc::executeAgain<float>(ModuleOp, ParameterSource &, ArrayRef<Execution<float>>, const AnsweredCalls &);
template std::vector<Execution<double>>
llmc::executeAgain<double>(ModuleOp, ParameterSource &, ArrayRef<Execution<double>>, const AnsweredCalls &);
