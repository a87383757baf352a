//===- InterpreterTest.cpp - parameters, functions and errors of the interpreter ----------------------===//

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/Parallel.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// Tensors in memory. Counts how often each is asked for.
class Tensors : public ParameterSource {
public:
  llvm::Expected<ArrayRef<uint8_t>> getContents(StringRef name, RankedTensorType) override {
    ++asked[name.str()];
    auto found = contents.find(name.str());
    if (found == contents.end())
      return llvm::createStringError("there is no tensor '" + name + "'");
    return ArrayRef<uint8_t>(found->second);
  }

  template <typename Stored> void add(const std::string &name, std::vector<Stored> values) {
    std::vector<uint8_t> &bytes = contents[name];
    bytes.resize(values.size() * sizeof(Stored));
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }

  std::map<std::string, std::vector<uint8_t>> contents;
  std::map<std::string, int> asked;
};

class InterpreterTest : public testing::Test {
protected:
  InterpreterTest() {
    DialectRegistry registry;
    registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
  }

  ModuleOp parse(StringRef text) {
    module = parseSourceString<ModuleOp>(text, &context);
    return *module;
  }

  /// Results of @main, or the first diagnostic in `error`.
  template <typename T = float>
  FailureOr<typename Interpreter<T>::Values> run(Interpreter<T> &interpreter,
                                                 ArrayRef<RuntimeValue<T>> arguments = {}) {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      if (error.empty())
        error = diagnostic.str();
    });
    return interpreter.call("main", arguments);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Tensors tensors;
  std::string error;
};

constexpr StringLiteral kTwoWeights = R"(
  nn.param @a : tensor<2x3xf32>
  nn.param @b : tensor<2x3xf32> from "blk.b"
  func.func @main() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
    %a = nn.load @a : tensor<2x3xf32>
    %b = nn.load @b : tensor<2x3xf32>
    %c = nn.load @a : tensor<2x3xf32>
    %d = arith.addf %a, %c : tensor<2x3xf32>
    return %d, %b : tensor<2x3xf32>, tensor<2x3xf32>
  })";

TEST_F(InterpreterTest, ReadsParametersByTheirTensorNames) {
  tensors.add<float>("a", {1, 2, 3, 4, 5, 6});
  tensors.add<float>("blk.b", {-1, -2, -3, -4, -5, -6});
  Interpreter<float> interpreter(parse(kTwoWeights), &tensors);
  auto results = run(interpreter);
  ASSERT_TRUE(succeeded(results)) << error;
  EXPECT_THAT((*results)[0].getTensor()->values, ElementsAre(2, 4, 6, 8, 10, 12));
  EXPECT_THAT((*results)[1].getTensor()->values, ElementsAre(-1, -2, -3, -4, -5, -6));
  EXPECT_EQ(tensors.asked["a"], 1);
}

TEST_F(InterpreterTest, ForgetsTheLeastRecentlyUsedParameterBeyondTheBudget) {
  tensors.add<float>("a", {1, 2, 3, 4, 5, 6});
  tensors.add<float>("blk.b", {1, 2, 3, 4, 5, 6});
  // One of the two fits: b drives a out, which is read again.
  Interpreter<float> tight(parse(kTwoWeights), &tensors, 6 * sizeof(float));
  ASSERT_TRUE(succeeded(run(tight)));
  EXPECT_EQ(tensors.asked["a"], 2);
  EXPECT_EQ(tensors.asked["blk.b"], 1);
  Interpreter<float> roomy(*module, &tensors, 12 * sizeof(float));
  ASSERT_TRUE(succeeded(run(roomy)));
  ASSERT_TRUE(succeeded(run(roomy)));
  EXPECT_EQ(tensors.asked["a"], 3);
}

TEST_F(InterpreterTest, DecodesEveryElementType) {
  tensors.add<uint16_t>("f16", {0x3c00, 0xc000});  // 1, -2
  tensors.add<uint16_t>("bf16", {0x3f80, 0xc000}); // 1, -2
  tensors.add<double>("f64", {1, -2});
  tensors.add<int32_t>("i32", {1, -2});
  tensors.add<int8_t>("i8", {1, -2});
  std::vector<uint8_t> block(34, 2); // scale 0.5, all codes 2
  block[0] = 0x00, block[1] = 0x38;
  tensors.add<uint8_t>("q8", block);
  ModuleOp program = parse(R"(
    nn.param @f16 : tensor<2xf16>
    nn.param @bf16 : tensor<2xbf16>
    nn.param @f64 : tensor<2xf64>
    nn.param @i32 : tensor<2xi32>
    nn.param @i8 : tensor<2xi8>
    nn.param @q8 : tensor<1x32x!nn.block<q8_0>>
    func.func @main() -> (tensor<2xf16>, tensor<2xbf16>, tensor<2xf64>, tensor<2xi32>, tensor<2xi8>, tensor<1x32x!nn.block<q8_0>>) {
      %0 = nn.load @f16 : tensor<2xf16>
      %1 = nn.load @bf16 : tensor<2xbf16>
      %2 = nn.load @f64 : tensor<2xf64>
      %3 = nn.load @i32 : tensor<2xi32>
      %4 = nn.load @i8 : tensor<2xi8>
      %5 = nn.load @q8 : tensor<1x32x!nn.block<q8_0>>
      return %0, %1, %2, %3, %4, %5 : tensor<2xf16>, tensor<2xbf16>, tensor<2xf64>, tensor<2xi32>, tensor<2xi8>, tensor<1x32x!nn.block<q8_0>>
    })");
  auto check = [&]<typename T>(Interpreter<T> interpreter) {
    auto results = run<T>(interpreter);
    ASSERT_TRUE(succeeded(results)) << error;
    for (int i : {0, 1, 2})
      EXPECT_THAT((*results)[i].getTensor()->values, ElementsAre(1, -2)) << i;
    for (int i : {3, 4})
      EXPECT_THAT((*results)[i].getIntegers()->values, ElementsAre(1, -2)) << i;
    EXPECT_THAT((*results)[5].getTensor()->values, testing::Each(T(1)));
  };
  check(Interpreter<float>(program, &tensors));
  check(Interpreter<double>(program, &tensors));
}

TEST_F(InterpreterTest, SaysWhichTensorCanNotBeRead) {
  tensors.add<float>("a", {1, 2, 3});
  Interpreter<float> interpreter(parse(kTwoWeights), &tensors);
  EXPECT_TRUE(failed(run(interpreter)));
  EXPECT_THAT(error, HasSubstr("can not be read: has 12 bytes, expected 24"));
  tensors.add<float>("a", {1, 2, 3, 4, 5, 6});
  error.clear();
  EXPECT_TRUE(failed(run(interpreter)));
  EXPECT_THAT(error, HasSubstr("can not be read: there is no tensor 'blk.b'"));
}

TEST_F(InterpreterTest, ChecksArgumentsAgainstTheirTypes) {
  Interpreter<float> interpreter(parse(R"(
    func.func @main(%x: tensor<?x3xf32>, %i: tensor<2xi32>, %c: !nn.kv_cache<1x2xf32>) { return })"),
                                 nullptr);
  KvCache<float> cache{1, 2, {}};
  RuntimeValue<float> x(Tensor<float>({5, 3})), i(IntegerTensor({2})), c(cache);
  EXPECT_TRUE(succeeded(run<float>(interpreter, {x, i, c}))) << error;
  auto expectError = [&](ArrayRef<RuntimeValue<float>> arguments, StringRef text) {
    error.clear();
    EXPECT_TRUE(failed(run<float>(interpreter, arguments)));
    EXPECT_THAT(error, HasSubstr(text.str()));
  };
  expectError({Tensor<float>({5, 4}), i, c}, "evaluation gives a tensor of 5x4");
  expectError({Tensor<float>({3}), i, c}, "evaluation gives a tensor of 3");
  expectError({i, i, c}, "evaluation gives an integer tensor of 2");
  expectError({x, x, c}, "evaluation gives a tensor of 5x3");
  expectError({x, i, KvCache<float>{2, 2, {}}}, "evaluation gives a cache of 2x2");
  expectError({x, i, RuntimeValue<float>()}, "evaluation gives nothing");
  expectError({x, i}, "takes 3 arguments, not 2");
}

TEST_F(InterpreterTest, MultipliesInTheOrderOfTheSumWhateverTheThreads) {
  // Large enough for several threads; every output is the plain sum, to the bit.
  constexpr int64_t rows = 33, width = 257, outputs = 131;
  Interpreter<float> interpreter(parse(R"(
    func.func @main(%x: tensor<?x257xf32>, %w: tensor<131x257xf32>) -> tensor<?x131xf32> {
      %0 = nn.linear %x, %w : tensor<?x257xf32>, tensor<131x257xf32> -> tensor<?x131xf32>
      return %0 : tensor<?x131xf32>
    })"),
                                 nullptr);
  Tensor<float> x({rows, width}), w({outputs, width});
  for (size_t i = 0; i < x.values.size(); ++i)
    x.values[i] = std::sin(static_cast<float>(i));
  for (size_t i = 0; i < w.values.size(); ++i)
    w.values[i] = std::cos(static_cast<float>(3 * i));
  auto results = run<float>(interpreter, {x, w});
  ASSERT_TRUE(succeeded(results)) << error;
  const Tensor<float> &y = *results->front().getTensor();
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t n = 0; n < outputs; ++n) {
      volatile float sum = 0; // not reordered, not fused
      for (int64_t k = 0; k < width; ++k) {
        volatile float product = x.row(t)[k] * w.row(n)[k];
        sum = sum + product;
      }
      ASSERT_EQ(y.row(t)[n], sum) << t << ", " << n;
    }
}

TEST_F(InterpreterTest, RoundsResultsInSinglePrecisionOnly) {
  StringRef text = R"(
    func.func @main(%x: tensor<1x1xf32>) -> (tensor<1x1xbf16>, tensor<1x1xbf16>) {
      %h = nn.convert %x : tensor<1x1xf32> -> tensor<1x1xbf16>
      %y = nn.scale %h by 1.00390625 : tensor<1x1xbf16>
      return %h, %y : tensor<1x1xbf16>, tensor<1x1xbf16>
    })";
  ModuleOp program = parse(text);
  Interpreter<float> single(program, nullptr);
  Interpreter<double> exact(program, nullptr);
  auto rounded = run<float>(single, {Tensor<float>({1, 1}, {1.25f})});
  auto kept = run<double>(exact, {Tensor<double>({1, 1}, {1.25 + 0x1p-20})});
  ASSERT_TRUE(succeeded(rounded) && succeeded(kept)) << error;
  EXPECT_EQ((*rounded)[1].getTensor()->values[0], 1.2578125f); // 1.2548828125 is no bf16
  EXPECT_EQ((*kept)[0].getTensor()->values[0], 1.25);          // a conversion always rounds
  EXPECT_EQ((*kept)[1].getTensor()->values[0], 1.25 * 1.00390625);
}

TEST_F(InterpreterTest, CopiesOfACacheDoNotSeeLaterAppends) {
  Interpreter<float> interpreter(parse(R"(
    func.func @main(%c: !nn.kv_cache<1x1xf32>, %k: tensor<1x1xf32>, %p: tensor<1xi32>) -> !nn.kv_cache<1x1xf32> {
      %0 = nn.cache_append %c, %k, %k at %p : !nn.kv_cache<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1xi32>
      return %0 : !nn.kv_cache<1x1xf32>
    })"),
                                 nullptr);
  auto append = [&](RuntimeValue<float> cache, float key, int32_t position) {
    auto results =
        run<float>(interpreter, {cache, Tensor<float>({1, 1}, {key}), IntegerTensor({1}, {position})});
    return results->front();
  };
  RuntimeValue<float> one = append(KvCache<float>{1, 1, {}}, 1, 4);
  RuntimeValue<float> two = append(one, 2, 5), other = append(one, 3, 4);
  EXPECT_EQ(one.getCache()->rows.size(), 1u);
  EXPECT_EQ(two.getCache()->rows.size(), 2u);
  EXPECT_EQ(one.getCache()->rows.at(4)->key[0], 1);
  EXPECT_EQ(other.getCache()->rows.at(4)->key[0], 3);
}

TEST(ParallelFor, CallsEachIndexOnce) {
  for (double operations : {0.0, 1e9}) {
    std::vector<std::atomic<int>> calls(1000);
    parallelFor(calls.size(), operations, [&](int64_t i) { ++calls[i]; });
    for (auto &count : calls)
      EXPECT_EQ(count, 1);
    parallelFor(0, operations, [](int64_t) { FAIL(); });
  }
}

} // namespace
