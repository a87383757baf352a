#include "passes/Remarks.h"
#include "dialects/nn/NN.h"
#include "mlir/Parser/Parser.h"
#include "passes/Passes.h"
#include "gmock/gmock.h"

using namespace mlir;
using namespace llmc;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

/// What merging the products of a function says, one of which has a bias.
std::vector<std::string> remarksOf(MLIRContext &context) {
  context.loadDialect<func::FuncDialect, nn::NNDialect>();
  std::vector<std::string> remarks;
  ScopedDiagnosticHandler handler(&context,
                                  [&](Diagnostic &diagnostic) { remarks.push_back(diagnostic.str()); });
  auto module = parseSourceString<ModuleOp>(R"(
    func.func @f(%x: tensor<?x4xf32>, %a: tensor<4x4xf32> {nn.parameter}, %b: tensor<4xf32> {nn.parameter})
        -> (tensor<?x4xf32>, tensor<?x4xf32>) {
      %0 = nn.linear %x, %a bias %b : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
      %1 = nn.linear %x, %a : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
      return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
    })",
                                            &context);
  PassManager manager(&context);
  manager.addPass(passes::createMergeLinears());
  EXPECT_TRUE(succeeded(manager.run(*module)));
  return remarks;
}

TEST(RemarksTest, SaysWhatWasDeclinedAndWhy) {
  MLIRContext context;
  enableRemarks(context);
  EXPECT_THAT(remarksOf(context),
              ElementsAre("nn-merge-linears declined: one has a bias and the other has none",
                          "nn-merge-linears declined: one has a bias and the other has none"));
}

TEST(RemarksTest, SaysNothingUnlessAsked) {
  MLIRContext context;
  EXPECT_THAT(remarksOf(context), IsEmpty());
}

} // namespace
