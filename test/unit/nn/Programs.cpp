//===- Programs.cpp - small programs, their inputs and their results ---------------------------------===//

#include "test/unit/nn/Programs.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace llmc::nn;

Programs::Programs() {
  DialectRegistry registry;
  reference::registerReferenceModels(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
}

OwningOpRef<ModuleOp> Programs::parse(StringRef text) {
  auto module = parseSourceString<ModuleOp>(text, &context);
  EXPECT_TRUE(module) << text.str();
  return module;
}

SmallVector<Value64> Programs::run(ModuleOp module, StringRef function, ArrayRef<Value64> arguments) {
  reference::Interpreter<double> interpreter(module, nullptr);
  auto results = interpreter.call(function, arguments);
  EXPECT_TRUE(succeeded(results));
  return succeeded(results) ? std::move(*results) : SmallVector<Value64>();
}

Value64 Programs::makeInput(Type type) {
  auto tensorType = cast<RankedTensorType>(type);
  if (tensorType.getElementType().isInteger()) {
    reference::IntegerTensor tensor(tensorType.getShape());
    for (auto [i, value] : llvm::enumerate(tensor.values))
      value = static_cast<int32_t>(i / 2);
    return tensor;
  }
  std::uniform_real_distribution<double> distribution(-1.5, 1.5);
  Tensor64 tensor(tensorType.getShape());
  for (double &value : tensor.values)
    value = distribution(random);
  return tensor;
}

Operation *llmc::nn::findOperation(ModuleOp module) {
  Operation *found = nullptr;
  module.lookupSymbol("f")->walk([&](Operation *op) {
    if (isa<NNDialect>(op->getDialect()))
      found = op;
  });
  return found;
}
