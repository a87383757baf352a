//===- MaterializeParams.cpp - parameters that are computed from others ------------------------------===//

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "passes/NumericBound.h"
#include "passes/Parameters.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"
#include <unordered_map>

namespace llmc::passes {
#define GEN_PASS_DEF_MATERIALIZEPARAMS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

namespace {

/// Copies what a value depends on into an initializer.
class InitializerBuilder {
public:
  InitializerBuilder(SymbolTable &symbols, OpBuilder &builder) : symbols(symbols), builder(builder) {}

  /// The copy of `value`. A load of a derived parameter becomes a copy of that parameter's initializer.
  Value copy(Value value) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    if (auto load = dyn_cast<LoadOp>(op))
      if (auto param = symbols.lookup<ParamOp>(load.getParam()); param && param.isDerived()) {
        Value initial = copy(param.getInitialValue());
        mapping.map(value, initial);
        return initial;
      }
    for (Value operand : op->getOperands())
      copy(operand);
    builder.clone(*op, mapping);
    return mapping.lookup(value);
  }

private:
  SymbolTable &symbols;
  OpBuilder &builder;
  IRMapping mapping;
};

struct MaterializeParams : passes::impl::MaterializeParamsBase<MaterializeParams>,
                           NumericallyBounded,
                           Counting {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    // Derived parameters by the hash of their initializers.
    std::unordered_multimap<size_t, ParamOp> derived;
    for (auto param : module.getOps<ParamOp>())
      if (param.isDerived())
        derived.insert({hash(param), param});
    SmallVector<FunctionOpInterface> functions;
    llvm::append_range(functions, module.getOps<FunctionOpInterface>());
    for (FunctionOpInterface function : functions)
      function->walk([&](Operation *op) {
        for (OpOperand &operand : op->getOpOperands())
          if (isWanted(operand))
            operand.set(load(operand.get(), symbols, derived));
      });
    for (FunctionOpInterface function : functions)
      eraseUnread(function);
    eraseUnreadParams(module);
  }

private:
  /// Whether `operand` is computed from parameters, but its user is not.
  static bool isWanted(OpOperand &operand) {
    Value value = operand.get();
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !type.hasStaticShape() || value.getDefiningOp<LoadOp>() || !passes::isLoadExpression(value))
      return false;
    Operation *user = operand.getOwner();
    return user->getNumResults() == 0 || !passes::isLoadExpression(user->getResult(0));
  }

  static size_t hash(ParamOp param) {
    size_t hash = 0;
    for (Operation &op : param.getInitializer().front())
      hash = llvm::hash_combine(hash,
                                OperationEquivalence::computeHash(&op, OperationEquivalence::ignoreHashValue,
                                                                  OperationEquivalence::ignoreHashValue,
                                                                  OperationEquivalence::IgnoreLocations));
    return hash;
  }

  /// A name that tells how the parameter came about: `blk.0.attn_q.weight.concat.pack`.
  static std::string nameOf(Value value) {
    Operation *op = value.getDefiningOp();
    if (auto load = dyn_cast<LoadOp>(op))
      return load.getParam().str();
    for (Value operand : op->getOperands())
      if (passes::isLoadExpression(operand))
        return nameOf(operand) + "." + op->getName().stripDialect().str();
    llvm_unreachable("the expression reads a parameter");
  }

  /// Loads a parameter that is computed as `value` is. Makes it unless there is one.
  Value load(Value value, SymbolTable &symbols, std::unordered_multimap<size_t, ParamOp> &derived) {
    OpBuilder builder(value.getContext());
    auto param = ParamOp::create(builder, value.getLoc(), builder.getStringAttr(nameOf(value)),
                                 TypeAttr::get(value.getType()), StringAttr());
    builder.setInsertionPointToStart(&param.getInitializer().emplaceBlock());
    Value initial = InitializerBuilder(symbols, builder).copy(value);
    YieldOp::create(builder, value.getLoc(), initial);

    size_t key = hash(param);
    auto [begin, end] = derived.equal_range(key);
    auto same = std::find_if(begin, end, [&](auto &entry) {
      ParamOp other = entry.second;
      return OperationEquivalence::isRegionEquivalentTo(&other.getInitializer(), &param.getInitializer(),
                                                        OperationEquivalence::IgnoreLocations);
    });
    if (same != end) {
      param.erase();
      param = same->second;
      count(1, "computations of a known parameter");
    } else {
      symbols.insert(param, insertionPoint());
      derived.insert({key, param});
      count(1, "derived parameters");
    }
    builder.setInsertionPointAfterValue(value);
    return LoadOp::create(builder, value.getLoc(), value.getType(),
                          FlatSymbolRefAttr::get(param.getSymNameAttr()));
  }

  /// Behind the last parameter, before the first function.
  Block::iterator insertionPoint() {
    Block &body = *getOperation().getBody();
    return llvm::find_if(body, [](Operation &op) { return isa<FunctionOpInterface>(op); });
  }

  static void eraseUnread(FunctionOpInterface function) {
    function->walk<WalkOrder::PostOrder, mlir::ReverseIterator>([](Operation *op) {
      if (isOpTriviallyDead(op))
        op->erase();
    });
  }

  static void eraseUnreadParams(ModuleOp module) {
    DenseSet<Attribute> read;
    module.walk([&](LoadOp load) { read.insert(load.getParamAttr().getAttr()); });
    for (ParamOp param : llvm::make_early_inc_range(module.getOps<ParamOp>()))
      if (param.isDerived() && !read.contains(param.getSymNameAttr()))
        param.erase();
  }
};

} // namespace
