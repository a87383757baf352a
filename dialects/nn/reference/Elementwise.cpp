//===- Elementwise.cpp - nn.silu, nn.gelu, nn.relu, nn.scale, nn.softcap -----------------------------===//

#include "dialects/nn/reference/Frame.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// Sets the result of `op` to `function` of each element of its input.
template <typename T, typename Op, typename Function>
LogicalResult mapElements(Op op, Frame<T> &frame, Function function) {
  Tensor<T> result = frame.getTensor(op.getInput());
  for (T &value : result.values)
    value = function(value);
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> LogicalResult evaluate(SiluOp op, Frame<T> &frame) {
  return mapElements(op, frame, [](T x) { return x / (1 + std::exp(-x)); });
}

template <typename T> LogicalResult evaluate(GeluOp op, Frame<T> &frame) {
  const T sqrtHalf = static_cast<T>(M_SQRT1_2);
  const T tanhFactor = static_cast<T>(M_2_SQRTPI * M_SQRT1_2); // sqrt(2 / pi)
  switch (op.getKind()) {
  case GeluKind::Exact:
    return mapElements(op, frame, [&](T x) { return x * (1 + std::erf(x * sqrtHalf)) / 2; });
  case GeluKind::Tanh:
    return mapElements(op, frame, [&](T x) {
      return x * (1 + std::tanh(tanhFactor * (x + static_cast<T>(0.044715) * x * x * x))) / 2;
    });
  case GeluKind::Sigmoid:
    return mapElements(op, frame, [](T x) { return x / (1 + std::exp(-static_cast<T>(1.702) * x)); });
  }
  llvm_unreachable("unknown form of gelu");
}

template <typename T> LogicalResult evaluate(ReluOp op, Frame<T> &frame) {
  return mapElements(op, frame, [](T x) { return x < 0 ? T(0) : x; });
}

template <typename T> LogicalResult evaluate(ScaleOp op, Frame<T> &frame) {
  const T factor = static_cast<T>(op.getFactor().convertToDouble());
  return mapElements(op, frame, [&](T x) { return factor * x; });
}

template <typename T> LogicalResult evaluate(SoftcapOp op, Frame<T> &frame) {
  const T cap = static_cast<T>(op.getCap().convertToDouble());
  return mapElements(op, frame, [&](T x) { return cap * std::tanh(x / cap); });
}

} // namespace

LogicalResult SiluOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult SiluOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult GeluOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult GeluOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult ReluOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult ReluOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult ScaleOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult ScaleOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult SoftcapOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult SoftcapOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
