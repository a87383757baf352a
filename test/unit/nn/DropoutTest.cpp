//===- DropoutTest.cpp - what the structured operation of dropout draws --------------------------------===//

#include "dialects/random/Philox.h"
#include "test/unit/nn/Programs.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;

namespace {

constexpr int64_t kRows = 37, kColumns = 150;

class Dropout : public Programs {
protected:
  /// Ones with the same dropout by the operation, or by its decomposition.
  std::vector<double> drop(double rate, std::array<int32_t, 3> draw, bool decomposed) {
    auto module = parse(
        R"(func.func @f(%x: tensor<37x150xf64>, %rows: tensor<37xi32>, %draw: tensor<3xi32>) -> tensor<37x150xf64> {
      %0 = nn.dropout %x rows %rows draw %draw rate )" +
        std::to_string(rate) + R"( stream 4000000000 : tensor<37x150xf64>, tensor<37xi32>, tensor<3xi32>
      return %0 : tensor<37x150xf64>
    })");
    if (decomposed) {
      auto op = cast<DropoutOp>(findOperation(*module));
      OpBuilder builder(op);
      auto values = op.decomposeOperation(builder);
      EXPECT_TRUE(succeeded(values));
      op->replaceAllUsesWith(*values);
      op->erase();
    }
    const Value64 ones = Tensor64({kRows, kColumns}, std::vector<double>(kRows * kColumns, 1));
    const Value64 drawn = reference::IntegerTensor({3}, {draw[0], draw[1], draw[2]});
    return run(*module, "f", {ones, rows(), drawn})[0].getTensor()->values;
  }

  /// Row numbers with and without the highest bit.
  static reference::IntegerTensor rows() {
    reference::IntegerTensor numbers({kRows});
    for (int32_t i = 0; i < kRows; ++i)
      numbers.values[i] = i % 2 ? i : INT32_MIN + 3 * i;
    return numbers;
  }
};

TEST_F(Dropout, DrawsTheWordsOfPhilox) {
  const std::array<int32_t, 3> draw = {-559038737, 305419896, 123456};
  const std::vector<double> found = drop(0.5, draw, /*decomposed=*/true);
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t column = 0; column < kColumns; ++column) {
      const uint32_t word =
          llmc::philox({static_cast<uint32_t>(column), static_cast<uint32_t>(rows().values[row]),
                        static_cast<uint32_t>(draw[2]), 4000000000U},
                       {static_cast<uint32_t>(draw[0]), static_cast<uint32_t>(draw[1])})[0];
      ASSERT_EQ(found[row * kColumns + column], word >= 1U << 31 ? 2 : 0) << row << ", " << column;
    }
  EXPECT_EQ(drop(0.5, draw, /*decomposed=*/false), found);
}

TEST_F(Dropout, DropsAtItsRate) {
  const double n = kRows * kColumns;
  std::vector<std::vector<double>> seen;
  for (const double rate : {0.1, 0.5, 0.9})
    for (const std::array<int32_t, 3> draw : {std::array<int32_t, 3>{1, 0, 0}, {1, 0, 1}, {0, 1, 0}}) {
      const std::vector<double> found = drop(rate, draw, /*decomposed=*/true);
      const auto zeros = static_cast<double>(llvm::count(found, 0.0));
      EXPECT_NEAR(zeros / n, rate, 4 * std::sqrt(rate * (1 - rate) / n)) << "at the rate " << rate;
      EXPECT_FALSE(llvm::is_contained(seen, found)) << "seeds and steps draw alike";
      seen.push_back(found);
    }
}

} // namespace
