// The sum of what the passes below nn declare.

#include "codegen/verify/VerifyCompiled.h"
#include "codegen/cpu/Passes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace llmc;
using namespace llmc::codegen;

namespace {

TEST(LoweringBounds, EachPassCountsOnce) {
  LoweringBounds bounds;
  EXPECT_TRUE(bounds.add(*mlir::createCanonicalizerPass()));
  EXPECT_TRUE(bounds.add(*createPlanArena()));
  EXPECT_EQ(bounds.limit(), 0);
  EXPECT_TRUE(bounds.add(*createApproximateMath()));
  EXPECT_TRUE(bounds.add(*createApproximateMath()));
  EXPECT_EQ(bounds.limit(), 2e-6);
  EXPECT_TRUE(bounds.add(*createLowerToCpu()));
  EXPECT_DOUBLE_EQ(bounds.limit(), 1.2e-5);
  EXPECT_EQ(bounds.describe(), "approximate-math and lower-to-cpu");
}

TEST(LoweringBounds, APassWithoutOneIsRefusedByName) {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  std::string error;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) { error = diagnostic.str(); });
  LoweringBounds bounds;
  mlir::PassManager manager(&context);
  manager.addPass(mlir::createPrintOpGraphPass());
  manager.addInstrumentation(bounds.instrument());
  EXPECT_TRUE(mlir::failed(manager.run(*module)));
  EXPECT_THAT(error, testing::StartsWith("pass 'view-op-graph' declares no numeric bound"));
}

} // namespace
