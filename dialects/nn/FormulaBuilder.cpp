//===- FormulaBuilder.cpp - what gradients and decompositions are written with -----------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include <limits>

using namespace mlir;
using namespace llmc::nn;

FormulaBuilder::FormulaBuilder(OpBuilder &builder, Operation *op) : b(op->getLoc(), builder) {
  auto isDouble = [](Type type) { return getElementTypeOrSelf(type).isF64(); };
  const bool inDouble =
      llvm::any_of(op->getOperandTypes(), isDouble) || llvm::any_of(op->getResultTypes(), isDouble);
  element = inDouble ? Type(b.getF64Type()) : b.getF32Type();
}

Value FormulaBuilder::promote(Value value) {
  return getElementTypeOrSelf(value) == element ? value : Value(ConvertOp::create(b, value, element));
}

Value FormulaBuilder::fill(Value empty, double value) {
  Value constant = arith::ConstantOp::create(b, b.getFloatAttr(getElementTypeOrSelf(empty), value));
  return linalg::FillOp::create(b, ValueRange{constant}, ValueRange{empty}).getResult(0);
}

Value FormulaBuilder::makeEmpty(Value like, Type type) {
  return tensor::EmptyOp::create(b, tensor::getMixedSizes(b, b.getLoc(), like), type);
}
Value FormulaBuilder::makeZeros(Value like, Type type) { return fill(makeEmpty(like, type), 0); }

Value FormulaBuilder::compute(ValueRange inputs, ArrayRef<Dims> dims, unsigned loops, Dims result,
                              ElementFunction function, Reduction reduction) {
  SmallVector<AffineMap> maps;
  for (Dims access : dims)
    maps.push_back(AffineMap::getMultiDimMapWithTargets(loops, access, b.getContext()));
  return compute(inputs, maps, result, function, reduction);
}

Value FormulaBuilder::compute(ValueRange inputs, ArrayRef<AffineMap> inputMaps, Dims result,
                              ElementFunction function, Reduction reduction) {
  // Each size of the result is one of an input.
  SmallVector<OpFoldResult> sizes;
  for (unsigned loop : result)
    for (auto [input, map] : llvm::zip_equal(inputs, inputMaps))
      if (auto dim = map.getResultPosition(b.getAffineDimExpr(loop))) {
        sizes.push_back(tensor::getMixedSize(b, b.getLoc(), input, *dim));
        break;
      }
  return compute(inputs, inputMaps, result, sizes, function, reduction);
}

Value FormulaBuilder::compute(ValueRange inputs, ArrayRef<AffineMap> inputMaps, Dims result,
                              ArrayRef<OpFoldResult> sizes, ElementFunction function, Reduction reduction) {
  const unsigned loops = inputMaps.front().getNumDims();
  SmallVector<Value> values;
  for (Value input : inputs)
    values.push_back(isa<BlockType>(getElementTypeOrSelf(input)) ? promote(input) : input);
  Value init = tensor::EmptyOp::create(b, sizes, element);
  const bool reduces = result.size() < loops;
  if (reduces)
    init = fill(init, reduction == Reduction::Sum ? 0 : -std::numeric_limits<double>::infinity());

  SmallVector<AffineMap> maps(inputMaps);
  maps.push_back(AffineMap::getMultiDimMapWithTargets(loops, result, b.getContext()));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::reduction);
  for (unsigned loop : result)
    iterators[loop] = utils::IteratorType::parallel;
  auto generic = linalg::GenericOp::create(
      b, TypeRange{init.getType()}, values, ValueRange{init}, maps, iterators,
      [&](OpBuilder &nested, Location loc, ValueRange arguments) {
        ImplicitLocOpBuilder body(loc, nested);
        SmallVector<Number> numbers;
        for (Value argument : arguments.drop_back()) {
          const bool isNarrow = isa<FloatType>(argument.getType()) && argument.getType() != element;
          numbers.push_back(
              {&body, isNarrow ? Value(arith::ExtFOp::create(body, element, argument)) : argument});
        }
        Number value = function(numbers), reduced{&body, arguments.back()};
        if (reduces)
          value = reduction == Reduction::Sum ? reduced + value : binary<arith::MaximumFOp>(reduced, value);
        linalg::YieldOp::create(body, value.value);
      });
  return generic.getResult(0);
}

Value FormulaBuilder::mapElements(ValueRange inputs, ElementFunction function) {
  const SmallVector<unsigned> matrix = {0, 1};
  return compute(inputs, SmallVector<Dims>(inputs.size(), matrix), 2, matrix, function);
}

Value FormulaBuilder::as(Value operand, Value value) {
  auto type = cast<RankedTensorType>(operand.getType());
  if (getElementTypeOrSelf(value) != type.getElementType())
    value = ConvertOp::create(b, value, type.getElementType());
  return value.getType() == type ? value : Value(tensor::CastOp::create(b, type, value));
}

/// Each of `rank` dimensions for itself, but `parts` of them from `dim` on together.
static SmallVector<ReassociationIndices> groupDims(unsigned rank, unsigned dim, unsigned parts) {
  SmallVector<ReassociationIndices> groups;
  for (unsigned index = 0; index < rank;) {
    ReassociationIndices &group = groups.emplace_back();
    for (unsigned count = index == dim ? parts : 1; count > 0; --count)
      group.push_back(index++);
  }
  return groups;
}

Value FormulaBuilder::expand(Value value, unsigned dim, ArrayRef<int64_t> sizes) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.erase(shape.begin() + dim);
  shape.insert(shape.begin() + dim, sizes.begin(), sizes.end());
  return tensor::ExpandShapeOp::create(b, type.clone(shape), value,
                                       groupDims(shape.size(), dim, sizes.size()));
}

Value FormulaBuilder::collapse(Value value, unsigned dim, unsigned parts) {
  const unsigned rank = cast<RankedTensorType>(value.getType()).getRank();
  return tensor::CollapseShapeOp::create(b, value, groupDims(rank, dim, parts));
}

Value llmc::nn::columnOf(ImplicitLocOpBuilder &body) {
  return arith::IndexCastOp::create(body, body.getI32Type(), linalg::IndexOp::create(body, 1));
}
