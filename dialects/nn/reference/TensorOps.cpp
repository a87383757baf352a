//===- TensorOps.cpp - reference semantics of slices and views of tensors ----------------------------===//

#include "dialects/nn/reference/Frame.h"
#include "dialects/nn/reference/UpstreamModels.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

template <typename Model, typename Op> struct TensorModel : ReferenceOpInterface::ExternalModel<Model, Op> {
  LogicalResult evaluateF32(Operation *op, Frame<float> &frame) const {
    return Model::evaluate(cast<Op>(op), frame);
  }
  LogicalResult evaluateF64(Operation *op, Frame<double> &frame) const {
    return Model::evaluate(cast<Op>(op), frame);
  }
};

/// Calls `function` with the tensor that `value` is, of whatever elements.
template <typename T, typename Function>
LogicalResult withTensor(const RuntimeValue<T> &value, Function function) {
  if (const IntegerTensor *integers = value.getIntegers())
    return function(*integers);
  return function(*value.getTensor());
}

/// The numbers that `sizes` are.
template <typename T> SmallVector<int64_t> resolve(ArrayRef<OpFoldResult> sizes, Frame<T> &frame) {
  return llvm::map_to_vector(sizes, [&](OpFoldResult size) -> int64_t {
    if (auto attribute = dyn_cast<Attribute>(size))
      return cast<IntegerAttr>(attribute).getInt();
    return frame.getIntegers(cast<Value>(size)).values[0];
  });
}

/// A slice of a tensor of shape `shape`.
struct Slice {
  ArrayRef<int64_t> shape;
  SmallVector<int64_t> offsets, sizes, strides;

  /// Whether it lies in the tensor.
  bool fits() const {
    for (auto [size, offset, count, stride] : llvm::zip_equal(shape, offsets, sizes, strides))
      if (offset < 0 || count < 0 || stride < 1 || (count > 0 && offset + (count - 1) * stride >= size))
        return false;
    return true;
  }
  /// Calls `function` with the place in the tensor of each element of the slice, in order.
  template <typename Function> void forEach(Function function) const {
    for (int64_t i = 0, elements = elementsOf(sizes); i < elements; ++i) {
      int64_t rest = i, place = 0, pitch = 1;
      for (int64_t dim = static_cast<int64_t>(shape.size()) - 1; dim >= 0; --dim) {
        place += (offsets[dim] + rest % sizes[dim] * strides[dim]) * pitch;
        rest /= sizes[dim];
        pitch *= shape[dim];
      }
      function(place);
    }
  }
};

template <typename T, typename Op> Slice sliceOf(Op op, ArrayRef<int64_t> shape, Frame<T> &frame) {
  return {shape, resolve(op.getMixedOffsets(), frame), resolve(op.getMixedSizes(), frame),
          resolve(op.getMixedStrides(), frame)};
}

LogicalResult refuseSlice(Operation *op, const Slice &slice) {
  auto refusal = op->emitOpError() << "reaches out of a tensor of ";
  llvm::interleave(slice.shape, refusal, "x");
  return refusal;
}

/// Elements have no value yet: a NaN that is left over shows.
struct EmptyModel : TensorModel<EmptyModel, tensor::EmptyOp> {
  template <typename T> static LogicalResult evaluate(tensor::EmptyOp op, Frame<T> &frame) {
    const SmallVector<int64_t> shape = resolve(op.getMixedSizes(), frame);
    if (op.getType().getElementType().isInteger())
      return frame.set(op, IntegerTensor(shape, std::vector<int32_t>(elementsOf(shape), INT32_MIN)));
    return frame.set(
        op, Tensor<T>(shape, std::vector<T>(elementsOf(shape), std::numeric_limits<T>::quiet_NaN())));
  }
};

struct DimModel : TensorModel<DimModel, tensor::DimOp> {
  template <typename T> static LogicalResult evaluate(tensor::DimOp op, Frame<T> &frame) {
    const int32_t dim = frame.getIntegers(op.getIndex()).values[0];
    return withTensor(frame.lookup(op.getSource()), [&](const auto &tensor) -> LogicalResult {
      if (dim < 0 || dim >= static_cast<int64_t>(tensor.shape.size()))
        return op.emitOpError() << "asks for dimension " << dim << " of " << tensor.shape.size();
      return frame.setInteger(op, tensor.shape[dim]);
    });
  }
};

struct ExtractModel : TensorModel<ExtractModel, tensor::ExtractOp> {
  template <typename T> static LogicalResult evaluate(tensor::ExtractOp op, Frame<T> &frame) {
    return withTensor(frame.lookup(op.getTensor()), [&](const auto &tensor) -> LogicalResult {
      Slice slice{tensor.shape};
      for (Value index : op.getIndices())
        slice.offsets.push_back(frame.getIntegers(index).values[0]);
      slice.sizes.assign(slice.offsets.size(), 1);
      slice.strides.assign(slice.offsets.size(), 1);
      if (!slice.fits())
        return refuseSlice(op, slice);
      auto element = tensor;
      element.shape.clear();
      slice.forEach([&](int64_t place) { element.values = {tensor.values[place]}; });
      return frame.set(op, std::move(element));
    });
  }
};

struct CastModel : TensorModel<CastModel, tensor::CastOp> {
  template <typename T> static LogicalResult evaluate(tensor::CastOp op, Frame<T> &frame) {
    return frame.set(op, frame.lookup(op.getSource()));
  }
};

struct ExtractSliceModel : TensorModel<ExtractSliceModel, tensor::ExtractSliceOp> {
  template <typename T> static LogicalResult evaluate(tensor::ExtractSliceOp op, Frame<T> &frame) {
    if (op.getType().getRank() != op.getSourceType().getRank())
      return op.emitOpError() << "drops dimensions, which can not be interpreted";
    return withTensor(frame.lookup(op.getSource()), [&](const auto &source) -> LogicalResult {
      const Slice slice = sliceOf(op, source.shape, frame);
      if (!slice.fits())
        return refuseSlice(op, slice);
      auto result = source;
      result.shape.assign(slice.sizes.begin(), slice.sizes.end());
      result.values.clear();
      slice.forEach([&](int64_t place) { result.values.push_back(source.values[place]); });
      return frame.set(op, std::move(result));
    });
  }
};

struct InsertSliceModel : TensorModel<InsertSliceModel, tensor::InsertSliceOp> {
  template <typename T> static LogicalResult evaluate(tensor::InsertSliceOp op, Frame<T> &frame) {
    if (op.getSourceType().getRank() != op.getDestType().getRank())
      return op.emitOpError() << "adds dimensions, which can not be interpreted";
    return withTensor(frame.lookup(op.getSource()), [&](const auto &source) -> LogicalResult {
      return withTensor(frame.lookup(op.getDest()), [&](auto result) -> LogicalResult {
        const Slice slice = sliceOf(op, result.shape, frame);
        if (!slice.fits() || ArrayRef(slice.sizes) != ArrayRef(source.shape))
          return refuseSlice(op, slice);
        if constexpr (std::is_same_v<std::decay_t<decltype(source)>, decltype(result)>) {
          auto value = source.values.begin();
          auto changed = result;
          slice.forEach([&](int64_t place) { changed.values[place] = *value++; });
          return frame.set(op, std::move(changed));
        }
        llvm_unreachable("the verifier has compared element types");
      });
    });
  }
};

/// Other sizes for the same elements in the same order.
template <typename Op> struct ReshapeModel : TensorModel<ReshapeModel<Op>, Op> {
  template <typename T> static LogicalResult evaluate(Op op, Frame<T> &frame) {
    return withTensor(frame.lookup(op.getSrc()), [&](auto tensor) -> LogicalResult {
      SmallVector<int64_t, 2> shape;
      if constexpr (std::is_same_v<Op, tensor::ExpandShapeOp>) {
        llvm::append_range(shape, resolve(op.getMixedOutputShape(), frame));
      } else {
        for (const ReassociationIndices &group : op.getReassociationIndices()) {
          int64_t size = 1;
          for (int64_t dim : group)
            size *= tensor.shape[dim];
          shape.push_back(size);
        }
      }
      if (elementsOf(shape) != static_cast<int64_t>(tensor.values.size()))
        return op.emitOpError() << "makes " << elementsOf(shape) << " elements of " << tensor.values.size();
      tensor.shape = shape;
      return frame.set(op, std::move(tensor));
    });
  }
};

} // namespace

void reference::registerTensorModels(DialectRegistry &registry) {
  registry.insert<tensor::TensorDialect>();
  registry.addExtension(+[](MLIRContext *context, tensor::TensorDialect *) {
    tensor::EmptyOp::attachInterface<EmptyModel>(*context);
    tensor::DimOp::attachInterface<DimModel>(*context);
    tensor::ExtractOp::attachInterface<ExtractModel>(*context);
    tensor::CastOp::attachInterface<CastModel>(*context);
    tensor::ExtractSliceOp::attachInterface<ExtractSliceModel>(*context);
    tensor::InsertSliceOp::attachInterface<InsertSliceModel>(*context);
    tensor::ExpandShapeOp::attachInterface<ReshapeModel<tensor::ExpandShapeOp>>(*context);
    tensor::CollapseShapeOp::attachInterface<ReshapeModel<tensor::CollapseShapeOp>>(*context);
  });
}
