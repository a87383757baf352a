// A sequence that is computed step by step with caches gives what the program without caches gives for the
// whole of it.

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/Parser/Parser.h"
#include "passes/Passes.h"
#include "gtest/gtest.h"
#include <numeric>
#include <random>

using namespace mlir;
using namespace llmc::nn::reference;

namespace {

// Two layers of one function, which rotates, and a window in a third of its own.
constexpr const char *kDecoder = R"(
  func.func @forward(%x: tensor<?x12xf32>, %positions: tensor<?xi32> {nn.input = "positions"}) -> tensor<?x12xf32> {
    %0 = call @layer(%x, %positions) : (tensor<?x12xf32>, tensor<?xi32>) -> tensor<?x12xf32>
    %1 = call @windowed(%0) : (tensor<?x12xf32>) -> tensor<?x12xf32>
    %2 = call @layer(%1, %positions) : (tensor<?x12xf32>, tensor<?xi32>) -> tensor<?x12xf32>
    return %2 : tensor<?x12xf32>
  }
  func.func private @layer(%x: tensor<?x12xf32>, %positions: tensor<?xi32>) -> tensor<?x12xf32> {
    %k, %v, %rest = nn.split %x : tensor<?x12xf32> -> tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
    %rq = nn.rope %x at %positions heads 3 dims 2 theta 100.0 half : tensor<?x12xf32>, tensor<?xi32>
    %rk = nn.rope %k at %positions heads 1 dims 2 theta 100.0 half : tensor<?x4xf32>, tensor<?xi32>
    %y = nn.attention %rq, %rk, %v heads 3 kv_heads 1 scale 0.5 causal softcap 4.0
           : tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x12xf32>
    %r = arith.addf %x, %y : tensor<?x12xf32>
    return %r : tensor<?x12xf32>
  }
  func.func private @windowed(%x: tensor<?x12xf32>) -> tensor<?x12xf32> {
    %y = nn.attention %x, %x, %x heads 2 kv_heads 2 scale 0.3 causal window 3 alibi [0.5, 0.25]
           : tensor<?x12xf32>, tensor<?x12xf32>, tensor<?x12xf32> -> tensor<?x12xf32>
    return %y : tensor<?x12xf32>
  })";

constexpr int64_t kWidth = 12, kRows = 7;

/// Rows `begin` to `end` of a fixed random matrix.
Tensor<float> rowsOf(int64_t begin, int64_t end) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> all(kRows * kWidth);
  for (float &value : all)
    value = normal(random);
  return {{end - begin, kWidth}, {all.begin() + begin * kWidth, all.begin() + end * kWidth}};
}

IntegerTensor positionsOf(int64_t begin, int64_t end) {
  IntegerTensor positions({end - begin});
  std::iota(positions.values.begin(), positions.values.end(), int32_t(begin));
  return positions;
}

class AddKvCacheTest : public testing::Test {
protected:
  AddKvCacheTest() {
    DialectRegistry registry;
    registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = parseSourceString<ModuleOp>(kDecoder, &context);
  }

  std::vector<float> wholeSequence() {
    Interpreter<float> interpreter(*module, /*source=*/nullptr);
    auto results = interpreter.call("forward", {rowsOf(0, kRows), positionsOf(0, kRows)});
    return succeeded(results) ? (*results)[0].getTensor()->values : std::vector<float>();
  }

  /// Computes the sequence in steps that end at `ends`, each with the caches that the one before returned.
  std::vector<float> stepByStep(std::vector<int64_t> ends) {
    Interpreter<float> interpreter(*module, /*source=*/nullptr);
    Interpreter<float>::Values caches;
    for (Type type : module->lookupSymbol<func::FuncOp>("forward").getArgumentTypes().drop_front(2)) {
      auto cache = cast<llmc::nn::KvCacheType>(type);
      caches.push_back(KvCache<float>{cache.getHeads(), cache.getHeadDim(), {}});
    }
    std::vector<float> all;
    int64_t begin = 0;
    for (int64_t end : ends) {
      Interpreter<float>::Values arguments = {rowsOf(begin, end), positionsOf(begin, end)};
      llvm::append_range(arguments, caches);
      auto results = interpreter.call("forward", arguments);
      if (failed(results))
        return {};
      llvm::append_range(all, (*results)[0].getTensor()->values);
      caches.assign(results->begin() + 1, results->end());
      begin = end;
    }
    return all;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(AddKvCacheTest, StepsGiveWhatTheWholeSequenceGives) {
  ASSERT_TRUE(module);
  std::vector<float> expected = wholeSequence();
  ASSERT_EQ(expected.size(), size_t(kRows * kWidth));
  PassManager manager(&context);
  manager.addPass(llmc::passes::createAddKvCache());
  ASSERT_TRUE(succeeded(manager.run(*module)));

  EXPECT_EQ(module->lookupSymbol<func::FuncOp>("forward").getNumArguments(), 5u) << "a cache a call";
  EXPECT_EQ(stepByStep({7}), expected);
  EXPECT_EQ(stepByStep({4, 7}), expected);
  EXPECT_EQ(stepByStep({1, 2, 3, 4, 5, 6, 7}), expected);
}

} // namespace
