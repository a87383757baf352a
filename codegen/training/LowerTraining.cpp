//===- LowerTraining.cpp - from functions on tensors to steps on buffers -----------------------------===//

#include "codegen/cpu/LowerToCpu.h"
#include "codegen/training/TrainingLowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Where each parameter lies in the sections: its value in `parameters`, its gradient in `gradients`, and
/// what an optimizer keeps of it in sections of its own, all at the same place.
class SectionLayout {
public:
  explicit SectionLayout(ModuleOp module) {
    OpBuilder builder(module.getContext());
    for (auto param : module.getOps<nn::ParamOp>()) {
      offsets[param.getSymName()] = bytes;
      param->setAttr(kOffsetAttribute, builder.getI64IntegerAttr(bytes));
      bytes += llvm::alignTo(nn::getStorageBytes(cast<RankedTensorType>(param.getType())), 64);
    }
    module->setAttr(kWeightsBytesAttribute, builder.getI64IntegerAttr(bytes));
  }

  llvm::StringMap<int64_t> offsets;
  int64_t bytes = 0;
};

MemRefType bufferOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

/// One function.
class StepLowering {
public:
  StepLowering(func::FuncOp function, const SectionLayout &layout, MakeTrainingLowering makeLowering)
      : function(function), layout(layout), builder(function.getContext()),
        made(makeLowering(function->getParentOfType<ModuleOp>(), function.getName(), builder)),
        lowering(*made) {}

  LogicalResult lower() {
    if (!function.getBody().hasOneBlock())
      return emitNotSupported(function) << "has control flow, which training does not support";
    if (failed(checkTypes()))
      return failure();
    beginStep();
    for (Operation &op : function.front().without_terminator())
      if (failed(lowerOperation(&op)))
        return failure();
    if (failed(copyResults()))
      return failure();
    func::ReturnOp::create(builder, function.getLoc());
    step.setFunctionType(builder.getFunctionType(step.front().getArgumentTypes(), {}));
    SmallVector<StringRef> names(operandNames.begin(), operandNames.end());
    step->setAttr(kStepAttribute, function.getNameAttr());
    step->setAttr(kOperandsAttribute, builder.getStrArrayAttr(names));
    function.erase();
    return success();
  }

private:
  LogicalResult checkTypes() {
    WalkResult result = function.walk([&](Operation *op) -> WalkResult {
      for (Value value : op->getResults()) {
        auto type = dyn_cast<ShapedType>(value.getType());
        if (!type)
          continue;
        if (!type.hasStaticShape()) {
          emitNotSupported(op) << "has a result of type " << type
                               << ", of which training has to know the sizes";
          return WalkResult::interrupt();
        }
        if (failed(lowering.checkType(op, type)))
          return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  //===--------------------------------------------------------------------===//
  // Arguments and results
  //===--------------------------------------------------------------------===//

  void beginStep() {
    builder.setInsertionPoint(function);
    step = func::FuncOp::create(builder, function.getLoc(), (function.getName() + "_step").str(),
                                builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(step.addEntryBlock());
    for (BlockArgument argument : function.getArguments()) {
      const unsigned index = argument.getArgNumber();
      auto attribute = [&](StringRef name) { return function.getArgAttr(index, name); };
      Value buffer;
      if (auto of = dyn_cast_or_null<FlatSymbolRefAttr>(attribute(nn::kGradientAttribute)))
        buffer = inSection("gradients", of.getValue(), argument.getType());
      else if (auto state = dyn_cast_or_null<FlatSymbolRefAttr>(attribute(nn::kStateOfAttribute)))
        buffer = inSection(cast<StringAttr>(attribute(nn::kStateAttribute)).getValue(), state.getValue(),
                           argument.getType());
      else if (auto name = dyn_cast_or_null<StringAttr>(attribute("nn.input")))
        buffer = operand(name.getValue(), bufferOf(argument.getType()));
      else
        buffer =
            operand(attribute(nn::kSeedAttribute)
                        ? "seed" + std::to_string(cast<IntegerAttr>(attribute(nn::kSeedAttribute)).getInt())
                        : "argument" + std::to_string(index),
                    bufferOf(argument.getType()));
      lowering.buffers[argument] = buffer;
    }
    Operation *terminator = function.front().getTerminator();
    for (auto [index, value] : llvm::enumerate(terminator->getOperands())) {
      auto attribute = [&](StringRef name) { return function.getResultAttr(index, name); };
      Destination destination;
      if (auto of = dyn_cast_or_null<FlatSymbolRefAttr>(attribute(nn::kGradientAttribute)))
        destination = {inSection("gradients", of.getValue(), value.getType()), Update::Accumulate};
      else if (auto of = dyn_cast_or_null<FlatSymbolRefAttr>(attribute(nn::kUpdateAttribute)))
        destination = {inSection("parameters", of.getValue(), value.getType())};
      else if (auto state = dyn_cast_or_null<FlatSymbolRefAttr>(attribute(nn::kStateOfAttribute)))
        destination = {inSection(cast<StringAttr>(attribute(nn::kStateAttribute)).getValue(),
                                 state.getValue(), value.getType())};
      else if (auto name = dyn_cast_or_null<StringAttr>(attribute("nn.output")))
        destination = {operand(name.getValue(), bufferOf(value.getType()))};
      else
        destination = {operand("result" + std::to_string(index), bufferOf(value.getType()))};
      results.push_back(destination);
      // The first result that a value is may be where it is computed, if nothing else reads what is added to.
      const bool inPlace = destination.update == Update::Overwrite || value.hasOneUse();
      if (isComputed(value) && inPlace && !destinations.contains(value)) {
        destinations[value] = destination;
        placed.insert(index);
      }
    }
  }

  static bool isComputed(Value value) {
    return isa_and_present<linalg::GenericOp, nn::EmbeddingOp, nn::ScatterRowsOp, nn::SelectRowsOp,
                           nn::AttentionOp, nn::AttentionGradientOp, nn::RotateOp>(value.getDefiningOp());
  }

  Value operand(StringRef name, MemRefType type) {
    operandNames.push_back(name.str());
    return step.front().addArgument(type, function.getLoc());
  }

  /// The place of parameter `symbol` in `section`.
  Value inSection(StringRef section, StringRef symbol, Type type) {
    Value &bytes = sections[section];
    if (!bytes)
      bytes = operand(section, MemRefType::get({layout.bytes}, builder.getI8Type()));
    Value offset = arith::ConstantIndexOp::create(builder, function.getLoc(), layout.offsets.lookup(symbol));
    return memref::ViewOp::create(builder, function.getLoc(), bufferOf(type), bytes, offset, ValueRange{});
  }

  //===--------------------------------------------------------------------===//
  // Operations
  //===--------------------------------------------------------------------===//

  Destination destinationOf(Value value) {
    auto it = destinations.find(value);
    if (it != destinations.end()) {
      lowering.buffers[value] = it->second.buffer;
      return it->second;
    }
    Value buffer = partOfWhole(value);
    if (!buffer)
      buffer = allocateFor(value);
    lowering.buffers[value] = buffer;
    return {buffer};
  }

  Value allocateFor(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return lowering.allocate(value.getLoc(), type.getShape(), type.getElementType());
  }

  /// Where `value` belongs in a tensor that is put together of parts which do not overlap, if that is all
  /// that becomes of it: it is computed there. Null if not.
  Value partOfWhole(Value value) {
    auto insert = value.hasOneUse() ? dyn_cast<tensor::InsertSliceOp>(*value.user_begin()) : nullptr;
    if (!insert || insert.getSource() != value || !isComputed(value) ||
        insert.getSourceType().getRank() != insert.getDestType().getRank())
      return nullptr;
    // The parts from the first to the last, and the empty tensor that they go to.
    SmallVector<tensor::InsertSliceOp> parts{insert};
    while (auto before = parts.front().getDest().getDefiningOp<tensor::InsertSliceOp>())
      parts.insert(parts.begin(), before);
    while (parts.back()->hasOneUse() && isa<tensor::InsertSliceOp>(*parts.back()->user_begin()))
      parts.push_back(cast<tensor::InsertSliceOp>(*parts.back()->user_begin()));
    auto empty = parts.front().getDest().getDefiningOp<tensor::EmptyOp>();
    if (!empty)
      return nullptr;
    for (size_t i = 0; i < parts.size(); ++i) {
      if ((i > 0 && !parts[i].getDest().hasOneUse()) ||
          llvm::any_of(ArrayRef(parts).take_front(i),
                       [&](tensor::InsertSliceOp other) { return overlap(parts[i], other); }))
        return nullptr;
    }
    Value &whole = wholes[parts.front()];
    if (!whole)
      whole = allocateFor(empty.getResult());
    computedInPlace.insert(value);
    return sliceOf(value.getLoc(), whole, insert.getMixedOffsets(), insert.getMixedSizes(),
                   insert.getMixedStrides());
  }

  /// Whether two parts may have elements in common.
  static bool overlap(tensor::InsertSliceOp x, tensor::InsertSliceOp y) {
    for (auto [xOffset, xSize, xStride, yOffset, ySize, yStride] :
         llvm::zip(x.getStaticOffsets(), x.getStaticSizes(), x.getStaticStrides(), y.getStaticOffsets(),
                   y.getStaticSizes(), y.getStaticStrides())) {
      if (llvm::any_of(std::initializer_list<int64_t>{xOffset, xSize, yOffset, ySize},
                       ShapedType::isDynamic) ||
          xStride != 1 || yStride != 1)
        return true;
      if (xOffset + xSize <= yOffset || yOffset + ySize <= xOffset)
        return false;
    }
    return true;
  }
  SmallVector<Destination> destinationsOf(Operation *op) {
    return llvm::map_to_vector(op->getResults(), [&](Value value) { return destinationOf(value); });
  }

  Value bufferOfValue(Value value) { return lowering.buffers.lookup(value); }

  LogicalResult lowerOperation(Operation *op) {
    Location loc = op->getLoc();
    if (isa<arith::ConstantOp, tensor::EmptyOp>(op))
      return success();
    if (auto load = dyn_cast<nn::LoadOp>(op)) {
      lowering.buffers[load] = inSection("parameters", load.getParam(), load.getType());
      return success();
    }
    if (auto fill = dyn_cast<linalg::FillOp>(op))
      return lowerFill(fill);
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      SmallVector<Destination> to = destinationsOf(op);
      if (std::optional<ProductForm> form = productFormOf(generic); form && isZero(generic.getDpsInits()[0]))
        return lowering.lowerProduct(generic, *form, to[0]);
      return lowering.lowerStructured(generic, to);
    }
    if (auto embedding = dyn_cast<nn::EmbeddingOp>(op)) {
      lowering.lowerGather(loc, bufferOfValue(embedding.getTable()), bufferOfValue(embedding.getIds()),
                           destinationOf(embedding));
      return success();
    }
    if (auto select = dyn_cast<nn::SelectRowsOp>(op)) {
      lowering.lowerGather(loc, bufferOfValue(select.getInput()), bufferOfValue(select.getRows()),
                           destinationOf(select));
      return success();
    }
    if (auto scatter = dyn_cast<nn::ScatterRowsOp>(op)) {
      lowering.lowerScatter(loc, bufferOfValue(scatter.getInput()), bufferOfValue(scatter.getRows()),
                            destinationOf(scatter));
      return success();
    }
    if (auto attention = dyn_cast<nn::AttentionOp>(op))
      return lowering.lowerAttention(attention, destinationOf(attention));
    if (auto gradient = dyn_cast<nn::AttentionGradientOp>(op))
      return lowering.lowerAttentionGradient(gradient, destinationsOf(op));
    if (auto rotate = dyn_cast<nn::RotateOp>(op))
      return lowering.lowerRotate(rotate, destinationOf(rotate));
    if (auto table = dyn_cast<nn::RopeTableOp>(op)) {
      lowering.lowerRopeTable(table, destinationOf(table));
      return success();
    }
    if (auto split = dyn_cast<nn::SplitOp>(op))
      return lowerSplit(split);
    if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
      return lowerReshape(expand, bufferOfValue(expand.getSrc()));
    if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
      return lowerReshape(collapse, bufferOfValue(collapse.getSrc()));
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      lowering.buffers[slice] = sliceOf(loc, bufferOfValue(slice.getSource()), slice.getMixedOffsets(),
                                        slice.getMixedSizes(), slice.getMixedStrides());
      return success();
    }
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
      return lowerInsert(insert);
    return emitNotSupported(op) << "is not supported in training";
  }

  static bool isZero(Value init) {
    auto fill = init.getDefiningOp<linalg::FillOp>();
    return fill && matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
  }

  /// Sums know what they begin with; others read memory.
  LogicalResult lowerFill(linalg::FillOp fill) {
    const bool isRead = llvm::any_of(fill->getUses(), [](OpOperand &use) {
      auto structured = dyn_cast<linalg::LinalgOp>(use.getOwner());
      return !structured || !structured.isDpsInit(&use);
    });
    FloatAttr value;
    if (!isRead)
      return success();
    if (!matchPattern(fill.getInputs()[0], m_Constant(&value)))
      return emitNotSupported(fill) << "has no constant to fill with";
    lowering.lowerFill(fill.getLoc(), value.getValueAsDouble(), destinationOf(fill.getResult(0)));
    return success();
  }

  Value sliceOf(Location loc, Value buffer, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                ArrayRef<OpFoldResult> strides) {
    return memref::SubViewOp::create(builder, loc, buffer, offsets, sizes, strides);
  }

  LogicalResult lowerSplit(nn::SplitOp split) {
    Value whole = bufferOfValue(split.getInput());
    int64_t first = 0;
    for (Value part : split.getResults()) {
      auto type = cast<RankedTensorType>(part.getType());
      lowering.buffers[part] =
          sliceOf(split.getLoc(), whole, {builder.getIndexAttr(0), builder.getIndexAttr(first)},
                  {builder.getIndexAttr(type.getDimSize(0)), builder.getIndexAttr(type.getDimSize(1))},
                  {builder.getIndexAttr(1), builder.getIndexAttr(1)});
      first += type.getDimSize(1);
    }
    return success();
  }

  LogicalResult lowerReshape(tensor::ExpandShapeOp op, Value buffer) {
    FailureOr<MemRefType> type = memref::ExpandShapeOp::computeExpandedType(
        cast<MemRefType>(buffer.getType()), op.getType().getShape(), op.getReassociationIndices());
    if (failed(type))
      return refuseReshape(op);
    lowering.buffers[op] =
        memref::ExpandShapeOp::create(builder, op.getLoc(), *type, buffer, op.getReassociationIndices());
    return success();
  }

  LogicalResult lowerReshape(tensor::CollapseShapeOp op, Value buffer) {
    if (!memref::CollapseShapeOp::isGuaranteedCollapsible(cast<MemRefType>(buffer.getType()),
                                                          op.getReassociationIndices()))
      return refuseReshape(op);
    lowering.buffers[op] =
        memref::CollapseShapeOp::create(builder, op.getLoc(), buffer, op.getReassociationIndices());
    return success();
  }

  static LogicalResult refuseReshape(Operation *op) {
    return emitNotSupported(op) << "changes the shape of a part of a tensor, which training does not support";
  }

  /// A part of a tensor that nothing else reads changes in place.
  LogicalResult lowerInsert(tensor::InsertSliceOp insert) {
    Value whole = wholes.lookup(insert);
    if (!whole)
      whole = bufferOfValue(insert.getDest());
    if (!whole || (!wholes.contains(insert) && !insert.getDest().hasOneUse())) {
      Destination copy = destinationOf(insert);
      if (whole)
        lowering.lowerCopy(insert.getLoc(), whole, copy);
      whole = copy.buffer;
    }
    if (insert.getDest().getDefiningOp<tensor::EmptyOp>())
      wholes[insert] = whole; // parts that are computed later go there too
    lowering.buffers[insert] = whole;
    if (computedInPlace.contains(insert.getSource()))
      return success();
    Value part = sliceOf(insert.getLoc(), whole, insert.getMixedOffsets(), insert.getMixedSizes(),
                         insert.getMixedStrides());
    lowering.lowerCopy(insert.getLoc(), bufferOfValue(insert.getSource()), {part});
    return success();
  }

  LogicalResult copyResults() {
    Operation *terminator = function.front().getTerminator();
    for (auto [index, value] : llvm::enumerate(terminator->getOperands()))
      if (!placed.contains(index))
        lowering.lowerCopy(terminator->getLoc(), bufferOfValue(value), results[index]);
    return success();
  }

  func::FuncOp function, step;
  const SectionLayout &layout;
  OpBuilder builder;
  const std::unique_ptr<TrainingLowering> made;
  TrainingLowering &lowering;
  llvm::DenseSet<Value> computedInPlace;     ///< parts of tensors that are computed there
  llvm::DenseMap<Operation *, Value> wholes; ///< buffers of these tensors, by what inserts their first part
  std::vector<std::string> operandNames;
  llvm::StringMap<Value> sections;
  SmallVector<Destination> results;
  llvm::DenseMap<Value, Destination> destinations; ///< of values that are computed where they are returned
  llvm::DenseSet<size_t> placed;                   ///< results that are
};

} // namespace

Value TrainingLowering::allocate(Location loc, ArrayRef<int64_t> shape, Type element) {
  return memref::AllocOp::create(builder, loc, MemRefType::get(shape, element),
                                 builder.getI64IntegerAttr(64));
}

LogicalResult lowerTrainingSteps(ModuleOp module, MakeTrainingLowering makeLowering) {
  SectionLayout layout(module);
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (function.isPublic() && failed(StepLowering(function, layout, makeLowering).lower()))
      return failure();
  return success();
}

} // namespace llmc::codegen
