//===- FunctionLowering.cpp - one function from nn to kernels ----------------------------------------===//

#include "codegen/cpu/FunctionLowering.h"
#include "codegen/common/FragmentLayout.h"
#include "codegen/cpu/FusionForm.h"
#include "codegen/cpu/StepForm.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

std::string loweredName(StringRef name, StringRef step) { return (name + "_" + step).str(); }

/// Whether attention reads `value` as its query, inside of a fusion.
nn::CachedAttentionOp queryReader(Value value) {
  for (OpOperand &use : value.getUses()) {
    auto fusion = dyn_cast<nn::FusionOp>(use.getOwner());
    if (!fusion)
      continue;
    for (Operation *user : fusion.getBody().getArgument(use.getOperandNumber()).getUsers())
      if (auto attention = dyn_cast<nn::CachedAttentionOp>(user))
        if (outerValue(attention.getQuery()) == value)
          return attention;
  }
  return {};
}

/// The layout in which a norm of heads reads `value`, or appends it to a cache beside the keys that it
/// normalizes; nothing if none does.
std::optional<WidthLayout> layoutInHeadNorms(Value value) {
  for (OpOperand &use : value.getUses()) {
    auto fusion = dyn_cast<nn::FusionOp>(use.getOwner());
    nn::RmsNormOp norm = fusion ? groupNormOf(fusion) : nn::RmsNormOp();
    if (!norm)
      continue;
    Value inner = fusion.getBody().getArgument(use.getOperandNumber());
    if (norm.getInput() == inner)
      return layoutOf(norm);
    for (Operation *user : inner.getUsers())
      if (auto append = dyn_cast<nn::CacheAppendOp>(user); append && append.getValue() == inner)
        return WidthLayout{append.getCache().getType().getHeads(), append.getCache().getType().getHeadDim(),
                           0, 0};
  }
  return std::nullopt;
}

} // namespace

Value outerValue(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  auto fusion = argument ? dyn_cast<nn::FusionOp>(argument.getOwner()->getParentOp()) : nn::FusionOp();
  return fusion ? fusion.getInputs()[argument.getArgNumber()] : Value();
}

bool readsSource(func::FuncOp function) {
  return function.getNumResults() > 0 &&
         llvm::all_of(function.getResultTypes(), llvm::IsaPred<nn::KvCacheType>);
}

namespace {

/// Layouts of values that flow into each other by sums. Each is found once: a value may be added to itself,
/// again and again.
class SumLayouts {
public:
  WidthLayout of(Value value) {
    if (auto found = known.find(value); found != known.end())
      return found->second;
    const WidthLayout layout = find(value);
    known.insert({value, layout});
    return layout;
  }

private:
  WidthLayout find(Value value);
  std::optional<WidthLayout> inSums(Value outer);

  llvm::DenseMap<Value, WidthLayout> known;
};

} // namespace

/// How other kernels keep what they add `outer` to, if they do nothing else with it.
std::optional<WidthLayout> SumLayouts::inSums(Value outer) {
  std::optional<WidthLayout> found;
  for (OpOperand &use : outer.getUses()) {
    auto fusion = dyn_cast<nn::FusionOp>(use.getOwner());
    if (!fusion)
      return {};
    BlockArgument inner = fusion.getBody().getArgument(use.getOperandNumber());
    if (!llvm::all_of(inner.getUsers(), llvm::IsaPred<arith::AddFOp>))
      return {};
    const WidthLayout layout = of(inner);
    if (layout.isPlain() || (found && !(*found == layout)))
      return {};
    found = layout;
  }
  return found;
}

WidthLayout SumLayouts::find(Value value) {
  const int64_t width = widthOf(value);
  if (auto rotation = value.getDefiningOp<nn::RotateOp>())
    return {static_cast<int64_t>(rotation.getHeads()), width / static_cast<int64_t>(rotation.getHeads()),
            rotation.getDims(), rotation.getStyle() == nn::RopeStyle::Interleaved};
  for (OpOperand &use : value.getUses()) {
    if (auto rotation = dyn_cast<nn::RotateOp>(use.getOwner()))
      return of(rotation.getResult());
    if (auto append = dyn_cast<nn::CacheAppendOp>(use.getOwner()))
      return {append.getCache().getType().getHeads(), append.getCache().getType().getHeadDim(), 0, 0};
    // What is added to a value is kept as that is.
    if (isa<arith::AddFOp>(use.getOwner()))
      if (WidthLayout layout = of(use.getOwner()->getResult(0)); !layout.isPlain())
        return layout;
    auto yield = dyn_cast<nn::YieldOp>(use.getOwner());
    auto fusion = yield ? dyn_cast<nn::FusionOp>(yield->getParentOp()) : nn::FusionOp();
    if (!fusion)
      continue;
    Value outer = fusion.getResult(use.getOperandNumber());
    if (auto attention = queryReader(outer))
      return {static_cast<int64_t>(attention.getHeads()), width / static_cast<int64_t>(attention.getHeads()),
              0, 0};
    if (std::optional<WidthLayout> layout = layoutInHeadNorms(outer))
      return *layout;
    if (std::optional<WidthLayout> layout = inSums(outer))
      return *layout;
  }
  return {1, width, 0, 0};
}

WidthLayout layoutOf(Value value) { return SumLayouts().of(value); }

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

FailureOr<MemRefType> WeightLayout::kernelType(Location loc, RankedTensorType type,
                                               ArrayRef<int64_t> segments) const {
  auto alignedRows = [&](int64_t rows) {
    int64_t aligned = segments.empty() ? rows : 0;
    for (size_t i = 0; i + 3 < segments.size(); i += 4)
      aligned += segments[i] * nn::AlignHeadsOp::getAlignedSize(segments[i + 1], segments[i + 2], lanes);
    return aligned;
  };
  MLIRContext *context = type.getContext();
  if (type.getRank() == 1) {
    if (!type.getElementType().isF32())
      return emitNotSupported(loc) << "a parameter of type " << type
                                   << " is not converted to f32 before its use";
    return bufferType({padTo(alignedRows(type.getDimSize(0)), lanes)}, type.getElementType());
  }
  Type element = type.getElementType();
  auto block = dyn_cast<nn::BlockType>(element);
  if (type.getRank() != 2 || !(element.isF32() || element.isBF16() || (block && !block.isActivation())))
    return emitNotSupported(loc) << "no kernel reads parameters of type " << type
                                 << ": expected two dimensions of f32, bf16 or !nn.block elements";
  const int64_t outputs = alignedRows(type.getDimSize(0)), inputs = type.getDimSize(1);
  Type byte = IntegerType::get(context, 8);
  if (order == WeightOrder::Panels)
    return bufferType(PanelLayout::get(element, lanes).packedShape(outputs, inputs), byte);
  if (element.isF32()) // a table: no tensor core multiplies f32
    return bufferType({outputs, inputs}, element);
  return bufferType(FragmentLayout::get(element).packedShape(outputs, inputs), byte);
}

int64_t WeightLayout::place(StringRef symbol, ArrayRef<int64_t> segments) {
  auto key = std::pair(symbol.str(), std::vector<int64_t>(segments.begin(), segments.end()));
  if (auto it = offsets.find(key); it != offsets.end())
    return it->second;
  auto source = symbols.lookup<nn::ParamOp>(symbol);
  auto type = cast<RankedTensorType>(source.getType());
  Location loc = source.getLoc();
  MemRefType stored = *kernelType(loc, type, segments);

  // nn.param @symbol.kernel = pack(align_heads(load @symbol))
  OpBuilder builder(source->getContext());
  builder.setInsertionPointAfter(source);
  int64_t rows = type.getDimSize(0);
  // Kernels read whole vectors of a 1-D parameter, so its padding is written too.
  const int64_t whole[] = {1, rows, 0, 0};
  if (type.getRank() == 1 && segments.empty() && rows % lanes != 0)
    segments = whole;
  auto param = nn::ParamOp::create(builder, loc, (symbol + ".kernel").str(), type, StringAttr());
  symbols.insert(param);
  builder.createBlock(&param.getInitializer());
  Value value = nn::LoadOp::create(builder, loc, type, symbol);
  if (!segments.empty())
    value = nn::AlignHeadsOp::create(builder, loc, value, builder.getI64IntegerAttr(lanes),
                                     builder.getDenseI64ArrayAttr(segments));
  if (type.getRank() == 2 &&
      stored.getElementType().isInteger(
          8)) // with the type that kernels expect, which the verifier compares with the one that follows
    value =
        nn::PackOp::create(builder, loc, RankedTensorType::get(stored.getShape(), stored.getElementType()),
                           value, builder.getI64IntegerAttr(lanes),
                           order == WeightOrder::Fragments ? builder.getUnitAttr() : UnitAttr());
  nn::YieldOp::create(builder, loc, ValueRange{value});
  param.setTypeAttr(TypeAttr::get(value.getType()));

  param->setAttr(kOffsetAttribute, builder.getI64IntegerAttr(size));
  offsets[key] = size;
  int64_t placed = size;
  size += padTo(stored.getNumElements() * stored.getElementTypeBitWidth() / 8, 64);
  return placed;
}

FailureOr<Value> FunctionLowering::parameter(Location loc, Value value, ArrayRef<int64_t> segments) {
  auto key = std::pair(value.getAsOpaquePointer(), std::vector<int64_t>(segments.begin(), segments.end()));
  if (auto it = parameterMemrefs.find(key); it != parameterMemrefs.end())
    return it->second;
  FailureOr<MemRefType> type = weights.kernelType(loc, cast<RankedTensorType>(value.getType()), segments);
  if (failed(type))
    return failure();
  Value memref;
  if (auto load = value.getDefiningOp<nn::LoadOp>()) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&created.front());
    Value offset = arith::ConstantIndexOp::create(builder, loc, weights.place(load.getParam(), segments));
    memref = memref::ViewOp::create(builder, loc, *type, created.getArgument(kWeights), offset, ValueRange{});
  } else if (isa<BlockArgument>(value) && nn::isParameter(value) && !isPublic) {
    memref = created.front().addArgument(*type, loc);
    parameterUses.push_back({value, llvm::to_vector(segments)});
  } else {
    return emitNotSupported(loc)
           << "expected a parameter, but its value depends on the step: nn-hoist-invariants and "
              "nn-materialize-params come first";
  }
  parameterMemrefs[key] = memref;
  return memref;
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Value FunctionLowering::allocate(Location loc, MemRefType type) {
  return memref::AllocOp::create(builder, loc, type, builder.getI64IntegerAttr(64));
}

Lowered FunctionLowering::allocateRows(Value value, const WidthLayout &layout, Value rows) {
  Lowered lowered{Lowered::Kind::Rows, {}, rows, layout};
  if (Value destination = destinations.lookup(value))
    lowered.memrefs.push_back(destination);
  else
    lowered.memrefs.push_back(
        allocate(value.getLoc(),
                 bufferType({maxRows, layout.panels(target.lanes) * target.lanes}, builder.getF32Type())));
  return lowered;
}

std::pair<WidthLayout, WidthLayout> FunctionLowering::cacheLayouts(Value cache) {
  auto type = cast<nn::KvCacheType>(cache.getType());
  WidthLayout plain{type.getHeads(), type.getHeadDim(), 0, 0};
  for (OpOperand &use : cache.getUses()) {
    auto fusion = dyn_cast<nn::FusionOp>(use.getOwner());
    if (!fusion)
      continue;
    for (Operation *user : fusion.getBody().getArgument(use.getOperandNumber()).getUsers())
      if (auto append = dyn_cast<nn::CacheAppendOp>(user))
        return {layoutOf(append.getKey()), plain};
  }
  return {plain, plain};
}

std::pair<MemRefType, MemRefType> FunctionLowering::cacheTypes(Value cache, int64_t positions) {
  auto [key, value] = cacheLayouts(cache);
  return kernels.cacheTypes(key, value, cast<nn::KvCacheType>(cache.getType()).getElementType(), positions);
}

/// Refuses caches whose elements kernels can not convert.
static LogicalResult checkCacheElements(Location loc, Type cache) {
  Type element = cast<nn::KvCacheType>(cache).getElementType();
  if (element.isF32() || element.isF16() || element.isBF16())
    return success();
  return emitNotSupported(loc) << "a cache of " << element
                               << " is not supported by the CPU code generator, expected f32, f16 or bf16";
}

LogicalResult FunctionLowering::lowerEmptyCache(nn::EmptyCacheOp op) {
  if (failed(checkCacheElements(op.getLoc(), op.getResult().getType())))
    return failure();
  auto [keys, cacheValues] = cacheTypes(op.getResult(), maxRows);
  values[op.getResult()] = {
      Lowered::Kind::Cache, {allocate(op.getLoc(), keys), allocate(op.getLoc(), cacheValues)}, {}, {}};
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

LogicalResult FunctionLowering::lowerStepArguments(func::FuncOp function) {
  Location loc = function.getLoc();
  Block &entry = created.front();
  for (Type type : stepArgumentTypes(builder.getContext(), maxRows, outputWidth))
    entry.addArgument(type, loc);
  rows = entry.getArgument(kRows);
  for (BlockArgument argument : function.getArguments()) {
    auto input = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
    if (isa<nn::KvCacheType>(argument.getType()))
      continue; // Its layout is known at the first call that takes it.
    auto place = llvm::StringSwitch<int>(input ? input.getValue() : "")
                     .Case("tokens", kTokens)
                     .Case("positions", kPositions)
                     .Cases({"token_types", "source_ends", "adapters"}, kTokenTypes)
                     .Cases({"output_ids", "output_rows"}, kOutputIds)
                     .Default(-1);
    if (place < 0)
      return emitNotSupported(function) << "has argument " << argument.getArgNumber()
                                        << " without a known nn.input: expected tokens, positions, "
                                           "token_types, source_ends, adapters or output_ids";
    Value count = entry.getArgument(place == kOutputIds ? kOutputRows : kRows);
    values[argument] = {Lowered::Kind::Ids, {entry.getArgument(place)}, count, {}};
  }
  return success();
}

/// Whether `argument` is read as a table of angles.
static bool isAngleTable(BlockArgument argument) {
  return llvm::any_of(argument.getUses(), [](OpOperand &use) {
    auto fusion = dyn_cast<nn::FusionOp>(use.getOwner());
    return fusion &&
           llvm::any_of(fusion.getBody().getArgument(use.getOperandNumber()).getUses(), [](OpOperand &inner) {
             return isa<nn::RotateOp>(inner.getOwner()) && inner.getOperandNumber() == 1;
           });
  });
}

LogicalResult FunctionLowering::lowerLayerArguments(func::FuncOp function) {
  Location loc = function.getLoc();
  Block &entry = created.front();
  Type index = builder.getIndexType(), i32 = builder.getI32Type(), f32 = builder.getF32Type();
  for (BlockArgument argument : function.getArguments()) {
    if (nn::isParameter(argument))
      continue;
    if (isa<nn::KvCacheType>(argument.getType())) {
      if (failed(checkCacheElements(loc, argument.getType())))
        return failure();
      auto [keys, cacheValues] = cacheTypes(argument, sizes.context);
      Value k = entry.addArgument(keys, loc), v = entry.addArgument(cacheValues, loc);
      values[argument] = {Lowered::Kind::Cache, {k, v}, {}, {}};
      continue;
    }
    auto type = cast<RankedTensorType>(argument.getType());
    if (type.getRank() == 1 && type.getElementType().isInteger(32)) {
      values[argument] = {Lowered::Kind::Ids, {entry.addArgument(bufferType({maxRows}, i32), loc)}, {}, {}};
    } else if (type.getRank() == 2 && type.getElementType().isF32() && !type.isDynamicDim(1)) {
      int64_t width = type.getDimSize(1);
      // A table of angles has two padded halves.
      int64_t padded =
          isAngleTable(argument) ? 2 * padTo(width / 2, target.lanes) : padTo(width, target.lanes);
      values[argument] = {Lowered::Kind::Rows,
                          {entry.addArgument(bufferType({maxRows, padded}, f32), loc)},
                          {},
                          {1, width, 0, 0}};
    } else {
      return emitNotSupported(function) << "has an argument of type " << type << ", which can not be lowered";
    }
  }
  rows = entry.addArgument(index, loc);
  const bool hasCaches = llvm::any_of(function.getArgumentTypes(), llvm::IsaPred<nn::KvCacheType>);
  if (hasCaches && hasSeveralSequences())
    cacheOffsets = entry.addArgument(bufferType({maxRows}, builder.getI64Type()), loc);
  for (BlockArgument argument : function.getArguments())
    if (auto it = values.find(argument); it != values.end()) {
      it->second.rows = rows;
      if (it->second.kind == Lowered::Kind::Cache)
        it->second.cacheOffsets = cacheOffsets;
    }
  return success();
}

LogicalResult FunctionLowering::lower(func::FuncOp function) {
  builder = OpBuilder(function);
  builder.setInsertionPoint(function);
  isPublic = function.isPublic();
  values.clear();
  parameterUses.clear();
  parameterMemrefs.clear();
  destinations.clear();
  cacheOffsets = {};
  Location loc = function.getLoc();
  created =
      func::FuncOp::create(builder, loc, isPublic ? stepName : loweredName(function.getName(), stepName),
                           builder.getFunctionType({}, {}));
  created.setVisibility(function.getVisibility());
  builder.setInsertionPointToStart(created.addEntryBlock());
  if (failed(isPublic ? lowerStepArguments(function) : lowerLayerArguments(function)))
    return failure();
  auto results = cast<func::ReturnOp>(function.front().getTerminator());
  const bool choosesRows = isPublic && llvm::any_of(values, [&](const auto &entry) {
                             return entry.second.rows == created.getArgument(kOutputRows);
                           });
  for (Value result : results.getOperands()) {
    if (isa<nn::KvCacheType>(result.getType()))
      continue;
    if (isa<BlockArgument>(result) || destinations.contains(result))
      return emitNotSupported(results) << "returns an argument or one value twice, which can not be lowered";
    auto fusion = result.getDefiningOp<nn::FusionOp>();
    bool isProduct = fusion && !fusion.getBody().front().getOps<nn::LinearOp>().empty();
    // Only products write rows of any width in place; other results are copied on return, and those whose
    // rows are not chosen yet.
    if (isPublic && (!choosesRows || (!isProduct && widthOf(result) % target.lanes != 0)))
      continue;
    destinations[result] =
        isPublic
            ? created.getArgument(kOutput)
            : Value(created.front().addArgument(
                  bufferType({maxRows, padTo(widthOf(result), target.lanes)}, builder.getF32Type()), loc));
  }
  for (Operation &op : llvm::make_early_inc_range(function.front()))
    if (failed(lowerOperation(&op)))
      return failure();
  created.setFunctionType(builder.getFunctionType(created.front().getArgumentTypes(), {}));
  if (isPublic) {
    created->setAttr(kStepAttribute, builder.getStringAttr(stepName));
    created->setAttr(kMaxRowsAttribute, builder.getI64IntegerAttr(maxRows));
    auto outputType = cast<MemRefType>(created.getArgument(kOutput).getType());
    created->setAttr(kOutputWidthAttribute, builder.getI64IntegerAttr(outputType.getDimSize(1)));
    if (readsSource(function))
      created->setAttr(kReadsSourceAttribute, builder.getUnitAttr());
  } else {
    callees[function.getName()] = {created, parameterUses, cacheOffsets != nullptr};
  }
  return success();
}

LogicalResult FunctionLowering::lowerOperation(Operation *op) {
  if (isa<nn::LoadOp>(op))
    return success(); // Parameters are lowered where kernels use them.
  if (auto fusion = dyn_cast<nn::FusionOp>(op))
    return kernels.lowerFusion(*this, fusion);
  if (auto cache = dyn_cast<nn::EmptyCacheOp>(op))
    return lowerEmptyCache(cache);
  if (auto call = dyn_cast<func::CallOp>(op))
    return lowerCall(call);
  if (auto result = dyn_cast<func::ReturnOp>(op))
    return lowerReturn(result);
  return emitNotSupported(op) << "is not supported by the CPU code generator";
}

int64_t CacheSection::place(const std::string &name, MemRefType type) {
  auto [it, isNew] = offsets.try_emplace(name, size);
  if (!isNew)
    return it->second;
  const int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8, heads = type.getDimSize(0);
  runsOfParts.append({size, heads, bytes / heads});
  size += padTo(bytes, 64);
  return it->second;
}

/// What a cache of a step is known by in others: its mark, and how many there are with it before.
static std::string nameOfCache(BlockArgument cache) {
  auto function = cast<func::FuncOp>(cache.getOwner()->getParentOp());
  auto markOf = [&](BlockArgument argument) {
    auto input = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
    return input ? input.getValue() : StringRef("cache");
  };
  const StringRef mark = markOf(cache);
  auto before =
      llvm::count_if(function.getArguments().take_front(cache.getArgNumber()),
                     [&](BlockArgument a) { return isa<nn::KvCacheType>(a.getType()) && markOf(a) == mark; });
  return (mark + "." + Twine(before)).str();
}

void FunctionLowering::placeCache(BlockArgument cache, func::FuncOp callee, size_t position) {
  Location loc = cache.getLoc();
  const std::string name = nameOfCache(cache);
  SmallVector<Value, 2> memrefs;
  for (const char *part : {".keys", ".values"}) {
    auto type = cast<MemRefType>(callee.getArgument(position++).getType());
    Value offset = arith::ConstantIndexOp::create(builder, loc, caches.place(name + part, type));
    memrefs.push_back(
        memref::ViewOp::create(builder, loc, type, created.getArgument(kCache), offset, ValueRange{}));
  }
  Value offsets = hasSeveralSequences() ? Value(created.getArgument(kCacheOffsets)) : Value();
  values[cache] = {Lowered::Kind::Cache, memrefs, {}, {}, offsets};
}

/// The argument of a function that `cache`, which it returns, is with keys and values appended: caches are
/// updated in place. Null if it is another one.
static BlockArgument updatedArgument(Value cache) {
  while (auto fusion = cache.getDefiningOp<nn::FusionOp>()) {
    auto yield = cast<nn::YieldOp>(fusion.getBody().front().getTerminator());
    Value yielded = yield.getValues()[cast<OpResult>(cache).getResultNumber()];
    auto append = yielded.getDefiningOp<nn::CacheAppendOp>();
    cache = append ? outerValue(append.getCache()) : Value();
    if (!cache)
      return {};
  }
  return dyn_cast<BlockArgument>(cache);
}

LogicalResult FunctionLowering::lowerCall(func::CallOp op) {
  Location loc = op.getLoc();
  auto it = callees.find(op.getCallee());
  if (it == callees.end())
    return emitNotSupported(op) << "calls a function that is not lowered";
  Callee &callee = it->second;
  auto original = module.lookupSymbol<func::FuncOp>(op.getCallee());
  SmallVector<Value> operands;
  Value callRows;
  for (auto [operand, argument] : llvm::zip(op.getOperands(), original.getArguments())) {
    if (nn::isParameter(argument))
      continue;
    if (auto cache = dyn_cast<BlockArgument>(operand);
        cache && isa<nn::KvCacheType>(cache.getType()) && !values.contains(cache))
      placeCache(cache, callee.function, operands.size());
    if (!values.contains(operand))
      return emitNotSupported(op) << "has an operand that is not lowered";
    const Lowered &lowered = values[operand];
    if (lowered.rows) {
      if (callRows && callRows != lowered.rows)
        return emitNotSupported(op) << "has operands with different numbers of rows";
      callRows = lowered.rows;
    }
    operands.append(lowered.memrefs.begin(), lowered.memrefs.end());
  }
  operands.push_back(callRows ? callRows : rows);
  callRows = operands.back();
  if (callee.takesCacheOffsets)
    operands.push_back(isPublic ? Value(created.getArgument(kCacheOffsets)) : cacheOffsets);
  auto returned = cast<func::ReturnOp>(original.front().getTerminator());
  for (auto [result, inner] : llvm::zip(op.getResults(), returned.getOperands())) {
    if (isa<nn::KvCacheType>(result.getType())) {
      auto argument = updatedArgument(inner);
      if (!argument)
        return emitNotSupported(op)
               << "returns a cache that is none of its operands with appended keys and values";
      Lowered cache = values.lookup(op.getOperand(argument.getArgNumber()));
      values[result] = cache;
      continue;
    }
    Lowered lowered = allocateRows(result, {1, widthOf(result), 0, 0}, callRows);
    operands.push_back(lowered.memrefs[0]);
    values[result] = lowered;
  }
  for (const ParameterUse &use : callee.parameters) {
    Value operand = op.getOperand(cast<BlockArgument>(use.value).getArgNumber());
    FailureOr<Value> memref = parameter(loc, operand, use.segments);
    if (failed(memref))
      return failure();
    operands.push_back(*memref);
  }
  func::CallOp::create(builder, loc, callee.function, operands);
  return success();
}

LogicalResult FunctionLowering::lowerReturn(func::ReturnOp op) {
  for (Value result : op.getOperands())
    if (isPublic && isa<RankedTensorType>(result.getType()) && !destinations.contains(result))
      kernels.lowerCopyToOutput(*this, op.getLoc(), values[result]);
  func::ReturnOp::create(builder, op.getLoc());
  return success();
}

} // namespace llmc::codegen
