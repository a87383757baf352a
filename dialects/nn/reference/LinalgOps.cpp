//===- LinalgOps.cpp - reference semantics of structured operations -----------------------------------===//

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamModels.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// The place in a tensor of `shape` that `access` gives for the loops `point`, if it is in it.
FailureOr<int64_t> placeOf(Operation *op, ArrayRef<int64_t> shape, AffineMap access,
                           ArrayRef<int64_t> point) {
  int64_t place = 0;
  for (auto [dim, size, index] : llvm::enumerate(shape, access.compose(point))) {
    if (index < 0 || index >= size)
      return op->emitOpError() << "reaches index " << index << " of dimension " << dim << ", which has size "
                               << size;
    place = place * size + index;
  }
  return place;
}

/// An operand, of numbers or integers.
template <typename T> struct Operand {
  AffineMap access;
  RuntimeValue<T> value;

  ArrayRef<int64_t> shape() const {
    return value.getIntegers() ? ArrayRef<int64_t>(value.getIntegers()->shape)
                               : ArrayRef<int64_t>(value.getTensor()->shape);
  }
  RuntimeValue<T> at(int64_t place) const {
    if (const IntegerTensor *integers = value.getIntegers())
      return IntegerTensor({}, {integers->values[place]});
    return Tensor<T>({}, {value.getTensor()->values[place]});
  }
};

/// Sizes of the loops: each is that of a dimension which it goes through alone. Fails if sizes contradict
/// each other, or a loop has none.
template <typename T>
FailureOr<SmallVector<int64_t>> loopSizes(linalg::LinalgOp op, ArrayRef<Operand<T>> operands) {
  SmallVector<int64_t> sizes(op.getNumLoops(), -1);
  for (const Operand<T> &operand : operands)
    for (auto [expression, size] : llvm::zip_equal(operand.access.getResults(), operand.shape()))
      if (auto loop = dyn_cast<AffineDimExpr>(expression)) {
        int64_t &known = sizes[loop.getPosition()];
        if (known >= 0 && known != size)
          return op.emitOpError() << "has operands of sizes " << known << " and " << size << " for one loop";
        known = size;
      }
  if (llvm::is_contained(sizes, -1))
    return op.emitOpError()
           << "has a loop that goes through no dimension alone, which can not be interpreted";
  return sizes;
}

/// The loops from the first to the last, with the body evaluated at each point.
template <typename Op> struct StructuredModel : ReferenceOpInterface::ExternalModel<StructuredModel<Op>, Op> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *operation, Frame<T> &frame) {
    auto op = cast<linalg::LinalgOp>(operation);
    if (!frame.getInterpreter())
      return op.emitOpError() << "has no value outside of a program";
    SmallVector<Operand<T>> operands;
    for (OpOperand &operand : operation->getOpOperands())
      operands.push_back({op.getMatchingIndexingMap(&operand), frame.lookup(operand.get())});
    FailureOr<SmallVector<int64_t>> sizes = loopSizes<T>(op, operands);
    if (failed(sizes))
      return failure();
    const unsigned inputs = op.getNumDpsInputs();
    SmallVector<Tensor<T>> results;
    for (unsigned i = inputs; i < operands.size(); ++i) {
      if (!operands[i].value.getTensor())
        return op.emitOpError() << "has a result of integers, which can not be interpreted";
      results.push_back(*operands[i].value.getTensor());
    }
    SmallVector<int64_t> point(sizes->size());
    for (int64_t i = 0, points = elementsOf(*sizes); i < points; ++i) {
      int64_t rest = i;
      for (int64_t loop = static_cast<int64_t>(point.size()) - 1; loop >= 0; --loop) {
        point[loop] = rest % (*sizes)[loop];
        rest /= (*sizes)[loop];
      }
      SmallVector<int64_t> places;
      for (const Operand<T> &operand : operands) {
        FailureOr<int64_t> place = placeOf(op, operand.shape(), operand.access, point);
        if (failed(place))
          return failure();
        places.push_back(*place);
      }
      const ArrayRef<int64_t> resultPlaces = ArrayRef(places).drop_front(inputs);
      SmallVector<RuntimeValue<T>> arguments;
      for (auto [input, place] :
           llvm::zip_equal(ArrayRef(operands).take_front(inputs), ArrayRef(places).take_front(inputs)))
        arguments.push_back(input.at(place));
      for (auto [result, place] : llvm::zip_equal(results, resultPlaces))
        arguments.push_back(Tensor<T>({}, {result.values[place]}));
      Frame<T> around(frame.getInterpreter(), &frame);
      around.setPoint(point);
      auto values = frame.getInterpreter()->evaluate(*op.getBlock(), arguments, &around);
      if (failed(values))
        return failure();
      for (auto [result, place, value] : llvm::zip_equal(results, resultPlaces, *values))
        result.values[place] = value.getTensor()->values[0];
    }
    for (auto [value, result] : llvm::zip_equal(operation->getResults(), results))
      if (failed(frame.setComputed(value, std::move(result))))
        return failure();
    return success();
  }
};

/// Where a loop is.
struct IndexModel : ReferenceOpInterface::ExternalModel<IndexModel, linalg::IndexOp> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const { return evaluate(op, frame); }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const { return evaluate(op, frame); }

  template <typename T> static LogicalResult evaluate(Operation *op, Frame<T> &frame) {
    const int64_t index = frame.getPoint()[cast<linalg::IndexOp>(op).getDim()];
    return frame.setInteger(op->getResult(0), index);
  }
};

template <typename... Ops> void attach(MLIRContext *context) {
  (Ops::template attachInterface<StructuredModel<Ops>>(*context), ...);
}

} // namespace

void reference::registerLinalgModels(DialectRegistry &registry) {
  registry.insert<linalg::LinalgDialect>();
  registry.addExtension(+[](MLIRContext *context, linalg::LinalgDialect *) {
    attach<linalg::GenericOp, linalg::FillOp, linalg::MatmulOp, linalg::TransposeOp, linalg::BroadcastOp,
           linalg::ReduceOp>(context);
    linalg::IndexOp::attachInterface<IndexModel>(*context);
  });
}
