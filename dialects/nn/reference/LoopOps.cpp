//===- LoopOps.cpp - reference semantics of loops and of the arithmetic of integers -------------------===//

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamModels.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

template <typename T> int64_t indexOf(Value value, Frame<T> &frame) {
  return frame.getIntegers(value).values[0];
}

/// Evaluates a block that also reads values of the blocks around it.
template <typename T>
FailureOr<SmallVector<RuntimeValue<T>>> evaluateBody(Operation *op, Block &body, Frame<T> &frame,
                                                     ArrayRef<RuntimeValue<T>> arguments) {
  if (!frame.getInterpreter())
    return op->emitOpError() << "has no value outside of a program";
  return frame.getInterpreter()->evaluate(body, arguments, &frame);
}

struct ForModel : ReferenceOpInterface::ExternalModel<ForModel, scf::ForOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    auto loop = cast<scf::ForOp>(op);
    const int64_t last = indexOf(loop.getUpperBound(), frame), step = indexOf(loop.getStep(), frame);
    if (step <= 0)
      return op->emitOpError() << "has a step of " << step;
    SmallVector<RuntimeValue<T>> values;
    for (Value init : loop.getInitArgs())
      values.push_back(frame.lookup(init));
    for (int64_t i = indexOf(loop.getLowerBound(), frame); i < last; i += step) {
      // Below a bound that has 32 bits.
      values.insert(values.begin(), IntegerTensor({}, {static_cast<int32_t>(i)}));
      auto next = evaluateBody<T>(op, *loop.getBody(), frame, values);
      if (failed(next))
        return failure();
      values = std::move(*next);
    }
    for (auto [result, value] : llvm::zip_equal(loop.getResults(), values))
      if (failed(frame.set(result, value)))
        return failure();
    return success();
  }
};

/// affine.apply, min and max: the value, the least or the largest of the results of a map.
template <typename Op> struct AffineModel : ReferenceOpInterface::ExternalModel<AffineModel<Op>, Op> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    Builder builder(op->getContext());
    SmallVector<Attribute> operands, results;
    for (Value operand : op->getOperands())
      operands.push_back(builder.getIndexAttr(indexOf(operand, frame)));
    if (failed(cast<Op>(op).getAffineMap().constantFold(operands, results)))
      return op->emitOpError() << "divides by zero";
    SmallVector<int64_t> numbers =
        llvm::map_to_vector(results, [](Attribute result) { return cast<IntegerAttr>(result).getInt(); });
    const int64_t chosen =
        std::is_same_v<Op, affine::AffineMaxOp> ? *llvm::max_element(numbers) : *llvm::min_element(numbers);
    return frame.setInteger(op->getResult(0), chosen);
  }
};

/// Arithmetic of two integers.
template <typename Op, typename Function>
struct IntegerModel : ReferenceOpInterface::ExternalModel<IntegerModel<Op, Function>, Op> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    if (!op->getResult(0).getType().isIntOrIndex())
      return op->emitOpError() << "on " << op->getResult(0).getType()
                               << " can not be interpreted, only integers can";
    const int64_t value = Function()(indexOf(op->getOperand(0), frame), indexOf(op->getOperand(1), frame));
    // What does not fit into 32 bits wraps around; an index must fit.
    const bool wraps = op->getResult(0).getType().isInteger(32);
    return frame.setInteger(op->getResult(0), wraps ? static_cast<int32_t>(value) : value);
  }
};

/// Both halves of products of unsigned integers.
struct MultiplyExtendedModel
    : ReferenceOpInterface::ExternalModel<MultiplyExtendedModel, arith::MulUIExtendedOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    if (!op->getResult(0).getType().isInteger(32))
      return op->emitOpError() << "on " << op->getResult(0).getType()
                               << " can not be interpreted, only i32 can";
    auto wordOf = [&](unsigned operand) {
      return static_cast<uint32_t>(indexOf(op->getOperand(operand), frame));
    };
    const uint64_t product = uint64_t{wordOf(0)} * wordOf(1);
    if (failed(frame.setInteger(op->getResult(0), static_cast<int32_t>(product))))
      return failure();
    return frame.setInteger(op->getResult(1), static_cast<int32_t>(product >> 32));
  }
};

/// Comparisons: sign extension keeps the order of unsigned integers too.
struct CompareModel : ReferenceOpInterface::ExternalModel<CompareModel, arith::CmpIOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    auto compare = cast<arith::CmpIOp>(op);
    if (!compare.getLhs().getType().isIntOrIndex())
      return op->emitOpError() << "on " << compare.getLhs().getType()
                               << " can not be interpreted, only integers can";
    const APInt a(64, indexOf(compare.getLhs(), frame), true), b(64, indexOf(compare.getRhs(), frame), true);
    return frame.setInteger(compare, arith::applyCmpPredicate(compare.getPredicate(), a, b));
  }
};

/// An integer as another integer, or as a number.
template <typename Op> struct CastModel : ReferenceOpInterface::ExternalModel<CastModel<Op>, Op> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    if (!op->getOperand(0).getType().isIntOrIndex())
      return op->emitOpError() << "on " << op->getOperand(0).getType()
                               << " can not be interpreted, only integers can";
    const int64_t value = indexOf(op->getOperand(0), frame);
    if (std::is_same_v<Op, arith::IndexCastOp>)
      return frame.setInteger(op->getResult(0), value);
    return frame.setComputed(op->getResult(0), Tensor<T>({}, {static_cast<T>(value)}));
  }
};

struct Least {
  int64_t operator()(int64_t a, int64_t b) const { return std::min(a, b); }
};

} // namespace

void reference::registerLoopModels(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, scf::SCFDialect>();
  registry.addExtension(
      +[](MLIRContext *context, scf::SCFDialect *) { scf::ForOp::attachInterface<ForModel>(*context); });
  registry.addExtension(+[](MLIRContext *context, affine::AffineDialect *) {
    affine::AffineApplyOp::attachInterface<AffineModel<affine::AffineApplyOp>>(*context);
    affine::AffineMinOp::attachInterface<AffineModel<affine::AffineMinOp>>(*context);
    affine::AffineMaxOp::attachInterface<AffineModel<affine::AffineMaxOp>>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    arith::AddIOp::attachInterface<IntegerModel<arith::AddIOp, std::plus<>>>(*context);
    arith::SubIOp::attachInterface<IntegerModel<arith::SubIOp, std::minus<>>>(*context);
    arith::MulIOp::attachInterface<IntegerModel<arith::MulIOp, std::multiplies<>>>(*context);
    arith::MinSIOp::attachInterface<IntegerModel<arith::MinSIOp, Least>>(*context);
    arith::AndIOp::attachInterface<IntegerModel<arith::AndIOp, std::bit_and<>>>(*context);
    arith::XOrIOp::attachInterface<IntegerModel<arith::XOrIOp, std::bit_xor<>>>(*context);
    arith::MulUIExtendedOp::attachInterface<MultiplyExtendedModel>(*context);
    arith::CmpIOp::attachInterface<CompareModel>(*context);
    arith::IndexCastOp::attachInterface<CastModel<arith::IndexCastOp>>(*context);
    arith::SIToFPOp::attachInterface<CastModel<arith::SIToFPOp>>(*context);
  });
}
