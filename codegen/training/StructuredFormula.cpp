//===- StructuredFormula.cpp - the formula of a structured operation in a kernel ------------------------===//

#include "codegen/training/StructuredFormula.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

StructuredFormula::StructuredFormula(KernelBuilder &b, linalg::GenericOp op,
                                     ArrayRef<Destination> destinations)
    : b(b), op(op), destinations(destinations), maps(op.getIndexingMapsArray()),
      types(op.getIteratorTypesArray()), sizes(op.getStaticLoopRanges()), ivs(sizes.size()) {}

LogicalResult StructuredFormula::begin(const llvm::DenseMap<Value, Value> &stepBuffers,
                                       llvm::function_ref<Value(Value)> import) {
  for (unsigned index = 0; index < destinations.size(); ++index)
    if (readsInit(index) && (!hasReductions() || !combiner(index)))
      return emitNotSupported(op) << "reduces by something else than a sum or a maximum, which training does "
                                     "not support";
  for (OpOperand *input : op.getDpsInputOperands())
    buffers.push_back(import(stepBuffers.lookup(input->get())));
  for (auto [index, destination] : llvm::enumerate(destinations)) {
    buffers.push_back(import(destination.buffer));
    Value init = op.getDpsInits()[index];
    auto fill = init.getDefiningOp<linalg::FillOp>();
    if (readsInit(index) && !fill)
      return emitNotSupported(op) << "begins its sums with a tensor, which training does not support";
    inits.push_back(fill ? fill.getInputs()[0] : Value());
  }
  return success();
}

/// The operation that adds to output `index`: a sum or a maximum.
Operation *StructuredFormula::combiner(unsigned index) {
  BlockArgument out = op.getRegionOutputArgs()[index];
  if (!out.hasOneUse())
    return nullptr;
  Operation *user = *out.getUsers().begin();
  const bool isYielded = op.getBody()->getTerminator()->getOperand(index) == user->getResult(0) &&
                         user->getBlock() == op.getBody();
  return isYielded && isa<arith::AddFOp, arith::MaximumFOp>(user) ? user : nullptr;
}

bool isRegularOperand(AffineMap map, MemRefType buffer, unsigned loop) {
  if (!map.isFunctionOfDim(loop))
    return true;
  for (unsigned i = 0; i + 1 < map.getNumResults(); ++i)
    if (map.getResult(i).isFunctionOfDim(loop))
      return false;
  auto [strides, offset] = buffer.getStridesAndOffset();
  return map.getResults().back() == getAffineDimExpr(loop, map.getContext()) && strides.back() == 1;
}

bool StructuredFormula::isRegular(unsigned loop) const {
  return llvm::all_of(llvm::zip(maps, buffers), [&](auto operand) {
    return isRegularOperand(std::get<0>(operand), cast<MemRefType>(std::get<1>(operand).getType()), loop);
  });
}

bool StructuredFormula::hasDoubles() {
  return op.getBody()
      ->walk([](Operation *inner) {
        return llvm::any_of(inner->getResultTypes(), [](Type type) { return type.isF64(); })
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

void StructuredFormula::findDependences() {
  for (auto [argument, map] : llvm::zip(op.getRegionInputArgs(), maps)) {
    llvm::SmallBitVector loops(sizes.size());
    for (unsigned loop = 0; loop < sizes.size(); ++loop)
      loops[loop] = map.isFunctionOfDim(loop);
    dependences[argument] = loops;
  }
  for (Value argument : op.getRegionOutputArgs())
    dependences[argument] = llvm::SmallBitVector(sizes.size(), true);
  for (Operation &inner : op.getBody()->without_terminator()) {
    llvm::SmallBitVector loops(sizes.size());
    if (auto index = dyn_cast<linalg::IndexOp>(inner))
      loops.set(index.getDim());
    for (Value operand : inner.getOperands())
      if (auto it = dependences.find(operand); it != dependences.end())
        loops |= it->second;
    for (Value result : inner.getResults())
      dependences[result] = loops;
  }
}

bool StructuredFormula::isVector(Value value) {
  auto it = dependences.find(value);
  return vectorLoop && it != dependences.end() && it->second.test(*vectorLoop);
}

SmallVector<Value> StructuredFormula::startValues() {
  SmallVector<Value> start;
  if (!hasReductions())
    return start;
  for (unsigned index = 0; index < destinations.size(); ++index) {
    Type element = cast<MemRefType>(destinations[index].buffer.getType()).getElementType();
    Value neutral = arith::ConstantOp::create(
        b, b.getFloatAttr(element, isSum(index) ? 0 : -std::numeric_limits<double>::infinity()));
    start.push_back(vectorLoop ? b.broadcast(neutral) : neutral);
  }
  return start;
}

llvm::MaybeAlign StructuredFormula::alignmentOf(Type type) const {
  if (!alignsVectors)
    return {};
  auto vector = cast<VectorType>(type);
  return llvm::MaybeAlign(vector.getNumElements() * vector.getElementTypeBitWidth() / 8);
}

static bool isNeutral(Value init, bool isSum) {
  FloatAttr number;
  return matchPattern(init, m_Constant(&number)) &&
         (isSum ? number.getValue().isPosZero()
                : number.getValue().isInfinity() && number.getValue().isNegative());
}

void StructuredFormula::finish(ArrayRef<Value> results) {
  for (auto [index, result] : llvm::enumerate(results)) {
    Value value = result;
    if (Value init = inits[index]; hasReductions() && init && !isNeutral(init, isSum(index))) {
      Value start = clone(init);
      if (isa<VectorType>(value.getType()))
        start = b.broadcast(start);
      value = combine(index, value, start);
    }
    Value buffer = buffers[op.getNumDpsInputs() + index];
    SmallVector<Value> indices = indicesOf(outputMap(index));
    if (destinations[index].update == Update::Accumulate)
      value = b.addf(load(buffer, indices, value.getType()), value);
    if (!isa<VectorType>(value.getType()))
      b.store(value, buffer, indices);
    else if (mask)
      vector::MaskedStoreOp::create(b, buffer, indices, mask, value);
    else
      vector::StoreOp::create(b, value, buffer, indices, /*nontemporal=*/false, alignmentOf(value.getType()));
  }
}

SmallVector<Value> StructuredFormula::indicesOf(AffineMap map) {
  SmallVector<Value> indices;
  for (AffineExpr expression : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(expression))
      indices.push_back(ivs[dim.getPosition()]);
    else {
      SmallVector<Value> operands;
      for (Value iv : ivs)
        operands.push_back(iv ? iv : b.index(0));
      indices.push_back(
          affine::AffineApplyOp::create(b, AffineMap::get(map.getNumDims(), 0, expression), operands));
    }
  }
  return indices;
}

Value StructuredFormula::load(Value buffer, ValueRange indices, Type type) {
  auto vectorType = dyn_cast<VectorType>(type);
  if (!vectorType)
    return b.load(buffer, indices);
  if (!mask)
    return vector::LoadOp::create(b, vectorType, buffer, indices, /*nontemporal=*/false,
                                  alignmentOf(vectorType));
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vectorType));
  return vector::MaskedLoadOp::create(b, vectorType, buffer, indices, mask, zero);
}

void StructuredFormula::computeBefore(const llvm::SmallBitVector &known) {
  auto isKnown = [&](Value value) { return !llvm::SmallBitVector(dependences[value]).test(known); };
  for (Value argument : op.getRegionInputArgs())
    if (isKnown(argument))
      (void)valueOf(argument);
  for (Operation &inner : op.getBody()->without_terminator())
    if (llvm::all_of(inner.getResults(), isKnown))
      evaluate(&inner);
}

SmallVector<Value> StructuredFormula::compute(ArrayRef<Value> sums) {
  for (auto [argument, sum] : llvm::zip(op.getRegionOutputArgs(), sums))
    values[argument] = sum;
  for (Operation &inner : op.getBody()->without_terminator())
    evaluate(&inner);
  SmallVector<Value> results;
  for (Value yielded : op.getBody()->getTerminator()->getOperands()) {
    Value value = valueOf(yielded);
    if (vectorLoop && !isa<VectorType>(value.getType()))
      value = b.broadcast(value);
    results.push_back(value);
  }
  return results;
}

Value StructuredFormula::valueOf(Value value) {
  Value &found = values[value];
  if (found)
    return found;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    const unsigned index = argument.getArgNumber();
    Type type = argument.getType();
    if (isVector(argument))
      type = VectorType::get({b.lanes}, type);
    return found = load(buffers[index], indicesOf(maps[index]), type);
  }
  return found = clone(value); // a constant outside of the operation
}

void StructuredFormula::evaluate(Operation *inner) {
  if (values.contains(inner->getResult(0)))
    return;
  if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
    Value iv = ivs[index.getDim()];
    if (vectorLoop == index.getDim()) {
      auto type = VectorType::get({b.lanes}, b.getIndexType());
      iv =
          arith::AddIOp::create(b, vector::BroadcastOp::create(b, type, iv), vector::StepOp::create(b, type));
    }
    values[index.getResult()] = iv;
    return;
  }
  const bool vector = isVector(inner->getResult(0));
  OperationState state(b.getLoc(), inner->getName());
  for (Value operand : inner->getOperands()) {
    Value value = valueOf(operand);
    if (vector && !isa<VectorType>(value.getType()))
      value = b.broadcast(value);
    state.operands.push_back(value);
  }
  for (Type type : inner->getResultTypes())
    state.types.push_back(vector ? VectorType::get({b.lanes}, type) : type);
  state.attributes.append(inner->getDiscardableAttrs());
  if (isa<arith::TruncFOp>(inner) && inner->getResult(0).getType().isBF16()) {
    values[inner->getResult(0)] = b.roundToBf16(state.operands[0]);
    return;
  }
  Operation *made;
  if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
    made = arith::ConstantOp::create(b, constant.getValue());
  } else {
    state.propertiesAttr = inner->getPropertiesAsAttribute();
    made = b.create(state);
  }
  for (auto [old, result] : llvm::zip(inner->getResults(), made->getResults()))
    values[old] = result;
}

} // namespace llmc::codegen
