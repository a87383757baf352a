//===- UpstreamOps.cpp - reference semantics of upstream operations ----------------------------------===//

#include "dialects/nn/reference/UpstreamOps.h"
#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamModels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// Whether `value` is a number or a tensor of numbers; what else arith and math work on is refused.
LogicalResult requireNumbers(Operation *op, Value value) {
  Type type = value.getType();
  if (isa<FloatType>(type) || (isa<RankedTensorType>(type) && isa<FloatType>(getElementTypeOrSelf(type))))
    return success();
  return op->emitOpError() << "on " << type
                           << " can not be interpreted, only numbers and tensors of numbers can";
}

struct Add {
  template <typename T> static T apply(T a, T b) { return a + b; }
};
struct Subtract {
  template <typename T> static T apply(T a, T b) { return a - b; }
};
struct Multiply {
  template <typename T> static T apply(T a, T b) { return a * b; }
};
struct Divide {
  template <typename T> static T apply(T a, T b) { return a / b; }
};
struct Maximum { // NaN if either is, and zero is more than minus zero
  template <typename T> static T apply(T a, T b) {
    if (std::isnan(a) || std::isnan(b))
      return std::isnan(a) ? a : b;
    return a > b || (a == b && std::signbit(b)) ? a : b;
  }
};
struct Minimum { // NaN if either is, and minus zero is less than zero
  template <typename T> static T apply(T a, T b) { return -Maximum::apply(-a, -b); }
};
struct MaximumNumber { // the other one if one is NaN
  template <typename T> static T apply(T a, T b) { return std::fmax(a, b); }
};
struct MinimumNumber {
  template <typename T> static T apply(T a, T b) { return std::fmin(a, b); }
};
struct Identity { // conversions round when their result is set
  template <typename T> static T apply(T a) { return a; }
};
struct Negate {
  template <typename T> static T apply(T a) { return -a; }
};
struct Absolute {
  template <typename T> static T apply(T a) { return std::fabs(a); }
};
struct ArcCosine {
  template <typename T> static T apply(T a) { return std::acos(a); }
};
struct ArcSine {
  template <typename T> static T apply(T a) { return std::asin(a); }
};
struct ArcTangent {
  template <typename T> static T apply(T a) { return std::atan(a); }
};
struct AngleOf { // of the point (b, a)
  template <typename T> static T apply(T a, T b) { return std::atan2(a, b); }
};
struct CopySign {
  template <typename T> static T apply(T a, T b) { return std::copysign(a, b); }
};
struct CubeRoot {
  template <typename T> static T apply(T a) { return std::cbrt(a); }
};
struct ErrorFunction {
  template <typename T> static T apply(T a) { return std::erf(a); }
};
struct ComplementaryErrorFunction {
  template <typename T> static T apply(T a) { return std::erfc(a); }
};
struct Exponential {
  template <typename T> static T apply(T a) { return std::exp(a); }
};
struct ExponentialMinusOne {
  template <typename T> static T apply(T a) { return std::expm1(a); }
};
struct Floor {
  template <typename T> static T apply(T a) { return std::floor(a); }
};
struct Logarithm {
  template <typename T> static T apply(T a) { return std::log(a); }
};
struct LogarithmOfOnePlus {
  template <typename T> static T apply(T a) { return std::log1p(a); }
};
struct BinaryLogarithm {
  template <typename T> static T apply(T a) { return std::log2(a); }
};
struct MultiplyAdd {
  template <typename T> static T apply(T a, T b, T c) { return std::fma(a, b, c); }
};
struct ReciprocalSquareRoot {
  template <typename T> static T apply(T a) { return 1 / std::sqrt(a); }
};
struct SquareRoot {
  template <typename T> static T apply(T a) { return std::sqrt(a); }
};
struct HyperbolicTangent {
  template <typename T> static T apply(T a) { return std::tanh(a); }
};

/// An operation that applies `Function` to corresponding elements of its one to three operands.
template <typename Op, typename Function>
struct ElementwiseModel : ReferenceOpInterface::ExternalModel<ElementwiseModel<Op, Function>, Op> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    if (failed(requireNumbers(op, op->getResult(0))))
      return failure();
    Tensor<T> result = frame.getTensor(op->getOperand(0));
    SmallVector<const Tensor<T> *> others;
    for (Value operand : op->getOperands().drop_front()) {
      others.push_back(&frame.getTensor(operand));
      if (others.back()->shape != result.shape)
        return op->emitOpError() << "has operands of different shapes, the first sizes are " << result.rows()
                                 << " and " << others.back()->rows();
    }
    for (auto [i, value] : llvm::enumerate(result.values)) {
      if constexpr (Op::template hasTrait<OpTrait::OneOperand>())
        value = Function::apply(value);
      else if constexpr (Op::template hasTrait<OpTrait::NOperands<2>::Impl>())
        value = Function::apply(value, others[0]->values[i]);
      else
        value = Function::apply(value, others[0]->values[i], others[1]->values[i]);
    }
    return frame.setComputed(op->getResult(0), std::move(result));
  }
};

struct ConstantModel : ReferenceOpInterface::ExternalModel<ConstantModel, arith::ConstantOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    const Attribute attribute = cast<arith::ConstantOp>(op).getValue();
    Value result = op->getResult(0);
    if (auto number = dyn_cast<FloatAttr>(attribute))
      return frame.set(result, Tensor<T>({}, {static_cast<T>(number.getValueAsDouble())}));
    if (auto integer = dyn_cast<IntegerAttr>(attribute))
      return frame.setInteger(result, integer.getInt());
    auto elements = dyn_cast<DenseElementsAttr>(attribute);
    if (!elements || !isa<RankedTensorType>(elements.getType()))
      return op->emitOpError() << "of type " << result.getType()
                               << " can not be interpreted, only numbers and dense tensors can";
    if (isa<FloatType>(elements.getElementType())) {
      std::vector<T> values;
      for (const APFloat &value : elements.getValues<APFloat>())
        values.push_back(static_cast<T>(value.convertToDouble()));
      return frame.set(result, Tensor<T>(elements.getType().getShape(), std::move(values)));
    }
    if (!elements.getElementType().isInteger(32))
      return op->emitOpError() << "of type " << result.getType()
                               << " can not be interpreted, integers have 32 bits";
    std::vector<int32_t> values;
    for (const APInt &value : elements.getValues<APInt>())
      values.push_back(static_cast<int32_t>(value.getSExtValue()));
    return frame.set(result, IntegerTensor(elements.getType().getShape(), std::move(values)));
  }
};

/// The comparison of numbers. With a NaN, ordered ones are false and unordered ones true.
struct CompareModel : ReferenceOpInterface::ExternalModel<CompareModel, arith::CmpFOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    if (failed(requireNumbers(op, op->getOperand(0))))
      return failure();
    const Tensor<T> &left = frame.getTensor(op->getOperand(0)), &right = frame.getTensor(op->getOperand(1));
    if (left.shape != right.shape)
      return op->emitOpError() << "has operands of different shapes";
    IntegerTensor result(left.shape);
    for (auto [answer, a, b] : llvm::zip_equal(result.values, left.values, right.values))
      answer = arith::applyCmpPredicate(cast<arith::CmpFOp>(op).getPredicate(), APFloat(a), APFloat(b));
    return frame.set(op->getResult(0), std::move(result));
  }
};

/// Choices between whole values, and element by element.
struct SelectModel : ReferenceOpInterface::ExternalModel<SelectModel, arith::SelectOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    auto select = cast<arith::SelectOp>(op);
    const IntegerTensor &condition = frame.getIntegers(select.getCondition());
    if (condition.shape.empty())
      return frame.set(select,
                       frame.lookup(condition.values[0] ? select.getTrueValue() : select.getFalseValue()));
    if (failed(requireNumbers(op, select)))
      return failure();
    Tensor<T> result = frame.getTensor(select.getTrueValue());
    const Tensor<T> &other = frame.getTensor(select.getFalseValue());
    if (other.shape != result.shape || ArrayRef(condition.shape) != ArrayRef(result.shape))
      return op->emitOpError() << "has operands of different shapes";
    for (auto [value, chosen, otherValue] : llvm::zip_equal(result.values, condition.values, other.values))
      value = chosen ? value : otherValue;
    return frame.set(select, std::move(result));
  }
};

struct CallModel : ReferenceOpInterface::ExternalModel<CallModel, func::CallOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    StringRef name = cast<func::CallOp>(op).getCallee();
    Interpreter<T> *interpreter = frame.getInterpreter();
    auto callee =
        interpreter ? dyn_cast_or_null<func::FuncOp>(interpreter->lookupSymbol(name)) : func::FuncOp();
    if (!callee)
      return op->emitOpError() << "calls @" << name << ", which is no function that can be interpreted";
    SmallVector<RuntimeValue<T>> arguments;
    for (Value operand : op->getOperands())
      arguments.push_back(frame.lookup(operand));
    auto results = interpreter->call(callee, arguments, op->getLoc());
    if (failed(results))
      return failure();
    for (auto [result, value] : llvm::zip_equal(op->getResults(), *results))
      if (failed(frame.set(result, value)))
        return failure();
    return success();
  }
};

template <typename Op, typename Function> void attach(MLIRContext *context) {
  Op::template attachInterface<ElementwiseModel<Op, Function>>(*context);
}

} // namespace

void reference::registerReferenceModels(DialectRegistry &registry) {
  registry.insert<NNDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect>();
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    arith::ConstantOp::attachInterface<ConstantModel>(*context);
    attach<arith::AddFOp, Add>(context);
    attach<arith::SubFOp, Subtract>(context);
    attach<arith::MulFOp, Multiply>(context);
    attach<arith::DivFOp, Divide>(context);
    attach<arith::MaximumFOp, Maximum>(context);
    attach<arith::MaxNumFOp, MaximumNumber>(context);
    attach<arith::MinimumFOp, Minimum>(context);
    attach<arith::MinNumFOp, MinimumNumber>(context);
    attach<arith::NegFOp, Negate>(context);
    attach<arith::ExtFOp, Identity>(context);
    attach<arith::TruncFOp, Identity>(context);
    arith::CmpFOp::attachInterface<CompareModel>(*context);
    arith::SelectOp::attachInterface<SelectModel>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, math::MathDialect *) {
    attach<math::AbsFOp, Absolute>(context);
    attach<math::AcosOp, ArcCosine>(context);
    attach<math::AsinOp, ArcSine>(context);
    attach<math::Atan2Op, AngleOf>(context);
    attach<math::AtanOp, ArcTangent>(context);
    attach<math::CbrtOp, CubeRoot>(context);
    attach<math::CopySignOp, CopySign>(context);
    attach<math::ErfOp, ErrorFunction>(context);
    attach<math::ErfcOp, ComplementaryErrorFunction>(context);
    attach<math::ExpM1Op, ExponentialMinusOne>(context);
    attach<math::ExpOp, Exponential>(context);
    attach<math::FloorOp, Floor>(context);
    attach<math::FmaOp, MultiplyAdd>(context);
    attach<math::Log1pOp, LogarithmOfOnePlus>(context);
    attach<math::Log2Op, BinaryLogarithm>(context);
    attach<math::LogOp, Logarithm>(context);
    attach<math::RsqrtOp, ReciprocalSquareRoot>(context);
    attach<math::SqrtOp, SquareRoot>(context);
    attach<math::TanhOp, HyperbolicTangent>(context);
  });
  registry.addExtension(
      +[](MLIRContext *context, func::FuncDialect *) { func::CallOp::attachInterface<CallModel>(*context); });
  registerTensorModels(registry);
  registerLoopModels(registry);
  registerLinalgModels(registry);
}
