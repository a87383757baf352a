#include "passes/Parameters.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace llmc::passes;

namespace {

class ParametersTest : public testing::Test {
protected:
  ParametersTest() {
    context.loadDialect<func::FuncDialect, arith::ArithDialect, llmc::nn::NNDialect>();
    module = parseSourceString<ModuleOp>(R"(
      nn.param @p : tensor<4x4xf16>
      func.func @f(%x: tensor<4x4xf32>, %a: tensor<4x4xf16> {nn.parameter}) {
        %constant = arith.constant dense<2.0> : tensor<4x4xf32>
        %activation = nn.relu %x : tensor<4x4xf32>
        %load = nn.load @p : tensor<4x4xf16>
        %of_load = nn.convert %load : tensor<4x4xf16> -> tensor<4x4xf32>
        %of_argument = nn.convert %a : tensor<4x4xf16> -> tensor<4x4xf32>
        %with_constant = arith.mulf %of_load, %constant : tensor<4x4xf32>
        %of_both = arith.addf %of_argument, %of_load : tensor<4x4xf32>
        %with_activation = arith.addf %of_load, %x : tensor<4x4xf32>
        return
      })",
                                         &context);
  }

  /// Result of the operation with this number in the function.
  Value value(unsigned index) {
    auto &operations = module->lookupSymbol<func::FuncOp>("f").getBody().front().getOperations();
    return std::next(operations.begin(), index)->getResult(0);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

enum { Constant, Activation, Load, OfLoad, OfArgument, WithConstant, OfBoth, WithActivation };

TEST_F(ParametersTest, ExpressionsOfParametersAndConstants) {
  ASSERT_TRUE(module);
  for (unsigned known : {Load, OfLoad, OfArgument, WithConstant, OfBoth})
    EXPECT_TRUE(isParameterExpression(value(known))) << known;
  for (unsigned other : {Constant, Activation, WithActivation})
    EXPECT_FALSE(isParameterExpression(value(other))) << other;
}

TEST_F(ParametersTest, ExpressionsOfLoadsDependOnNoArgument) {
  ASSERT_TRUE(module);
  for (unsigned known : {Load, OfLoad, WithConstant})
    EXPECT_TRUE(isLoadExpression(value(known))) << known;
  for (unsigned other : {Constant, Activation, OfArgument, OfBoth, WithActivation})
    EXPECT_FALSE(isLoadExpression(value(other))) << other;
}

TEST_F(ParametersTest, MovesAParameterWithWhatItDependsOn) {
  ASSERT_TRUE(module);
  Value moved = value(WithConstant);
  Operation *activation = value(Activation).getDefiningOp(), *load = value(Load).getDefiningOp();
  moveParameterBefore(moved, activation);
  EXPECT_TRUE(moved.getDefiningOp()->isBeforeInBlock(activation));
  EXPECT_TRUE(load->isBeforeInBlock(moved.getDefiningOp()));
  EXPECT_TRUE(succeeded(verify(*module)));
}

} // namespace
