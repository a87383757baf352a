//===- ForwardPass.cpp - a model fed step by step, by its reference semantics --------------------------===//

#include "dialects/nn/reference/ForwardPass.h"
#include <numeric>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

static constexpr StringLiteral kForward = "forward", kEncode = "encode";

static IntegerTensor integers(ArrayRef<int32_t> numbers) {
  return IntegerTensor({static_cast<int64_t>(numbers.size())}, std::vector<int32_t>(numbers));
}

template <typename T>
ForwardPass<T>::ForwardPass(ModuleOp module, ParameterSource *source, int64_t parameterBytes)
    : interpreter(module, source, parameterBytes),
      function(cast<func::FuncOp>(interpreter.lookupSymbol(kForward))) {
  reset();
}

static StringRef markOf(func::FuncOp function, unsigned index) {
  auto mark = function.getArgAttrOfType<StringAttr>(index, "nn.input");
  return mark ? mark.getValue() : "";
}

template <typename T> void ForwardPass<T>::reset() {
  fed = sourceTokens = 0;
  sourceCaches = 0;
  caches.clear();
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
    if (auto cache = dyn_cast<KvCacheType>(type)) {
      caches.push_back(KvCache<T>{cache.getHeads(), cache.getHeadDim(), {}});
      sourceCaches += markOf(function, index) == "source_cache";
    }
}

template <typename T> LogicalResult ForwardPass<T>::readSource(ArrayRef<int32_t> source) {
  reset();
  auto encode = dyn_cast_or_null<func::FuncOp>(interpreter.lookupSymbol(kEncode));
  if (!encode)
    return function.emitOpError() << "continues a text, and has no function @" << kEncode << " beside it";
  std::vector<int32_t> positions(source.size());
  std::iota(positions.begin(), positions.end(), 0);
  typename Interpreter<T>::Values arguments;
  size_t nextCache = 0;
  for (auto [index, type] : llvm::enumerate(encode.getArgumentTypes())) {
    if (isa<KvCacheType>(type))
      arguments.push_back(caches[nextCache++]);
    else
      arguments.push_back(
          integers(markOf(encode, index) == "positions" ? ArrayRef<int32_t>(positions) : source));
  }
  auto results = interpreter.call(kEncode, arguments);
  if (failed(results))
    return failure();
  std::copy(results->begin(), results->end(), caches.begin());
  sourceTokens = static_cast<int64_t>(source.size());
  return success();
}

template <typename T>
FailureOr<RuntimeValue<T>> ForwardPass<T>::argument(unsigned index, const ForwardInputs &inputs) {
  const StringRef input = markOf(function, index);
  if (input == "tokens")
    return RuntimeValue<T>(integers(inputs.tokens));
  if (input == "output_ids")
    return RuntimeValue<T>(integers(inputs.outputIds));
  std::vector<int32_t> numbers(inputs.tokens.size());
  if (input == "positions") {
    std::iota(numbers.begin(), numbers.end(), static_cast<int32_t>(fed));
    return RuntimeValue<T>(integers(numbers));
  }
  if (input == "source_ends") {
    std::fill(numbers.begin(), numbers.end(), static_cast<int32_t>(sourceTokens - 1));
    return RuntimeValue<T>(integers(numbers));
  }
  if (input == "token_types" || input == "adapters")
    return RuntimeValue<T>(
        integers(inputs.tokenTypes.empty() ? ArrayRef<int32_t>(numbers) : inputs.tokenTypes));
  return function.emitOpError()
         << "takes argument " << index << " marked '" << input
         << "', expected tokens, positions, token_types, adapters, output_ids, source_ends or a cache";
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
  std::copy(results->begin() + 1, results->end(), caches.begin() + sourceCaches);
  return *results->front().getTensor();
}

template class llmc::nn::reference::ForwardPass<float>;
template class llmc::nn::reference::ForwardPass<double>;
