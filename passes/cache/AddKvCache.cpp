//===- AddKvCache.cpp - keys and values of earlier steps ---------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Remarks.h"
#include "passes/Calls.h"
#include "passes/NumericBound.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"
#include "llvm/ADT/StringSwitch.h"

namespace llmc::passes {
#define GEN_PASS_DEF_ADDKVCACHE
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

int64_t widthOf(Value value) { return cast<ShapedType>(value.getType()).getDimSize(1); }

/// Follows rows up to where they come from: an argument, ids, or an operation that is not row by row.
Value originOfRows(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    bool rowByRow = isa<LinearOp, RmsNormOp, LayerNormOp, SiluOp, GeluOp, ReluOp, ScaleOp, SoftcapOp, RopeOp,
                        RotateOp, SplitOp, ConvertOp, EmbeddingOp, AttentionOp, ExpertsOp>(op) ||
                    op->hasTrait<OpTrait::Elementwise>();
    if (!rowByRow)
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Adds caches to the functions of a module.
class CacheInsertion {
public:
  CacheInsertion(ModuleOp module, Type elementType) : calls(module), elementType(elementType) {}
  void run();

  unsigned numCaches = 0, numLocal = 0, numDeclined = 0;

private:
  /// Why no cache can serve `op`, or nothing.
  std::string whyNot(AttentionOp op, func::FuncOp function) const;
  bool isPositions(Value value) const;
  void findAttention();
  void findPositions();
  Value findPositionsArgument(func::FuncOp function) const;
  Value appendPositions(func::FuncOp function);
  void addCaches(func::FuncOp function);
  static Value cacheAttention(AttentionOp op, Value cache, Value positions);
  ValueRange passCaches(func::CallOp call, ArrayRef<Value> caches);

  /// A cache that does not outlive the step keeps what is put into it.
  KvCacheType cacheTypeOf(AttentionOp op) const {
    int64_t heads = op.getKvHeads();
    return KvCacheType::get(op.getContext(), heads, widthOf(op.getKey()) / heads,
                            op.getCausal() ? elementType : Float32Type::get(op.getContext()));
  }

  passes::Calls calls;
  Type elementType;
  DenseMap<Operation *, SmallVector<AttentionOp>> attention; ///< what gets a cache, by function
  DenseMap<Operation *, Value> positions;                    ///< the argument with positions, by function
  DenseMap<Operation *, SmallVector<Type>> caches;           ///< the caches that a function was given
};

/// Whether `value` is the positions of the public function, as passed on to here.
bool CacheInsertion::isPositions(Value value) const {
  auto argument = dyn_cast<BlockArgument>(value);
  auto function = argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()) : func::FuncOp();
  if (!function)
    return false;
  if (auto input = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input"))
    return input.getValue() == "positions";
  auto calling = calls.getCallsOf(function);
  return function.isPrivate() && !calling.empty() && llvm::all_of(calling, [&](func::CallOp call) {
           return isPositions(call.getOperand(argument.getArgNumber()));
         });
}

std::string CacheInsertion::whyNot(AttentionOp op, func::FuncOp function) const {
  if (op.getSegments())
    return "it attends within the segments of packed sequences";
  if (Value bias = op.getBias(); bias && !op.getByDistance()) {
    auto relative = bias.getDefiningOp<RelativePositionBiasOp>();
    if (!relative || !isPositions(relative.getQueryPositions()) || !isPositions(relative.getKeyPositions()))
      return "it has a bias that is not one of the distances of its tokens";
  }
  if (op->getParentOp() != function)
    return "it is in a nested region";
  if (!calls.areChangeable(function) || (function.isPrivate() && calls.getCallsOf(function).empty()))
    return "not all calls of its function are known";
  if (ShapedType::isDynamic(widthOf(op.getKey())) || widthOf(op.getKey()) != widthOf(op.getValue()))
    return "its keys and values differ in width";
  if (originOfRows(op.getQuery()) != originOfRows(op.getKey()))
    return "its keys belong to another sequence";
  return {};
}

void CacheInsertion::findAttention() {
  for (func::FuncOp function : calls.getCalleesFirst())
    function.walk([&](AttentionOp op) {
      if (std::string reason = whyNot(op, function); !reason.empty()) {
        remark::missed(op->getLoc(), remark::RemarkOpts::name("AddKvCache").category("nn-add-kv-cache"))
            << remark::reason("{0}", reason);
        ++numDeclined;
        return;
      }
      attention[function].push_back(op);
    });
}

/// Finds or adds an argument with positions in each function that has attention, and in its callers.
void CacheInsertion::findPositions() {
  DenseSet<Operation *> needed;
  for (func::FuncOp function : calls.getCalleesFirst()) {
    if (!attention.contains(function) && !needed.contains(function))
      continue;
    needed.insert(function);
    for (func::CallOp call : calls.getCallsOf(function))
      needed.insert(call->getParentOp());
  }
  for (func::FuncOp function : llvm::reverse(calls.getCalleesFirst())) {
    if (!needed.contains(function))
      continue;
    Value argument = findPositionsArgument(function);
    positions[function] = argument ? argument : appendPositions(function);
  }
}

/// The argument of `function` that is marked as positions, or that every caller passes its own positions.
Value CacheInsertion::findPositionsArgument(func::FuncOp function) const {
  auto calling = calls.getCallsOf(function);
  for (BlockArgument argument : function.getArguments()) {
    if (auto input = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input"))
      if (input.getValue() == "positions")
        return argument;
    bool passed = !calling.empty() && llvm::all_of(calling, [&](func::CallOp call) {
      return call.getOperand(argument.getArgNumber()) == positions.lookup(call->getParentOp());
    });
    if (passed && function.isPrivate())
      return argument;
  }
  return {};
}

Value CacheInsertion::appendPositions(func::FuncOp function) {
  Builder builder(function.getContext());
  auto type = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  SmallVector<NamedAttribute> attributes;
  if (function.isPublic())
    attributes.push_back(builder.getNamedAttr("nn.input", builder.getStringAttr("positions")));
  unsigned index = function.getNumArguments();
  (void)function.insertArgument(index, type, builder.getDictionaryAttr(attributes), function.getLoc());
  for (func::CallOp call : calls.getCallsOf(function))
    call->insertOperands(index, positions.lookup(call->getParentOp()));
  return function.getArgument(index);
}

/// Replaces `op` by attention to `cache` with its keys and values appended. Returns the new cache.
Value CacheInsertion::cacheAttention(AttentionOp op, Value cache, Value positions) {
  OpBuilder builder(op);
  Value appended = CacheAppendOp::create(builder, op.getLoc(), cache, op.getKey(), op.getValue(), positions);
  auto relative =
      op.getBias() ? op.getBias().getDefiningOp<RelativePositionBiasOp>() : RelativePositionBiasOp();
  Value bias = relative && !op.getByDistance() ? relative.buildBiasByDistance(builder) : op.getBias();
  auto cached =
      CachedAttentionOp::create(builder, op.getLoc(), op.getType(), op.getQuery(), appended, positions, bias,
                                op.getCausalAttr(), op.getHeadsAttr(), op.getKvHeadsAttr(), op.getScaleAttr(),
                                op.getWindowAttr(), op.getSoftcapAttr(), op.getAlibiAttr());
  op.replaceAllUsesWith(cached.getResult());
  op.erase();
  if (relative && relative->use_empty())
    relative.erase();
  return appended;
}

/// Replaces `call` by one that passes `caches` too. Returns the new caches.
ValueRange CacheInsertion::passCaches(func::CallOp call, ArrayRef<Value> caches) {
  OpBuilder builder(call);
  SmallVector<Value> operands(call.getOperands());
  SmallVector<Type> types(call.getResultTypes());
  llvm::append_range(operands, caches);
  llvm::append_range(types, ValueRange(caches).getTypes());
  auto longer = func::CallOp::create(builder, call.getLoc(), call.getCalleeAttr(), types, operands);
  longer->setDiscardableAttrs(call->getDiscardableAttrDictionary());
  unsigned results = call.getNumResults();
  call->replaceAllUsesWith(longer->getResults().take_front(results));
  call.erase();
  return longer->getResults().drop_front(results);
}

/// Appends caches to arguments and results of `function`, for its own attention and for that of its callees.
void CacheInsertion::addCaches(func::FuncOp function) {
  Builder builder(function.getContext());
  SmallVector<NamedAttribute> attributes;
  if (function.isPublic())
    attributes.push_back(builder.getNamedAttr("nn.input", builder.getStringAttr("cache")));
  SmallVector<Value> updated;
  auto takeCache = [&](Type type, Location loc) -> Value {
    unsigned index = function.getNumArguments();
    (void)function.insertArgument(index, type, builder.getDictionaryAttr(attributes), loc);
    caches[function].push_back(type);
    return function.getArgument(index);
  };
  auto own = attention.lookup(function);
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
    if (auto attention = dyn_cast<AttentionOp>(op); attention && llvm::is_contained(own, attention)) {
      if (attention.getCausal()) {
        Value cache = takeCache(cacheTypeOf(attention), op.getLoc());
        updated.push_back(cacheAttention(attention, cache, positions.lookup(function)));
      } else {
        OpBuilder here(&op);
        Value cache = EmptyCacheOp::create(here, op.getLoc(), cacheTypeOf(attention));
        cacheAttention(attention, cache, positions.lookup(function));
        ++numLocal;
      }
    } else if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      SmallVector<Value> taken;
      for (Type type : caches.lookup(callee))
        taken.push_back(takeCache(type, op.getLoc()));
      if (!taken.empty())
        llvm::append_range(updated, passCaches(call, taken));
    }
  }
  if (function.isPublic())
    numCaches += updated.size();
  Operation *terminator = function.getBody().front().getTerminator();
  for (Value cache : updated) {
    (void)function.insertResult(function.getNumResults(), cache.getType(), builder.getDictionaryAttr({}));
    terminator->insertOperands(terminator->getNumOperands(), cache);
  }
}

void CacheInsertion::run() {
  findAttention();
  findPositions();
  for (func::FuncOp function : calls.getCalleesFirst())
    if (positions.contains(function))
      addCaches(function);
}

struct AddKvCache : passes::impl::AddKvCacheBase<AddKvCache>, NumericallyBounded, Counting {
  using AddKvCacheBase::AddKvCacheBase;

  NumericBound getNumericBound() const override {
    // A key or value is off by at most half a unit in the last place: 2^-12 of it in f16, 2^-9 in bf16.
    double rounding = elementType == "f32" ? 0 : elementType == "f16" ? 0.005 : 0.05;
    return NumericBound::changesInterface(
        "a step takes the caches of the steps before it and returns new ones", rounding);
  }

  void runOnOperation() override {
    auto type = llvm::StringSwitch<Type>(elementType)
                    .Case("f32", Float32Type::get(&getContext()))
                    .Case("f16", Float16Type::get(&getContext()))
                    .Case("bf16", BFloat16Type::get(&getContext()))
                    .Default(nullptr);
    if (!type) {
      getOperation().emitError() << "nn-add-kv-cache keeps caches in f32, f16 or bf16, not in '"
                                 << elementType << "'";
      return signalPassFailure();
    }
    CacheInsertion insertion(getOperation(), type);
    insertion.run();
    count(insertion.numCaches, "caches that outlive a step");
    count(insertion.numLocal, "caches within a step");
    count(insertion.numDeclined, "attention operations left alone");
  }
};

} // namespace
