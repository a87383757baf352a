//===- VerifyNumericsTest.cpp - what a caller of the checker sees ------------------------------------===//

#include "passes/verify/VerifyNumerics.h"
#include "dialects/nn/NN.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace llmc;
using testing::HasSubstr;

namespace {

/// Doubles what every nn.scale multiplies by, or fails by itself.
struct DoublePass : PassWrapper<DoublePass, OperationPass<ModuleOp>>, NumericallyBounded {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DoublePass)
  DoublePass(NumericBound bound, bool fails) : bound(std::move(bound)), fails(fails) {}
  StringRef getArgument() const override { return "double"; }
  NumericBound getNumericBound() const override { return bound; }
  void runOnOperation() override {
    getOperation().walk([](nn::ScaleOp op) { op.setFactor(APFloat(2 * op.getFactor().convertToDouble())); });
    if (fails)
      signalPassFailure();
  }
  NumericBound bound;
  bool fails;
};

class VerifyNumericsTest : public testing::Test {
protected:
  VerifyNumericsTest() {
    DialectRegistry registry;
    nn::reference::registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    module = parseSourceString<ModuleOp>(R"(
      func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
        %0 = nn.scale %x by 3.0 : tensor<?x3xf32>
        return %0 : tensor<?x3xf32>
      })",
                                         &context);
  }

  LogicalResult run(NumericBound bound, bool fails = false) {
    PassManager manager(&context);
    manager.addPass(std::make_unique<DoublePass>(std::move(bound), fails));
    VerifyNumericsOptions options;
    options.isUntrusted = &isUntrusted;
    verifyNumerics(manager, options);
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { error = diagnostic.str(); });
    return manager.run(*module);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  bool isUntrusted = false;
  std::string error;
};

TEST_F(VerifyNumericsTest, ABrokenBoundFailsThePipelineAndIsToldApart) {
  EXPECT_TRUE(failed(run(NumericBound::relative(0.5, "claims too much"))));
  EXPECT_TRUE(isUntrusted);
  EXPECT_THAT(
      error,
      HasSubstr("pass 'double' breaks its bound (within 0.5 of the largest magnitude): in @f, result 0"));
}

TEST_F(VerifyNumericsTest, AKeptBoundPasses) {
  EXPECT_TRUE(succeeded(run(NumericBound::relative(1.0, "results double")))) << error;
  EXPECT_FALSE(isUntrusted);
}

TEST_F(VerifyNumericsTest, APassThatFailsByItselfIsNotDistrusted) {
  EXPECT_TRUE(failed(run(NumericBound::exact(), /*fails=*/true)));
  EXPECT_FALSE(isUntrusted);
}

} // namespace
