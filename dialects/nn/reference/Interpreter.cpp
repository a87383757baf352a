//===- Interpreter.cpp - runs a program by its reference semantics -----------------------------------===//

#include "dialects/nn/reference/Interpreter.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// Deeper calls are taken for an endless recursion.
constexpr int kMaxCallDepth = 200;

LogicalResult evaluateOperation(ReferenceOpInterface op, Frame<float> &frame) {
  return op.evaluateF32(frame);
}
LogicalResult evaluateOperation(ReferenceOpInterface op, Frame<double> &frame) {
  return op.evaluateF64(frame);
}

/// Whether no operation of `block` after `op` uses `value`.
bool isLastUse(Value value, Block &block, Operation &op) {
  return llvm::none_of(value.getUsers(), [&](Operation *user) {
    Operation *ancestor = block.findAncestorOpInBlock(*user);
    return ancestor && op.isBeforeInBlock(ancestor);
  });
}

} // namespace

template <typename T>
FailureOr<typename Interpreter<T>::Values>
Interpreter<T>::evaluate(Block &block, ArrayRef<RuntimeValue<T>> arguments, const Frame<T> *outer) {
  Frame<T> frame(this, outer);
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments))
    if (failed(frame.set(argument, value)))
      return failure();
  for (Operation &op : block.without_terminator()) {
    auto evaluable = dyn_cast<ReferenceOpInterface>(op);
    if (!evaluable)
      return op.emitOpError() << "has no reference semantics, so it can not be interpreted";
    if (failed(evaluateOperation(evaluable, frame)))
      return failure();
    for (Value operand : op.getOperands())
      if (isLastUse(operand, block, op))
        frame.drop(operand);
    for (Value result : op.getResults())
      if (result.use_empty())
        frame.drop(result);
  }
  Values results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(frame.lookup(value));
  return results;
}

template <typename T>
FailureOr<typename Interpreter<T>::Values> Interpreter<T>::call(StringRef name,
                                                                ArrayRef<RuntimeValue<T>> arguments) {
  auto function = dyn_cast_or_null<func::FuncOp>(lookupSymbol(name));
  if (!function)
    return module.emitError() << "has no function @" << name << " to interpret";
  return run(function, arguments, function.getLoc());
}

template <typename T>
FailureOr<typename Interpreter<T>::Values>
Interpreter<T>::call(func::FuncOp function, ArrayRef<RuntimeValue<T>> arguments, Location caller) {
  if (answered.contains(function.getName()))
    return answering->call(function.getName(), arguments);
  return run(function, arguments, caller);
}

template <typename T>
FailureOr<typename Interpreter<T>::Values>
Interpreter<T>::run(func::FuncOp function, ArrayRef<RuntimeValue<T>> arguments, Location caller) {
  if (function.isExternal())
    return emitError(caller) << "function @" << function.getName() << " has no body to interpret";
  if (!function.getBody().hasOneBlock())
    return emitError(caller) << "function @" << function.getName()
                             << " has several blocks, only one can be interpreted";
  if (function.getNumArguments() != arguments.size())
    return emitError(caller) << "function @" << function.getName() << " takes " << function.getNumArguments()
                             << " arguments, not " << arguments.size();
  if (callDepth >= kMaxCallDepth)
    return emitError(caller) << "function @" << function.getName() << " is called " << callDepth
                             << " calls deep: an endless recursion";
  ++callDepth;
  llvm::scope_exit leave([&] { --callDepth; });
  return evaluate(function.getBody().front(), arguments);
}

template <typename T>
FailureOr<RuntimeValue<T>> Interpreter<T>::loadParameter(Operation *user, StringRef name) {
  if (auto found = loaded.find(name); found != loaded.end()) {
    uses.splice(uses.end(), uses, found->second.use);
    return found->second.value;
  }
  auto param = dyn_cast_or_null<ParamOp>(lookupSymbol(name));
  if (!param)
    return user->emitOpError() << "loads @" << name << ", which is no parameter of the module";
  FailureOr<RuntimeValue<T>> value = readParameter(param);
  if (succeeded(value))
    keepParameter(name, *value);
  return value;
}

template <typename T> FailureOr<RuntimeValue<T>> Interpreter<T>::readParameter(ParamOp param) {
  if (param.isDerived()) {
    if (!initializing.insert(param))
      return param.emitOpError() << "is computed from itself";
    llvm::scope_exit leave([&] { initializing.pop_back(); });
    FailureOr<Values> values = evaluate(param.getInitializer().front(), {});
    if (failed(values))
      return failure();
    return values->front();
  }
  if (!source)
    return param.emitOpError() << "is not computed, and there is no checkpoint to read it from";
  auto type = cast<RankedTensorType>(param.getType());
  llvm::Expected<ArrayRef<uint8_t>> contents = source->getContents(param.getTensorName(), type);
  if (!contents)
    return param.emitOpError() << "can not be read: " << llvm::toString(contents.takeError());
  llvm::Expected<RuntimeValue<T>> value = decodeTensor<T>(*contents, type);
  if (!value)
    return param.emitOpError() << "can not be read: " << llvm::toString(value.takeError());
  return *value;
}

namespace {
template <typename T> int64_t bytesOf(const RuntimeValue<T> &value) {
  if (const Tensor<T> *tensor = value.getTensor())
    return tensor->values.size() * sizeof(T);
  return value.getIntegers()->values.size() * sizeof(int32_t);
}
} // namespace

template <typename T> void Interpreter<T>::keepParameter(StringRef name, RuntimeValue<T> value) {
  keptBytes += bytesOf(value);
  while (keptBytes > parameterBytes && !uses.empty()) {
    auto oldest = loaded.find(uses.front());
    keptBytes -= bytesOf(oldest->second.value);
    loaded.erase(oldest);
    uses.pop_front();
  }
  uses.push_back(name.str());
  loaded[name] = Loaded{std::move(value), std::prev(uses.end())};
}

template class llmc::nn::reference::Interpreter<float>;
template class llmc::nn::reference::Interpreter<double>;
