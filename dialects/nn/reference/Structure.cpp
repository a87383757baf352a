//===- Structure.cpp - nn.load, nn.fusion ------------------------------------------------------------===//

#include "dialects/nn/reference/Interpreter.h"

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

template <typename T> LogicalResult evaluate(LoadOp op, Frame<T> &frame) {
  if (!frame.getInterpreter())
    return op.emitOpError() << "has no value outside of a program";
  FailureOr<RuntimeValue<T>> value = frame.getInterpreter()->loadParameter(op, op.getParam());
  return failed(value) ? failure() : frame.set(op.getResult(), *value);
}

template <typename T> LogicalResult evaluate(FusionOp op, Frame<T> &frame) {
  if (!frame.getInterpreter())
    return op.emitOpError() << "has no value outside of a program";
  SmallVector<RuntimeValue<T>> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(frame.lookup(input));
  auto results = frame.getInterpreter()->evaluate(op.getBody().front(), inputs);
  if (failed(results))
    return failure();
  for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
    if (failed(frame.set(result, value)))
      return failure();
  return success();
}

} // namespace

LogicalResult LoadOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult LoadOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult FusionOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult FusionOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
