#include "dialects/cost/ProgramCost.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace mlir;

namespace llmc::nn {
namespace {

/// Two calls of one layer, and a head of its own.
constexpr const char *kProgram = R"(
  nn.param @up : tensor<6x4xf32>
  nn.param @head : tensor<5x6xf32>
  func.func private @layer(%x: tensor<?x4xf32>, %w: tensor<6x4xf32> {nn.parameter}) -> tensor<?x6xf32> {
    %y = nn.linear %x, %w : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>
    return %y : tensor<?x6xf32>
  }
  func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x5xf32> {
    %w = nn.load @up : tensor<6x4xf32>
    %h = nn.load @head : tensor<5x6xf32>
    %a = call @layer(%x, %w) : (tensor<?x4xf32>, tensor<6x4xf32>) -> tensor<?x6xf32>
    %b = call @layer(%x, %w) : (tensor<?x4xf32>, tensor<6x4xf32>) -> tensor<?x6xf32>
    %y = nn.linear %b, %h : tensor<?x6xf32>, tensor<5x6xf32> -> tensor<?x5xf32>
    return %y : tensor<?x5xf32>
  }
)";

TEST(ProgramCost, CountsAFunctionAsOftenAsItIsCalled) {
  MLIRContext context;
  context.loadDialect<NNDialect, func::FuncDialect>();
  auto module = parseSourceString<ModuleOp>(kProgram, &context);
  ASSERT_TRUE(module);
  constexpr double rows = 3;
  OpCost cost = costOfProgram(*module, "forward", rows, 7);
  EXPECT_EQ(cost.flops, rows * (2 * (2 * 6 * 4) + 2 * 5 * 6));
  EXPECT_EQ(cost.parameterBytes, 4 * (2 * 6 * 4 + 5 * 6));
  EXPECT_EQ(cost.activationBytes, 4 * rows * (2 * (4 + 6) + 6 + 5));
}

TEST(ProgramCost, OfAnUnknownFunctionIsNothing) {
  MLIRContext context;
  context.loadDialect<NNDialect, func::FuncDialect>();
  auto module = parseSourceString<ModuleOp>(kProgram, &context);
  ASSERT_TRUE(module);
  EXPECT_EQ(costOfProgram(*module, "backward", 1, 1).flops, 0);
}

} // namespace
} // namespace llmc::nn
