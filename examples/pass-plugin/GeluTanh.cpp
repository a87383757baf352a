// A pass outside of the tree: it computes GELU by its tanh form, which is cheaper than the error function.

#include "dialects/nn/NN.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "passes/NumericBound.h"
#include "passes/Statistics.h"

using namespace mlir;
using namespace llmc;

namespace {

struct UseTanhGelu : PassWrapper<UseTanhGelu, OperationPass<ModuleOp>>, NumericallyBounded, Counting {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(UseTanhGelu)

  StringRef getArgument() const override { return "example-gelu-tanh"; }
  StringRef getDescription() const override { return "compute GELU by its tanh form"; }

  NumericBound getNumericBound() const override {
    return NumericBound::absolute(0.005,
                                  "a GELU moves by up to 0.0005, and what follows may add up some of them");
  }

  void runOnOperation() override {
    getOperation().walk([&](nn::GeluOp op) {
      if (op.getKind() != nn::GeluKind::Exact)
        return;
      op.setKind(nn::GeluKind::Tanh);
      count(1, "GELUs that take their tanh form");
      remark::passed(op.getLoc(), remark::RemarkOpts::name("UseTanhGelu").category("example-gelu-tanh"))
          << remark::add("GELU is computed by its tanh form");
    });
  }
};

} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "GeluTanh", LLVM_VERSION_STRING, [] { PassRegistration<UseTanhGelu>(); }};
}
