//===- ForwardPass.cpp - a model fed step by step, by its reference semantics --------------------------===//

#include "dialects/nn/reference/ForwardPass.h"
#include <numeric>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

static constexpr StringLiteral kForward = "forward";

static IntegerTensor integers(ArrayRef<int32_t> numbers) {
  return IntegerTensor({static_cast<int64_t>(numbers.size())}, std::vector<int32_t>(numbers));
}

template <typename T>
ForwardPass<T>::ForwardPass(ModuleOp module, ParameterSource *source, int64_t parameterBytes)
    : interpreter(module, source, parameterBytes),
      function(cast<func::FuncOp>(interpreter.lookupSymbol(kForward))) {
  reset();
}

template <typename T> void ForwardPass<T>::reset() {
  fed = 0;
  caches.clear();
  for (Type type : function.getArgumentTypes())
    if (auto cache = dyn_cast<KvCacheType>(type))
      caches.push_back(KvCache<T>{cache.getHeads(), cache.getHeadDim(), {}});
}

template <typename T>
FailureOr<RuntimeValue<T>> ForwardPass<T>::argument(unsigned index, const ForwardInputs &inputs) {
  auto mark = function.getArgAttrOfType<StringAttr>(index, "nn.input");
  StringRef input = mark ? mark.getValue() : "";
  if (input == "tokens")
    return RuntimeValue<T>(integers(inputs.tokens));
  if (input == "output_ids")
    return RuntimeValue<T>(integers(inputs.outputIds));
  std::vector<int32_t> numbers(inputs.tokens.size());
  if (input == "positions") {
    std::iota(numbers.begin(), numbers.end(), static_cast<int32_t>(fed));
    return RuntimeValue<T>(integers(numbers));
  }
  if (input == "token_types")
    return RuntimeValue<T>(
        integers(inputs.tokenTypes.empty() ? ArrayRef<int32_t>(numbers) : inputs.tokenTypes));
  return function.emitOpError() << "takes argument " << index << " marked '" << input
                                << "', expected tokens, positions, token_types, output_ids or cache";
}

template <typename T> FailureOr<Tensor<T>> ForwardPass<T>::feed(const ForwardInputs &inputs) {
  typename Interpreter<T>::Values arguments;
  size_t nextCache = 0;
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    if (isa<KvCacheType>(type)) {
      arguments.push_back(caches[nextCache++]);
      continue;
    }
    FailureOr<RuntimeValue<T>> value = argument(index, inputs);
    if (failed(value))
      return failure();
    arguments.push_back(*std::move(value));
  }
  auto results = interpreter.call(kForward, arguments);
  if (failed(results))
    return failure();
  fed += inputs.tokens.size();
  caches.assign(results->begin() + 1, results->end());
  return *results->front().getTensor();
}

template class llmc::nn::reference::ForwardPass<float>;
template class llmc::nn::reference::ForwardPass<double>;
