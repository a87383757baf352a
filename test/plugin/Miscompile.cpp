//===- Miscompile.cpp - passes that are wrong on purpose ---------------------------------------------===//
//
// A plug-in for the tests of --verify-numerics: miscompilations as they happen, each a pass that claims to be
// right, and a few passes that are.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "passes/NumericBound.h"

using namespace mlir;
using namespace llmc;

namespace {

//===----------------------------------------------------------------------===//
// Miscompilations
//===----------------------------------------------------------------------===//

void swapConcat(ModuleOp module) {
  module.walk([](nn::ConcatOp op) {
    Value first = op->getOperand(0), second = op->getOperand(1);
    if (first.getType() == second.getType())
      op->setOperands({second, first});
  });
}

void wrongEpsilon(ModuleOp module) {
  module.walk([](nn::RmsNormOp op) { op.setEpsilon(APFloat(1e-6)); });
}

void dropBias(ModuleOp module) {
  module.walk([](nn::LinearOp op) { op.getBiasMutable().clear(); });
}

void wrongRopeStyle(ModuleOp module) {
  module.walk([](nn::RopeOp op) { op.setStyle(nn::RopeStyle::Interleaved); });
}

void dropCausal(ModuleOp module) {
  module.walk([](nn::AttentionOp op) { op.setCausal(false); });
}

void widenWindow(ModuleOp module) {
  module.walk([](nn::AttentionOp op) {
    if (op.getWindow())
      op.setWindow(*op.getWindow() + 1);
  });
}

void widenCachedWindow(ModuleOp module) {
  module.walk([](nn::CachedAttentionOp op) { op.setWindow(*op.getWindow() + 1); });
}

void halveHeads(ModuleOp module) {
  module.walk([](nn::AttentionOp op) {
    op.setHeads(2 * op.getHeads());
    op.setKvHeads(2 * op.getKvHeads());
  });
}

void dropScale(ModuleOp module) {
  module.walk([](nn::AttentionOp op) { op.setScale(APFloat(1.0)); });
}

void swapSplit(ModuleOp module) {
  module.walk([](nn::SplitOp op) {
    OpBuilder builder(op);
    Value first = op.getResult(0), second = op.getResult(1);
    if (first.getType() != second.getType())
      return;
    auto swapped = nn::SplitOp::create(builder, op.getLoc(), op.getResultTypes(), op.getInput());
    first.replaceAllUsesWith(swapped.getResult(1));
    second.replaceAllUsesWith(swapped.getResult(0));
  });
}

void siluAsGelu(ModuleOp module) {
  module.walk([](nn::SiluOp op) {
    OpBuilder builder(op);
    op.replaceAllUsesWith(
        nn::GeluOp::create(builder, op.getLoc(), op.getType(), op.getInput(), nn::GeluKind::Sigmoid)
            .getResult());
    op.erase();
  });
}

void geluByTanh(ModuleOp module) {
  module.walk([](nn::GeluOp op) { op.setKind(nn::GeluKind::Tanh); });
}

void roundProducts(ModuleOp module) {
  module.walk([](nn::LinearOp op) {
    OpBuilder builder(op->getContext());
    builder.setInsertionPointAfter(op);
    auto narrow = op.getType().clone(builder.getBF16Type());
    auto rounded = nn::ConvertOp::create(builder, op.getLoc(), narrow, op.getResult());
    auto widened = nn::ConvertOp::create(builder, op.getLoc(), op.getType(), rounded);
    op.getResult().replaceAllUsesExcept(widened, rounded);
  });
}

void wrongResidual(ModuleOp module) {
  module.walk([](arith::AddFOp op) { op->setOperand(0, op.getRhs()); });
}

void swapDifference(ModuleOp module) {
  module.walk([](arith::SubFOp op) { op->setOperands({op.getRhs(), op.getLhs()}); });
}

void attendToOldCache(ModuleOp module) {
  module.walk([](nn::CachedAttentionOp op) {
    if (auto append = op.getCache().getDefiningOp<nn::CacheAppendOp>())
      op.getCacheMutable().assign(append.getCache());
  });
}

void loadNeighbour(ModuleOp module) {
  for (auto param : module.getOps<nn::ParamOp>())
    module.walk([&](nn::LoadOp op) {
      if (op.getType() == param.getType())
        op.setParam(param.getSymName());
    });
}

void selectByPosition(ModuleOp module) {
  module.walk([](nn::SelectRowsOp op) {
    auto function = op->getParentOfType<func::FuncOp>();
    op.getRowsMutable().assign(function.getArgument(1));
  });
}

void wrongOrigin(ModuleOp module) {
  for (auto param : module.getOps<nn::ParamOp>())
    if (!param.isDerived())
      param.setOrigin("another." + param.getSymName().str());
}

void lookBehindTable(ModuleOp module) {
  module.walk([](nn::EmbeddingOp op) {
    OpBuilder builder(op);
    auto type = RankedTensorType::get({1, op.getTable().getType().getDimSize(1)}, builder.getF32Type());
    Value table =
        arith::ConstantOp::create(builder, op.getLoc(), DenseElementsAttr::get(type, APFloat(1.0f)));
    op.getTableMutable().assign(table);
  });
}

/// Multiplies by a little more than the program says.
template <int Percent> void stretch(ModuleOp module) {
  module.walk([](nn::ScaleOp op) {
    op.setFactor(APFloat(op.getFactor().convertToDouble() * (1 + Percent / 100.0)));
  });
}

void addArgument(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic())
      (void)function.insertArgument(0, RankedTensorType::get({1}, Float32Type::get(module.getContext())), {},
                                    function.getLoc());
}

/// Each public function hands through a cache.
void addCache(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function.isPublic())
      continue;
    Type type = nn::KvCacheType::get(module.getContext(), 1, 4, Float32Type::get(module.getContext()));
    (void)function.insertArgument(function.getNumArguments(), type, {}, function.getLoc());
    (void)function.insertResult(function.getNumResults(), type, {});
    Operation *end = function.front().getTerminator();
    end->insertOperands(end->getNumOperands(), function.getArguments().back());
  }
}

void addCacheAndDropCausal(ModuleOp module) {
  addCache(module);
  dropCausal(module);
}

/// Returns the caches that came in, where these were added, without the keys of this step.
void returnOldCaches(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    for (OpOperand &result : function.front().getTerminator()->getOpOperands()) {
      auto append = result.get().getDefiningOp<nn::CacheAppendOp>();
      auto old = append ? dyn_cast<BlockArgument>(append.getCache()) : BlockArgument();
      if (old && function.getArgAttr(old.getArgNumber(), "nn.input"))
        result.set(old);
    }
}

//===----------------------------------------------------------------------===//
// Passes that keep their bounds
//===----------------------------------------------------------------------===//

/// scale by 2 = x + x, to the bit.
void doubleByAdding(ModuleOp module) {
  module.walk([](nn::ScaleOp op) {
    if (!op.getFactor().isExactlyValue(2.0))
      return;
    OpBuilder builder(op);
    op.replaceAllUsesWith(
        arith::AddFOp::create(builder, op.getLoc(), op.getInput(), op.getInput()).getResult());
    op.erase();
  });
}

/// A product that ends in a sum: (a + b) - c becomes a + (b - c).
void reassociate(ModuleOp module) {
  module.walk([](arith::SubFOp op) {
    auto sum = op.getLhs().getDefiningOp<arith::AddFOp>();
    if (!sum)
      return;
    OpBuilder builder(op);
    Value difference = arith::SubFOp::create(builder, op.getLoc(), sum.getRhs(), op.getRhs());
    op.replaceAllUsesWith(arith::AddFOp::create(builder, op.getLoc(), sum.getLhs(), difference).getResult());
    op.erase();
  });
}

//===----------------------------------------------------------------------===//
// Registration
//===----------------------------------------------------------------------===//

using Rewrite = void (*)(ModuleOp);

/// A pass that applies a rewrite and declares a bound.
struct RewritePass : PassWrapper<RewritePass, OperationPass<ModuleOp>>, NumericallyBounded {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(RewritePass)
  RewritePass(StringRef argument, Rewrite rewrite, NumericBound bound)
      : argument(argument), rewrite(rewrite), bound(std::move(bound)) {}
  StringRef getArgument() const override { return argument; }
  StringRef getDescription() const override { return "wrong on purpose"; }
  NumericBound getNumericBound() const override { return bound; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, nn::NNDialect>();
  }
  void runOnOperation() override { rewrite(getOperation()); }

  StringRef argument;
  Rewrite rewrite;
  NumericBound bound;
};

/// Runs on functions, and swaps the operands of a difference.
struct FunctionPass : PassWrapper<FunctionPass, OperationPass<func::FuncOp>>, NumericallyBounded {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FunctionPass)
  StringRef getArgument() const override { return "miscompile-function"; }
  StringRef getDescription() const override { return "wrong on purpose"; }
  NumericBound getNumericBound() const override { return NumericBound::exact(); }
  void runOnOperation() override {
    getOperation().walk([](arith::SubFOp op) { op->setOperands({op.getRhs(), op.getLhs()}); });
  }
};

/// Adds caches that work in the first step only.
struct LoseCachePass : PassWrapper<LoseCachePass, OperationPass<ModuleOp>>, NumericallyBounded {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LoseCachePass)
  StringRef getArgument() const override { return "miscompile-lose-cache"; }
  StringRef getDescription() const override { return "wrong on purpose"; }
  NumericBound getNumericBound() const override { return NumericBound::changesInterface("adds caches"); }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<nn::NNDialect>(); }
  void runOnOperation() override {
    OpPassManager addCaches(ModuleOp::getOperationName());
    if (failed(parsePassPipeline("nn-add-kv-cache", addCaches)) ||
        failed(runPipeline(addCaches, getOperation())))
      return signalPassFailure();
    returnOldCaches(getOperation());
  }
};

/// Does nothing, and says nothing about it.
struct UnboundedPass : PassWrapper<UnboundedPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(UnboundedPass)
  StringRef getArgument() const override { return "miscompile-unbounded"; }
  StringRef getDescription() const override { return "has no bound"; }
  void runOnOperation() override {}
};

void registerRewrite(StringRef argument, Rewrite rewrite, NumericBound bound = NumericBound::exact()) {
  registerPass([=] { return std::make_unique<RewritePass>(argument, rewrite, bound); });
}

void registerPasses() {
  registerRewrite("miscompile-swap-concat", swapConcat);
  registerRewrite("miscompile-epsilon", wrongEpsilon);
  registerRewrite("miscompile-drop-bias", dropBias);
  registerRewrite("miscompile-rope-style", wrongRopeStyle);
  registerRewrite("miscompile-drop-causal", dropCausal);
  registerRewrite("miscompile-window", widenWindow);
  registerRewrite("miscompile-cached-window", widenCachedWindow);
  registerRewrite("miscompile-heads", halveHeads);
  registerRewrite("miscompile-drop-scale", dropScale);
  registerRewrite("miscompile-swap-split", swapSplit);
  registerRewrite("miscompile-silu", siluAsGelu, NumericBound::relative(1e-3, "claims that both are alike"));
  registerRewrite("miscompile-gelu", geluByTanh, NumericBound::ulps(4, "claims that tanh is as good"));
  registerRewrite("miscompile-round", roundProducts, NumericBound::relative(1e-5, "claims not to round"));
  registerRewrite("miscompile-stretch", stretch<2>, NumericBound::relative(0.015, "claims too little"));
  registerRewrite("miscompile-residual", wrongResidual);
  registerRewrite("miscompile-difference", swapDifference);
  registerRewrite("miscompile-old-cache", attendToOldCache);
  registerRewrite("miscompile-load", loadNeighbour);
  registerRewrite("miscompile-select", selectByPosition);
  registerRewrite("miscompile-origin", wrongOrigin);
  registerRewrite("miscompile-table", lookBehindTable);
  registerRewrite("miscompile-argument", addArgument);
  registerRewrite("miscompile-interface", addArgument,
                  NumericBound::changesInterface("claims that nobody can tell"));
  registerRewrite("miscompile-add-cache", addCacheAndDropCausal,
                  NumericBound::changesInterface("hands through a cache"));
  registerPass([] { return std::make_unique<FunctionPass>(); });
  registerPass([] { return std::make_unique<LoseCachePass>(); });
  registerPass([] { return std::make_unique<UnboundedPass>(); });

  registerRewrite("right-double", doubleByAdding);
  registerRewrite("right-stretch", stretch<1>, NumericBound::relative(0.015, "stretches by 1%"));
  registerRewrite("right-gelu", geluByTanh, NumericBound::absolute(0.01, "a GELU moves by up to 0.0005"));
  registerRewrite("right-round", roundProducts, NumericBound::relative(0.05, "products are rounded to bf16"));
  registerRewrite("right-reassociate", reassociate, NumericBound::relative(1e-6, "sums in another order"));
  registerRewrite("right-cache", addCache, NumericBound::changesInterface("hands through a cache"));
}

} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Miscompile", LLVM_VERSION_STRING, registerPasses};
}
