//===- TilingTest.cpp - parts of operations that upstream's transformations do not ask for -----------===//
//
// What they ask for is tested in test/dialects/nn/tiling.
//
//===------------------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "test/unit/nn/Programs.h"

using namespace mlir;
using namespace llmc::nn;

namespace {

class Tiling : public Programs {
protected:
  SmallVector<OpFoldResult> indices(ArrayRef<int64_t> values) {
    return llvm::map_to_vector(
        values, [&](int64_t value) -> OpFoldResult { return Builder(&context).getIndexAttr(value); });
  }

  void expectNear(const Tensor64 &expected, const Tensor64 &found) {
    ASSERT_EQ(expected.shape, found.shape);
    for (auto [a, b] : llvm::zip_equal(expected.values, found.values))
      EXPECT_NEAR(a, b, 1e-12);
  }
};

// A device that has a part of the inputs of a product has a summand of its result.
TEST_F(Tiling, TilesOfAReductionAreSummands) {
  auto module = parse(R"(func.func @f(%x: tensor<3x8xf64>, %w: tensor<5x8xf64>) -> tensor<3x5xf64> {
    %0 = nn.linear %x, %w : tensor<3x8xf64>, tensor<5x8xf64> -> tensor<3x5xf64>
    return %0 : tensor<3x5xf64>
  })");
  Operation *op = findOperation(*module);
  SmallVector<Value64> inputs = {makeInput(op->getOperand(0).getType()),
                                 makeInput(op->getOperand(1).getType())};
  const SmallVector<Value64> expected = run(*module, "f", inputs);

  OpBuilder builder(op);
  auto low = computeTile(builder, op, indices({0, 0, 0}), indices({3, 5, 3}));
  auto high = computeTile(builder, op, indices({0, 0, 3}), indices({3, 5, 5}));
  ASSERT_TRUE(succeeded(low) && succeeded(high));
  Value sum = arith::AddFOp::create(builder, op->getLoc(), low->tiledValues[0], high->tiledValues[0]);
  op->getResult(0).replaceAllUsesWith(sum);
  op->erase();
  ASSERT_TRUE(succeeded(verify(*module)));
  expectNear(*expected[0].getTensor(), *run(*module, "f", inputs)[0].getTensor());
}

TEST_F(Tiling, ABiasIsAddedOnlyOnce) {
  auto module =
      parse(R"(func.func @f(%x: tensor<3x8xf64>, %w: tensor<5x8xf64>, %b: tensor<5xf64>) -> tensor<3x5xf64> {
    %0 = nn.linear %x, %w bias %b : tensor<3x8xf64>, tensor<5x8xf64>, tensor<5xf64> -> tensor<3x5xf64>
    return %0 : tensor<3x5xf64>
  })");
  Operation *op = findOperation(*module);
  OpBuilder builder(op);
  const size_t operations = op->getBlock()->getOperations().size();
  EXPECT_TRUE(failed(computeTile(builder, op, indices({0, 0, 0}), indices({3, 5, 3}))));
  EXPECT_EQ(op->getBlock()->getOperations().size(), operations); // nothing is left behind
  EXPECT_TRUE(succeeded(computeTile(builder, op, indices({0, 0}), indices({3, 2}))));
}

// Each device has some of the heads, with the slopes of these.
TEST_F(Tiling, HeadsTakeTheirSlopesWithThem) {
  auto module = parse(
      R"(func.func @f(%q: tensor<3x8xf64>, %k: tensor<3x4xf64>, %v: tensor<3x4xf64>) -> tensor<3x8xf64> {
    %0 = nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.5 causal alibi [1.0, 0.5, 0.25, 0.125]
      : tensor<3x8xf64>, tensor<3x4xf64>, tensor<3x4xf64> -> tensor<3x8xf64>
    return %0 : tensor<3x8xf64>
  })");
  Operation *op = findOperation(*module);
  SmallVector<Value64> inputs;
  for (Type type : op->getOperandTypes())
    inputs.push_back(makeInput(type));
  const Tensor64 whole = *run(*module, "f", inputs)[0].getTensor();

  OpBuilder builder(op);
  auto tile = computeTile(builder, op, indices({1}), indices({1}));
  ASSERT_TRUE(succeeded(tile));
  EXPECT_EQ(tile->tiledValues[0].getType(), RankedTensorType::get({3, 4}, builder.getF64Type()));
  auto inserted =
      tensor::InsertSliceOp::create(builder, op->getLoc(), tile->tiledValues[0], op->getOperand(0),
                                    indices({0, 4}), indices({3, 4}), indices({1, 1}));
  op->getResult(0).replaceAllUsesWith(inserted.getResult());
  op->erase();
  ASSERT_TRUE(succeeded(verify(*module)));
  const Tensor64 half = *run(*module, "f", inputs)[0].getTensor();
  for (int64_t row = 0; row < 3; ++row)
    for (int64_t d = 4; d < 8; ++d)
      EXPECT_NEAR(half.row(row)[d], whole.row(row)[d], 1e-12);
}

} // namespace
