//===- RandomInputsTest.cpp - made-up weights and arguments ------------------------------------------===//

#include "passes/verify/RandomInputs.h"
#include "dialects/nn/NN.h"
#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Parser/Parser.h"
#include "passes/verify/ArgumentUse.h"
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn::reference;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::Lt;

namespace {

class RandomInputsTest : public testing::Test {
protected:
  RandomInputsTest() {
    DialectRegistry registry;
    registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    context.loadDialect<nn::NNDialect>();
  }

  func::FuncOp parse(StringRef text) {
    module = parseSourceString<ModuleOp>(text, &context);
    return module->lookupSymbol<func::FuncOp>("main");
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(RandomInputsTest, WeightsOfEveryFormatKeepTheSizeOfActivations) {
  for (const char *element :
       {"f32", "f16", "bf16", "f64", "!nn.block<q8_0>", "!nn.block<q4_0>", "!nn.block<q4_1>",
        "!nn.block<q5_0>", "!nn.block<q5_1>", "!nn.block<q2_k>", "!nn.block<q3_k>", "!nn.block<q4_k>",
        "!nn.block<q5_k>", "!nn.block<q6_k>", "!nn.block<iq4_nl>", "!nn.block<iq4_xs>", "!nn.block<mxfp4>"}) {
    auto type = cast<RankedTensorType>(parseType("tensor<64x512x" + std::string(element) + ">", &context));
    RandomParameters parameters(7);
    auto contents = parameters.getContents("w", type);
    ASSERT_TRUE(static_cast<bool>(contents));
    auto value = decodeTensor<float>(*contents, type);
    ASSERT_TRUE(static_cast<bool>(value));
    double squares = 0;
    for (float number : value->getTensor()->values)
      squares += number * number;
    // A sum of 512 products with numbers around one is around one.
    double size = std::sqrt(squares / 64);
    EXPECT_GT(size, 0.5) << element;
    EXPECT_LT(size, 2.0) << element;
  }
}

TEST_F(RandomInputsTest, TensorsDependOnSeedAndName) {
  auto type = cast<RankedTensorType>(parseType("tensor<3x5xf32>", &context));
  auto bytes = [&](uint64_t seed, StringRef name) {
    RandomParameters parameters(seed);
    return llvm::cantFail(parameters.getContents(name, type)).vec();
  };
  EXPECT_EQ(bytes(1, "a"), bytes(1, "a"));
  EXPECT_NE(bytes(1, "a"), bytes(1, "b"));
  EXPECT_NE(bytes(1, "a"), bytes(2, "a"));
}

TEST_F(RandomInputsTest, ATensorHasOneType) {
  RandomParameters parameters(1);
  (void)llvm::cantFail(
      parameters.getContents("a", cast<RankedTensorType>(parseType("tensor<3xf32>", &context))));
  auto other = parameters.getContents("a", cast<RankedTensorType>(parseType("tensor<3xf16>", &context)));
  EXPECT_EQ(llvm::toString(other.takeError()),
            "tensor 'a' is tensor<3xf32> in the checkpoint, but the program declares tensor<3xf16>");
}

TEST_F(RandomInputsTest, RefusesMoreThanTheMemoryOfAWorkstation) {
  RandomParameters parameters(1);
  auto type = cast<RankedTensorType>(parseType("tensor<1000000x1000000x!nn.block<q4_0>>", &context));
  auto contents = parameters.getContents("a", type);
  EXPECT_EQ(llvm::toString(contents.takeError()),
            "tensor 'a' is one too many, all that are made up would take more than 4 GiB");
}

TEST_F(RandomInputsTest, ArgumentsFitTheirUses) {
  func::FuncOp main = parse(R"(
    func.func private @embed(%t: tensor<?xi32>, %p: tensor<?xi32>, %a: tensor<11x4xf32>, %b: tensor<9x4xf32>) -> tensor<?x4xf32> {
      %0 = nn.embedding %t, %a : tensor<?xi32>, tensor<11x4xf32> -> tensor<?x4xf32>
      %1 = nn.embedding %p, %b : tensor<?xi32>, tensor<9x4xf32> -> tensor<?x4xf32>
      %2 = arith.addf %0, %1 : tensor<?x4xf32>
      return %2 : tensor<?x4xf32>
    }
    func.func @main(%t: tensor<?xi32>, %p: tensor<?xi32> {nn.input = "positions"}, %r: tensor<?xi32>, %s: tensor<?xi32>,
                    %a: tensor<11x4xf32> {nn.parameter}, %b: tensor<9x4xf32> {nn.parameter}) -> tensor<?x4xf32> {
      %0 = call @embed(%t, %p, %a, %b) : (tensor<?xi32>, tensor<?xi32>, tensor<11x4xf32>, tensor<9x4xf32>) -> tensor<?x4xf32>
      %1 = nn.attention %0, %0, %0 segments %s : tensor<?xi32> heads 1 kv_heads 1 scale 0.5 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
      %2 = nn.select_rows %1, %r : tensor<?x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
      return %2 : tensor<?x4xf32>
    })");
  auto arguments = makeArguments<float>(main, {7, 50, 3});
  ASSERT_TRUE(arguments);
  EXPECT_THAT((*arguments)[0].getIntegers()->values, Each(AllOf(Ge(0), Lt(11))));
  // Nine positions are learned: two before, and seven.
  EXPECT_THAT((*arguments)[1].getIntegers()->values, ElementsAre(2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT((*arguments)[2].getIntegers()->values, Each(AllOf(Ge(0), Lt(7))));
  EXPECT_TRUE(llvm::is_sorted((*arguments)[3].getIntegers()->values));
  Interpreter<float> interpreter(*module, nullptr);
  EXPECT_TRUE(succeeded(interpreter.call("main", *arguments)));
}

TEST_F(RandomInputsTest, PositionsStraddleTheWindow) {
  func::FuncOp main = parse(R"(
    func.func @main(%q: tensor<?x4xf32>, %p: tensor<?xi32>, %c: !nn.kv_cache<1x4xf32>) -> tensor<?x4xf32> {
      %0 = nn.cached_attention %q, %c at %p heads 1 kv_heads 1 scale 0.5 causal window 4096 : tensor<?x4xf32>, !nn.kv_cache<1x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
      return %0 : tensor<?x4xf32>
    })");
  auto arguments = makeArguments<float>(main, {2, 3, 1});
  ASSERT_TRUE(arguments);
  EXPECT_THAT((*arguments)[1].getIntegers()->values, ElementsAre(4096, 4097));
  EXPECT_EQ((*arguments)[2].getCache()->rows.size(), 3u);
  EXPECT_EQ((*arguments)[2].getCache()->rows.rbegin()->first, 2);
}

TEST_F(RandomInputsTest, RefusesWhatItCanNotMakeUp) {
  EXPECT_FALSE(makeArguments<float>(parse("func.func @main(%x: f32) { return }"), {1, 0, 1}));
  EXPECT_FALSE(makeArguments<float>(parse("func.func @main(%x: tensor<3xi64>) { return }"), {1, 0, 1}));
  EXPECT_FALSE(makeArguments<float>(parse("func.func @main(%x: memref<3xf32>) { return }"), {1, 0, 1}));
}

} // namespace
