//===- StructuredKernel.cpp - structured operations as vector loops ----------------------------------===//
//
// One loop goes through vectors: that in which most elements lie side by side. Parallel loops come first,
// then the sums; what does not depend on the vector loop is computed once before it.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/training/TrainingKernel.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

bool isParallel(utils::IteratorType type) { return type == utils::IteratorType::parallel; }

class StructuredKernel {
public:
  StructuredKernel(TrainingLowering &lowering, linalg::GenericOp op, ArrayRef<Destination> destinations)
      : lowering(lowering), op(op), destinations(destinations), maps(op.getIndexingMapsArray()),
        types(op.getIteratorTypesArray()), sizes(op.getStaticLoopRanges()),
        kernel(lowering.kernel("structured", op.getLoc())), b(kernel.b) {}

  LogicalResult emit() {
    if (failed(checkReductions()))
      return failure();
    for (OpOperand *input : op.getDpsInputOperands())
      buffers.push_back(kernel.import(lowering.buffers.lookup(input->get())));
    for (auto [index, destination] : llvm::enumerate(destinations)) {
      buffers.push_back(kernel.import(destination.buffer));
      Value init = op.getDpsInits()[index];
      auto fill = init.getDefiningOp<linalg::FillOp>();
      if (!readsInit(index) || fill)
        inits.push_back(fill ? fill.getInputs()[0] : Value());
      else
        return emitNotSupported(op) << "begins its sums with a tensor, which training does not support";
    }
    chooseVectorLoop();
    orderLoops();
    findDependences();
    const Chunking chunking = chooseChunks();
    ivs.resize(sizes.size());
    nest(0, chunking);
    kernel.run(chunking.count);
    return success();
  }

private:
  /// Whether the formula reads what was in output `index`.
  bool readsInit(unsigned index) { return !op.getRegionOutputArgs()[index].use_empty(); }
  bool hasReductions() const { return !llvm::all_of(types, isParallel); }
  AffineMap outputMap(unsigned index) { return maps[op.getNumDpsInputs() + index]; }

  /// The operation that adds to output `index`: a sum or a maximum.
  Operation *combiner(unsigned index) {
    BlockArgument out = op.getRegionOutputArgs()[index];
    if (!out.hasOneUse())
      return nullptr;
    Operation *user = *out.getUsers().begin();
    const bool isYielded = op.getBody()->getTerminator()->getOperand(index) == user->getResult(0) &&
                           user->getBlock() == op.getBody();
    return isYielded && isa<arith::AddFOp, arith::MaximumFOp>(user) ? user : nullptr;
  }

  LogicalResult checkReductions() {
    for (unsigned index = 0; index < destinations.size(); ++index)
      if (readsInit(index) && (!hasReductions() || !combiner(index)))
        return emitNotSupported(op)
               << "reduces by something else than a sum or a maximum, which training does "
                  "not support";
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Order of loops
  //===--------------------------------------------------------------------===//

  /// Whether consecutive iterations of `loop` are consecutive elements of operand `index`, or all the same.
  bool isRegular(unsigned index, unsigned loop) const {
    AffineMap map = maps[index];
    if (!map.isFunctionOfDim(loop))
      return true;
    for (unsigned i = 0; i + 1 < map.getNumResults(); ++i)
      if (map.getResult(i).isFunctionOfDim(loop))
        return false;
    auto type = cast<MemRefType>(buffers[index].getType());
    auto [strides, offset] = type.getStridesAndOffset();
    return map.getResults().back() == getAffineDimExpr(loop, map.getContext()) && strides.back() == 1;
  }

  void chooseVectorLoop() {
    int64_t best = 1;
    for (unsigned loop = 0; loop < sizes.size(); ++loop) {
      if (!llvm::all_of(llvm::seq<unsigned>(0, maps.size()),
                        [&](unsigned index) { return isRegular(index, loop); }))
        continue;
      if (sizes[loop] > best) {
        best = sizes[loop];
        vectorLoop = loop;
      }
    }
    // Formulas on f64 (angles) call functions for each number.
    if (op.getBody()
            ->walk([](Operation *inner) {
              return llvm::any_of(inner->getResultTypes(), [](Type type) { return type.isF64(); })
                         ? WalkResult::interrupt()
                         : WalkResult::advance();
            })
            .wasInterrupted())
      vectorLoop = {};
  }

  void orderLoops() {
    auto append = [&](auto condition) {
      for (unsigned loop = 0; loop < sizes.size(); ++loop)
        if (condition(loop))
          order.push_back(loop);
    };
    append([&](unsigned loop) { return isParallel(types[loop]) && vectorLoop != loop; });
    append([&](unsigned loop) { return isParallel(types[loop]) && vectorLoop == loop; });
    parallelLoops = order.size();
    append([&](unsigned loop) { return !isParallel(types[loop]) && vectorLoop != loop; });
    append([&](unsigned loop) { return !isParallel(types[loop]) && vectorLoop == loop; });
  }

  /// The loops that each value of the formula depends on.
  void findDependences() {
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

  bool isVector(Value value) {
    auto it = dependences.find(value);
    return vectorLoop && it != dependences.end() && it->second.test(*vectorLoop);
  }

  Chunking chooseChunks() {
    int64_t work = 1;
    for (int64_t size : sizes)
      work *= size;
    if (parallelLoops == 0)
      return {1, 1};
    const unsigned loop = order.front();
    if (vectorLoop == loop) { // chunks of whole vectors
      const int64_t vectors = (sizes[loop] + b.lanes - 1) / b.lanes;
      Chunking chunking = Chunking::of(vectors, work / sizes[loop] * b.lanes);
      return {chunking.size * b.lanes, chunking.count};
    }
    return Chunking::of(sizes[loop], work / sizes[loop]);
  }

  //===--------------------------------------------------------------------===//
  // Loops
  //===--------------------------------------------------------------------===//

  void nest(unsigned depth, const Chunking &chunking) {
    if (depth == parallelLoops) {
      finish(reduce(depth, startValues()));
      return;
    }
    const unsigned loop = order[depth];
    Value begin = b.index(0), end = b.index(sizes[loop]);
    bool mayEndEarly = sizes[loop] % b.lanes != 0;
    if (depth == 0) {
      begin = b.mul(kernel.chunk, chunking.size);
      end = b.add(begin, chunking.size);
      if (chunking.size * chunking.count != sizes[loop])
        end = b.min(end, b.index(sizes[loop]));
    }
    if (vectorLoop != loop) {
      b.loop(begin, end, 1, [&](Value iv) {
        ivs[loop] = iv;
        nest(depth + 1, chunking);
      });
      return;
    }
    computeBefore(depth);
    const llvm::DenseMap<Value, Value> outside = values;
    Value wholeEnd = end;
    if (mayEndEarly)
      wholeEnd = b.add(begin, b.mul(b.div(arith::SubIOp::create(b, end, begin), b.lanes), b.lanes));
    b.loop(begin, wholeEnd, b.lanes, [&](Value iv) {
      ivs[loop] = iv;
      nest(depth + 1, chunking);
    });
    values = outside;
    if (!mayEndEarly)
      return;
    b.ifThen(b.less(wholeEnd, end), [&] {
      ivs[loop] = wholeEnd;
      mask = maskUntil(end, wholeEnd);
      nest(depth + 1, chunking);
      mask = Value();
    });
    values = outside;
  }

  Value maskUntil(Value end, Value begin) {
    return vector::CreateMaskOp::create(b, VectorType::get({b.lanes}, b.getI1Type()),
                                        ValueRange{arith::SubIOp::create(b, end, begin)});
  }

  /// What sums begin with.
  SmallVector<Value> startValues() {
    SmallVector<Value> start;
    if (!hasReductions())
      return start;
    for (unsigned index = 0; index < destinations.size(); ++index) {
      Type element = cast<MemRefType>(destinations[index].buffer.getType()).getElementType();
      const bool isSum = isa<arith::AddFOp>(combiner(index));
      Value neutral = arith::ConstantOp::create(
          b, b.getFloatAttr(element, isSum ? 0 : -std::numeric_limits<double>::infinity()));
      start.push_back(vectorLoop ? b.broadcast(neutral) : neutral);
    }
    return start;
  }

  SmallVector<Value> reduce(unsigned depth, ArrayRef<Value> carried) {
    if (depth == order.size())
      return compute(carried);
    const unsigned loop = order[depth];
    auto body = [&](Value iv, ValueRange sums) {
      ivs[loop] = iv;
      const llvm::DenseMap<Value, Value> outside = values;
      SmallVector<Value> next = reduce(depth + 1, llvm::to_vector(sums));
      values = outside;
      return next;
    };
    if (vectorLoop != loop)
      return b.loop(b.index(0), b.index(sizes[loop]), 1, carried, body);
    computeBefore(depth);
    const int64_t whole = sizes[loop] / b.lanes * b.lanes;
    SmallVector<Value> sums(carried);
    if (whole > 0)
      sums = b.loop(b.index(0), b.index(whole), b.lanes, carried, body);
    if (whole == sizes[loop])
      return sums;
    ivs[loop] = b.index(whole);
    mask = b.firstLanes(sizes[loop] - whole);
    const llvm::DenseMap<Value, Value> outside = values;
    SmallVector<Value> next = compute(sums);
    values = outside;
    for (auto [value, sum] : llvm::zip(next, sums))
      value = arith::SelectOp::create(b, mask, value, sum);
    mask = Value();
    return next;
  }

  /// Stores the results of one point of the parallel loops.
  void finish(ArrayRef<Value> results) {
    for (auto [index, result] : llvm::enumerate(results)) {
      Value value = result;
      const Destination &destination = destinations[index];
      if (hasReductions()) {
        const bool isSum = isa<arith::AddFOp>(combiner(index));
        if (vectorLoop && !isParallel(types[*vectorLoop]))
          value = isSum ? b.sum(value) : b.maximum(value);
        if (Value init = inits[index]; init && !isNeutral(init, isSum)) {
          Value start = clone(init);
          if (isa<VectorType>(value.getType()))
            start = b.broadcast(start);
          value = isSum ? b.addf(value, start) : b.maxf(value, start);
        }
      }
      Value buffer = buffers[op.getNumDpsInputs() + index];
      SmallVector<Value> indices = indicesOf(outputMap(index));
      if (destination.update == Update::Accumulate)
        value = b.addf(load(buffer, indices, value.getType()), value);
      if (!isa<VectorType>(value.getType()))
        b.store(value, buffer, indices);
      else if (mask)
        vector::MaskedStoreOp::create(b, buffer, indices, mask, value);
      else
        b.storeVector(value, buffer, indices);
    }
  }

  static bool isNeutral(Value init, bool isSum) {
    FloatAttr number;
    return matchPattern(init, m_Constant(&number)) &&
           (isSum ? number.getValue().isPosZero()
                  : number.getValue().isInfinity() && number.getValue().isNegative());
  }

  /// A constant of the step in this kernel.
  Value clone(Value constant) { return b.clone(*constant.getDefiningOp())->getResult(0); }

  //===--------------------------------------------------------------------===//
  // The formula
  //===--------------------------------------------------------------------===//

  SmallVector<Value> indicesOf(AffineMap map) {
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

  Value load(Value buffer, ValueRange indices, Type type) {
    auto vectorType = dyn_cast<VectorType>(type);
    if (!vectorType)
      return b.load(buffer, indices);
    if (!mask)
      return vector::LoadOp::create(b, vectorType, buffer, indices);
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vectorType));
    return vector::MaskedLoadOp::create(b, vectorType, buffer, indices, mask, zero);
  }

  /// Computes what is the same in all iterations of the loops from `depth` on.
  void computeBefore(unsigned depth) {
    llvm::SmallBitVector known(sizes.size());
    for (unsigned i = 0; i < depth; ++i)
      known.set(order[i]);
    auto isKnown = [&](Value value) {
      const llvm::SmallBitVector &loops = dependences[value];
      return !llvm::SmallBitVector(loops).test(known);
    };
    for (Value argument : op.getRegionInputArgs())
      if (isKnown(argument))
        (void)valueOf(argument);
    for (Operation &inner : op.getBody()->without_terminator())
      if (llvm::all_of(inner.getResults(), isKnown))
        evaluate(&inner);
  }

  /// The formula at the current point. `sums` are what outputs hold.
  SmallVector<Value> compute(ArrayRef<Value> sums) {
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

  Value valueOf(Value value) {
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

  void evaluate(Operation *inner) {
    if (values.contains(inner->getResult(0)))
      return;
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      Value iv = ivs[index.getDim()];
      if (vectorLoop == index.getDim()) {
        auto type = VectorType::get({b.lanes}, b.getIndexType());
        iv = arith::AddIOp::create(b, vector::BroadcastOp::create(b, type, iv),
                                   vector::StepOp::create(b, type));
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

  TrainingLowering &lowering;
  linalg::GenericOp op;
  ArrayRef<Destination> destinations;
  SmallVector<AffineMap> maps;
  SmallVector<utils::IteratorType> types;
  SmallVector<int64_t> sizes;
  TrainingKernel kernel;
  KernelBuilder &b;
  SmallVector<Value> buffers; ///< of inputs and outputs
  SmallVector<Value> inits;   ///< constants that outputs begin with, or null
  std::optional<unsigned> vectorLoop;
  SmallVector<unsigned> order;
  unsigned parallelLoops = 0;
  llvm::DenseMap<Value, llvm::SmallBitVector> dependences;
  SmallVector<Value> ivs;
  Value mask; ///< of the last vector, if it is not whole
  llvm::DenseMap<Value, Value> values;
};

} // namespace

LogicalResult TrainingLowering::lowerStructured(linalg::GenericOp op, ArrayRef<Destination> destinations) {
  return StructuredKernel(*this, op, destinations).emit();
}

} // namespace llmc::codegen
