//===- Interpreter.h - runs a program by its reference semantics -------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_INTERPRETER_H
#define LLMC_DIALECTS_NN_REFERENCE_INTERPRETER_H

#include "dialects/nn/ParameterSource.h"
#include "dialects/nn/reference/Frame.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include <list>

namespace llmc::nn::reference {

/// Evaluates functions of a module on T, float or double. Parameters are read from a source (and computed by
/// their initializers) when they are first needed, and the least recently used are forgotten when they take
/// more than a budget, so that memory is bounded by the budget plus the largest tensors in use. Upstream
/// operations have their semantics from registerReferenceModels() (UpstreamOps.h), which must have been
/// applied to the context.
template <typename T> class Interpreter {
public:
  /// Values of results and arguments.
  using Values = llvm::SmallVector<RuntimeValue<T>>;

  /// Runs functions of `module`, which must not change while this exists. `source` gives parameters that are
  /// not derived; null if there are none. `parameterBytes` is the budget for parameters that are kept.
  Interpreter(mlir::ModuleOp module, ParameterSource *source, int64_t parameterBytes = int64_t(256) << 20)
      : module(module), symbols(module), source(source), parameterBytes(parameterBytes) {}

  /// Has calls of `functions` evaluated by `other` from now on, which must outlive this: by what its module
  /// calls so. What `call` is asked for by name is evaluated here all the same.
  void answerCallsBy(Interpreter &other, llvm::StringSet<> functions) {
    answering = &other;
    answered = std::move(functions);
  }

  /// Evaluates `function` of the module on `arguments`. Fails with a diagnostic at the place that could not
  /// be evaluated.
  mlir::FailureOr<Values> call(llvm::StringRef function, llvm::ArrayRef<RuntimeValue<T>> arguments);

  /// Evaluates a call of `function`; `caller` is the location of the call.
  mlir::FailureOr<Values> call(mlir::func::FuncOp function, llvm::ArrayRef<RuntimeValue<T>> arguments,
                               mlir::Location caller);

  /// Evaluates the operations of `block`, whose arguments are `arguments`, and returns the operands of its
  /// terminator. The values of blocks around it, of a loop, are in `outer`.
  mlir::FailureOr<Values> evaluate(mlir::Block &block, llvm::ArrayRef<RuntimeValue<T>> arguments,
                                   const Frame<T> *outer = nullptr);

  /// Returns the value of parameter `name`; `user` is the operation that asks.
  mlir::FailureOr<RuntimeValue<T>> loadParameter(mlir::Operation *user, llvm::StringRef name);

  /// The function or parameter called `name`, or null.
  mlir::Operation *lookupSymbol(llvm::StringRef name) const { return symbols.lookup(name); }

private:
  mlir::FailureOr<Values> run(mlir::func::FuncOp function, llvm::ArrayRef<RuntimeValue<T>> arguments,
                              mlir::Location caller);

  struct Loaded {
    RuntimeValue<T> value;
    std::list<std::string>::iterator use; ///< its place in `uses`
  };
  mlir::FailureOr<RuntimeValue<T>> readParameter(ParamOp param);
  void keepParameter(llvm::StringRef name, RuntimeValue<T> value);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  ParameterSource *source;
  int64_t parameterBytes;
  int64_t keptBytes = 0;
  int callDepth = 0;
  llvm::StringMap<Loaded> loaded;
  std::list<std::string> uses;      ///< names of `loaded`, least recently used first
  Interpreter *answering = nullptr; ///< evaluates calls of `answered`
  llvm::StringSet<> answered;
  llvm::SetVector<mlir::Operation *> initializing; ///< derived parameters in evaluation, outermost first
};

/// Converts `contents`, the bytes of a tensor of `type` in a file, to the numbers they stand for.
template <typename T>
llvm::Expected<RuntimeValue<T>> decodeTensor(llvm::ArrayRef<uint8_t> contents, mlir::RankedTensorType type);

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_INTERPRETER_H
