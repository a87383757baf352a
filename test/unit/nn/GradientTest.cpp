//===- GradientTest.cpp - every gradient against central differences ---------------------------------===//
//
// Each operation of nn has its gradients compared with finite differences in f64, refuses to build them with
// a reason, or is no computation that training differentiates. One that is in none of the lists fails the
// first test.
//
//===------------------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Verifier.h"
#include "test/unit/nn/Programs.h"
#include <set>

using namespace mlir;
using namespace llmc::nn;

namespace {

/// `operation` on arguments of the types `operands`, which are its operands in order. It ends with an arrow
/// if its assembly states the types of results.
struct Case {
  const char *operation;
  std::vector<const char *> operands;
  std::vector<const char *> results;
  double step = 1e-5; ///< of the differences
};

const Case kRules[] = {
    {"nn.linear %0, %1 ->", {"tensor<3x5xf64>", "tensor<4x5xf64>"}, {"tensor<3x4xf64>"}},
    {"nn.linear %0, %1 bias %2 ->",
     {"tensor<3x5xf64>", "tensor<4x5xf64>", "tensor<4xf64>"},
     {"tensor<3x4xf64>"}},
    // Ids are 0, 0, 1, ...: rows that are taken twice, and rows that nobody takes.
    {"nn.embedding %0, %1 ->", {"tensor<3xi32>", "tensor<4x5xf64>"}, {"tensor<3x5xf64>"}},
    {"nn.select_rows %0, %1 ->", {"tensor<6x4xf64>", "tensor<5xi32>"}, {"tensor<5x4xf64>"}},
    // More heads than one a group, more keys than queries, values wider than keys.
    {"nn.attention %0, %1, %2 heads 4 kv_heads 2 scale 0.7 ->",
     {"tensor<3x12xf64>", "tensor<5x6xf64>", "tensor<5x8xf64>"},
     {"tensor<3x16xf64>"}},
    {"nn.attention %0, %1, %2 heads 4 kv_heads 2 scale 0.7 causal window 3 ->",
     {"tensor<5x12xf64>", "tensor<5x6xf64>", "tensor<5x6xf64>"},
     {"tensor<5x12xf64>"}},
    {"nn.attention %0, %1, %2 heads 2 kv_heads 2 scale 0.7 causal softcap 0.8 alibi [1.0, 0.25] ->",
     {"tensor<4x6xf64>", "tensor<4x6xf64>", "tensor<4x6xf64>"},
     {"tensor<4x6xf64>"}},
    // Two tokens in each segment.
    {"nn.attention %0, %1, %2 segments %3 : tensor<4xi32> bias %4 : tensor<8x4xf64> heads 2 kv_heads 1 scale "
     "0.7 ->",
     {"tensor<4x6xf64>", "tensor<4x3xf64>", "tensor<4x3xf64>", "tensor<4xi32>", "tensor<8x4xf64>"},
     {"tensor<4x6xf64>"}},
    // The last queries see no key.
    {"nn.attention %0, %1, %2 bias %3 : tensor<10x3xf64> heads 2 kv_heads 1 scale 0.7 window 1 ->",
     {"tensor<5x6xf64>", "tensor<3x3xf64>", "tensor<3x3xf64>", "tensor<10x3xf64>"},
     {"tensor<5x6xf64>"}},
    // Keys of other segments, some of which no query has.
    {"nn.attention %0, %1, %2 segments %3 : tensor<4xi32> key_segments %4 : tensor<5xi32> heads 2 kv_heads 1 "
     "scale 0.7 ->",
     {"tensor<4x6xf64>", "tensor<5x3xf64>", "tensor<5x3xf64>", "tensor<4xi32>", "tensor<5xi32>"},
     {"tensor<4x6xf64>"}},
    // Keys further off than two share a bias.
    {"nn.attention %0, %1, %2 bias %3 : tensor<4x5xf64> by_distance heads 4 kv_heads 2 scale 0.7 softcap 0.8 "
     "->",
     {"tensor<4x12xf64>", "tensor<6x6xf64>", "tensor<6x8xf64>", "tensor<4x5xf64>"},
     {"tensor<4x16xf64>"}},
    // Positions are 0, 0, 1, ...
    {"nn.relative_position_bias %0, %1, %2 max_distance 8 ->",
     {"tensor<5xi32>", "tensor<4xi32>", "tensor<4x2xf64>"},
     {"tensor<10x4xf64>"}},
    {"nn.relative_position_bias %0, %1, %2 max_distance 3 bidirectional ->",
     {"tensor<5xi32>", "tensor<7xi32>", "tensor<8x3xf64>"},
     {"tensor<15x7xf64>"}},
    {"nn.rms_norm %0, %1 epsilon 0.1", {"tensor<3x6xf64>", "tensor<6xf64>"}, {"tensor<3x6xf64>"}},
    {"nn.rms_norm %0, %1 epsilon 1.0e-5", {"tensor<3x6xf64>", "tensor<2xf64>"}, {"tensor<3x6xf64>"}},
    {"nn.layer_norm %0, %1 epsilon 0.1", {"tensor<3x6xf64>", "tensor<6xf64>"}, {"tensor<3x6xf64>"}},
    {"nn.layer_norm %0, %1 bias %2 epsilon 1.0e-5",
     {"tensor<3x6xf64>", "tensor<6xf64>", "tensor<6xf64>"},
     {"tensor<3x6xf64>"}},
    {"nn.silu %0", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.gelu exact %0", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.gelu tanh %0", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.gelu sigmoid %0", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.relu %0", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.scale %0 by -2.5", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.softcap %0 to 0.75", {"tensor<3x7xf64>"}, {"tensor<3x7xf64>"}},
    {"nn.rope %0 at %1 heads 2 dims 4 theta 3.0 half",
     {"tensor<5x12xf64>", "tensor<5xi32>"},
     {"tensor<5x12xf64>"}},
    {"nn.rope %0 at %1 heads 2 dims 6 theta 3.0 interleaved scaling <yarn, factor = 4.0 : f64, low_freq = "
     "1.0 : f64, high_freq = 32.0 : f64, "
     "trained_context = 64 : i64, attention_factor = 1.5 : f64>",
     {"tensor<5x12xf64>", "tensor<5xi32>"},
     {"tensor<5x12xf64>"}},
    {"nn.rope_table %0 dims 4 theta 3.0 ->", {"tensor<5xi32>"}, {"tensor<5x4xf64>"}},
    {"nn.rotate %0 by %1 heads 3 interleaved", {"tensor<5x12xf64>", "tensor<5x2xf64>"}, {"tensor<5x12xf64>"}},
    {"nn.rotate %0 by %1 heads 2 half", {"tensor<5x12xf64>", "tensor<5x4xf64>"}, {"tensor<5x12xf64>"}},
    {"nn.split %0 ->", {"tensor<3x9xf64>"}, {"tensor<3x2xf64>", "tensor<3x4xf64>", "tensor<3x3xf64>"}},
    {"nn.concat %0, %1 ->", {"tensor<3x4xf64>", "tensor<2x4xf64>"}, {"tensor<5x4xf64>"}},
    {"nn.concat %0, %1, %2 ->", {"tensor<3xf64>", "tensor<2xf64>", "tensor<1xf64>"}, {"tensor<6xf64>"}},
    // Rounded to 24 bits: the differences of a long step.
    {"nn.convert %0 ->", {"tensor<3x7xf64>"}, {"tensor<3x7xf32>"}, 0.5},
    // Targets are 0, 0, 1, ...
    {"nn.cross_entropy %0, %1 ->", {"tensor<4x5xf64>", "tensor<4xi32>"}, {"tensor<4x1xf64>"}},
    {"nn.cross_entropy %0, %1 smoothing 0.2 ->", {"tensor<4x5xf64>", "tensor<4xi32>"}, {"tensor<4x1xf64>"}},
    {"nn.kl_divergence %0, %1 ->", {"tensor<4x5xf64>", "tensor<4x5xf64>"}, {"tensor<4x1xf64>"}},
    {"nn.dropout %0 rows %1 draw %2 rate 0.4 stream 16",
     {"tensor<5x4xf64>", "tensor<5xi32>", "tensor<3xi32>"},
     {"tensor<5x4xf64>"}},
    {"nn.scatter_rows %0, %1 ->", {"tensor<5x4xf64>", "tensor<5xi32>"}, {"tensor<6x4xf64>"}},
    // No derivative: they are stored.
    {"nn.convert %0 ->", {"tensor<3x32xf64>"}, {"tensor<3x32x!nn.block<q8_0>>"}},
};

const Case kRefused[] = {
    {"nn.cached_attention %0, %1 at %2 heads 2 kv_heads 1 scale 0.5 ->",
     {"tensor<3x8xf64>", "!nn.kv_cache<1x4xf64>", "tensor<3xi32>"},
     {"tensor<3x8xf64>"}},
    {"nn.attention_gradient %0, %1, %1, %0 heads 2 kv_heads 1 scale 0.5",
     {"tensor<3x8xf64>", "tensor<3x4xf64>"},
     {"tensor<3x8xf64>", "tensor<3x4xf64>", "tensor<3x4xf64>"}},
    {"nn.empty_cache", {}, {"!nn.kv_cache<1x4xf64>"}},
    {"nn.cache_append %0, %1, %1 at %2",
     {"!nn.kv_cache<1x4xf64>", "tensor<3x4xf64>", "tensor<3xi32>"},
     {"!nn.kv_cache<1x4xf64>"}},
    {"nn.experts %0, %1, %2, %2, %3 top_k 1 silu ->",
     {"tensor<3x4xf64>", "tensor<3x2xf64>", "tensor<6x4xf64>", "tensor<8x3xf64>"},
     {"tensor<3x4xf64>"}},
};

// Structure, and weights as kernels read them: training differentiates before these exist.
const std::set<std::string> kNoComputation = {"nn.param",  "nn.load",        "nn.yield",
                                              "nn.fusion", "nn.align_heads", "nn.pack"};

std::string list(const std::vector<const char *> &types) {
  return llvm::join(types.begin(), types.end(), ", ");
}

/// The function @f with nothing but the operation, whose types are those of its operands and those that it
/// states.
std::string textOf(const Case &test) {
  std::string arguments, operation = test.operation;
  for (auto [i, type] : llvm::enumerate(test.operands))
    arguments += (i ? ", %a" : "%a") + std::to_string(i) + ": " + type;
  for (size_t at = 0; (at = operation.find('%', at)) != std::string::npos; ++at)
    operation.insert(at + 1, "a");
  std::string results;
  for (size_t i = 0; i < test.results.size(); ++i)
    results += (i ? ", %r" : "%r") + std::to_string(i);
  // The types of operands in the order of their uses.
  std::vector<const char *> types;
  for (size_t at = 0; (at = operation.find("%a", at)) != std::string::npos; at += 2)
    if (!llvm::StringRef(operation).substr(at + 3).ltrim().starts_with(":")) // else its type is stated there
      types.push_back(test.operands[operation[at + 2] - '0']);
  const bool statesResults = llvm::StringRef(test.operation).ends_with(" ->");
  if (statesResults)
    operation.resize(operation.size() - 3);
  std::string signature =
      types.empty() ? list(test.results) : list(types) + (statesResults ? " -> " + list(test.results) : "");
  return "func.func @f(" + arguments + ") -> (" + list(test.results) + ") {\n  " + results + " = " +
         operation + " : " + signature + "\n  return " + results + " : " + list(test.results) + "\n}\n";
}

std::string nameOf(const Case &test) { return llvm::StringRef(test.operation).split(' ').first.str(); }

/// Which result gradients are given.
enum class Given { All, AllButTheFirst, None };

class Gradient : public Programs {
protected:
  /// Adds the function @g: from the arguments of @f, and gradients of its results, to the gradients of the
  /// operands in which the operation is differentiable. Returns the numbers of these operands.
  SmallVector<unsigned> addGradient(ModuleOp module, Given given = Given::All) {
    auto function = cast<func::FuncOp>(module.lookupSymbol("f"));
    OpBuilder builder(module.getBodyRegion());
    SmallVector<Type> inputs(function.getArgumentTypes());
    llvm::append_range(inputs, function.getResultTypes());
    auto made = func::FuncOp::create(builder, module.getLoc(), "g", builder.getFunctionType(inputs, {}));
    Block *body = made.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    mapping.map(function.getArguments(), body->getArguments().take_front(function.getNumArguments()));
    Operation *op = builder.clone(*findOperation(module), mapping);
    SmallVector<Value> gradients(body->getArguments().drop_front(function.getNumArguments()));
    if (given != Given::All)
      gradients.front() = Value();
    if (given == Given::None)
      llvm::fill(gradients, Value());

    auto differentiable = cast<DifferentiableOpInterface>(op);
    auto built =
        differentiable.buildGradients(builder, gradients, llvm::SmallBitVector(op->getNumOperands(), true));
    EXPECT_TRUE(succeeded(built));
    EXPECT_EQ(built->size(), op->getNumOperands());
    SmallVector<unsigned> operands;
    SmallVector<Value> results;
    for (auto [i, gradient] : llvm::enumerate(*built)) {
      EXPECT_EQ(static_cast<bool>(gradient), given != Given::None && differentiable.isDifferentiableIn(i));
      if (!gradient)
        continue;
      EXPECT_EQ(gradient.getType(), op->getOperand(i).getType());
      operands.push_back(i);
      results.push_back(gradient);
    }
    func::ReturnOp::create(builder, module.getLoc(), results);
    made.setFunctionType(builder.getFunctionType(inputs, ValueRange(results).getTypes()));
    EXPECT_TRUE(succeeded(verify(module)));
    return operands;
  }

  /// The sum of products of `weights` and the results of @f.
  double weighted(ModuleOp module, ArrayRef<Value64> inputs, ArrayRef<Value64> weights) {
    double sum = 0;
    for (auto [result, weight] : llvm::zip_equal(run(module, "f", inputs), weights))
      for (auto [a, b] : llvm::zip_equal(result.getTensor()->values, weight.getTensor()->values))
        sum += a * b;
    return sum;
  }

  SmallVector<Value64> makeInputs(TypeRange types) {
    return llvm::map_to_vector(types, [&](Type type) { return makeInput(type); });
  }
};

TEST_F(Gradient, EveryOperationHasARuleOrAReason) {
  std::set<std::string> rules, refused, all;
  for (const Case &test : kRules)
    rules.insert(nameOf(test));
  for (const Case &test : kRefused)
    refused.insert(nameOf(test));
  for (RegisteredOperationName name : context.getRegisteredOperations()) {
    if (name.getDialectNamespace() != "nn")
      continue;
    const std::string op = name.getStringRef().str();
    all.insert(op);
    EXPECT_EQ(rules.count(op) + refused.count(op) + kNoComputation.count(op), 1u)
        << op << " is in none of the lists of this test, or in several";
    EXPECT_EQ(name.hasInterface<DifferentiableOpInterface>(), !kNoComputation.count(op)) << op;
  }
  EXPECT_GT(all.size(), 20u);
}

TEST_F(Gradient, EveryRuleAgreesWithCentralDifferences) {
  for (const Case &test : kRules) {
    SCOPED_TRACE(test.operation);
    auto module = parse(textOf(test));
    ASSERT_TRUE(module);
    auto function = cast<func::FuncOp>(module->lookupSymbol("f"));
    const SmallVector<unsigned> operands = addGradient(*module);
    SmallVector<Value64> inputs = makeInputs(function.getArgumentTypes());
    const SmallVector<Value64> weights = makeInputs(function.getResultTypes());
    SmallVector<Value64> arguments = inputs;
    llvm::append_range(arguments, weights);
    const SmallVector<Value64> gradients = run(*module, "g", arguments);
    ASSERT_EQ(gradients.size(), operands.size());
    for (auto [operand, gradient] : llvm::zip_equal(operands, gradients)) {
      const Tensor64 original = *inputs[operand].getTensor();
      for (size_t i = 0; i < original.values.size(); ++i) {
        auto at = [&](double difference) {
          Tensor64 moved = original;
          moved.values[i] += difference;
          inputs[operand] = moved;
          return weighted(*module, inputs, weights);
        };
        const double expected = (at(test.step) - at(-test.step)) / (2 * test.step);
        ASSERT_NEAR(gradient.getTensor()->values[i], expected, 1e-6)
            << "operand " << operand << ", element " << i;
      }
      inputs[operand] = original;
    }
  }
}

TEST_F(Gradient, WhatIsNotGivenIsZero) {
  const Case test = {"nn.split %0 ->", {"tensor<3x9xf64>"}, {"tensor<3x2xf64>", "tensor<3x7xf64>"}};
  auto module = parse(textOf(test)), partial = parse(textOf(test));
  addGradient(*module);
  addGradient(*partial, Given::AllButTheFirst);
  SmallVector<Value64> arguments = {makeInput(findOperation(*module)->getOperand(0).getType()),
                                    Tensor64({3, 2}),
                                    makeInput(findOperation(*module)->getResult(1).getType())};
  EXPECT_EQ(run(*module, "g", arguments)[0].getTensor()->values,
            run(*partial, "g", arguments)[0].getTensor()->values);
}

TEST_F(Gradient, WhatIsNotWantedCostsNothing) {
  for (const Case &test : kRules) {
    SCOPED_TRACE(test.operation);
    auto module = parse(textOf(test));
    EXPECT_TRUE(addGradient(*module, Given::None).empty());
    Block &body = cast<func::FuncOp>(module->lookupSymbol("g")).getBody().front();
    EXPECT_EQ(body.getOperations().size(), 2u) << "no gradients are given, but operations were made";

    Operation *op = findOperation(*module);
    OpBuilder builder(op);
    SmallVector<Value> gradients(op->getResults());
    const size_t before = op->getBlock()->getOperations().size();
    auto built = cast<DifferentiableOpInterface>(op).buildGradients(
        builder, gradients, llvm::SmallBitVector(op->getNumOperands(), false));
    ASSERT_TRUE(succeeded(built));
    EXPECT_TRUE(llvm::none_of(*built, [](Value gradient) { return static_cast<bool>(gradient); }));
    EXPECT_EQ(op->getBlock()->getOperations().size(), before)
        << "no gradients are wanted, but operations were made";
  }
}

// Sizes that are not known, low precision, and frozen weights in blocks, through which gradients pass.
TEST_F(Gradient, GradientsHaveTheTypesOfTheirOperands) {
  const Case tests[] = {
      {"nn.linear %0, %1 ->", {"tensor<?x32xbf16>", "tensor<4x32x!nn.block<q8_0>>"}, {"tensor<?x4xf32>"}},
      {"nn.linear %0, %1 bias %2 ->",
       {"tensor<?x32xf32>", "tensor<?x32xbf16>", "tensor<4xf16>"},
       {"tensor<3x4xf32>"}},
      // The widest type may be that of any operand, or of the result.
      {"nn.linear %0, %1 ->", {"tensor<?x32xf32>", "tensor<4x32xf64>"}, {"tensor<?x4xf32>"}},
      {"nn.linear %0, %1 ->", {"tensor<?x32xf32>", "tensor<4x32xf32>"}, {"tensor<?x4xf64>"}},
      {"nn.embedding %0, %1 ->", {"tensor<?xi32>", "tensor<4x5xbf16>"}, {"tensor<?x5xf32>"}},
      {"nn.attention %0, %1, %2 segments %3 : tensor<?xi32> heads 4 kv_heads 2 scale 0.7 causal ->",
       {"tensor<?x12xbf16>", "tensor<?x6xbf16>", "tensor<?x6xf32>", "tensor<?xi32>"},
       {"tensor<?x12xbf16>"}},
      {"nn.attention %0, %1, %2 bias %3 : tensor<?x?xf32> heads 4 kv_heads 2 scale 0.7 ->",
       {"tensor<?x12xf32>", "tensor<?x6xf32>", "tensor<?x6xf32>", "tensor<?x?xf32>"},
       {"tensor<?x12xf32>"}},
      {"nn.rms_norm %0, %1 epsilon 0.1", {"tensor<?x6xbf16>", "tensor<2xf32>"}, {"tensor<?x6xbf16>"}},
      {"nn.layer_norm %0, %1 bias %2 epsilon 0.1",
       {"tensor<?x6xf16>", "tensor<6xf32>", "tensor<6xf32>"},
       {"tensor<?x6xf16>"}},
      {"nn.silu %0", {"tensor<?x?xbf16>"}, {"tensor<?x?xbf16>"}},
      {"nn.rope %0 at %1 heads 2 dims 4 theta 3.0 half",
       {"tensor<?x12xbf16>", "tensor<?xi32>"},
       {"tensor<?x12xbf16>"}},
      {"nn.split %0 ->", {"tensor<?x9xbf16>"}, {"tensor<?x2xbf16>", "tensor<?x7xbf16>"}},
      {"nn.concat %0, %1 ->", {"tensor<3x?xf32>", "tensor<2x?xf32>"}, {"tensor<5x?xf32>"}},
      {"nn.convert %0 ->", {"tensor<?x7xbf16>"}, {"tensor<?x7xf32>"}},
  };
  for (const Case &test : tests) {
    SCOPED_TRACE(test.operation);
    auto module = parse(textOf(test));
    ASSERT_TRUE(module);
    addGradient(*module);
  }
}

TEST_F(Gradient, WhatIsRefusedIsRefusedByName) {
  for (const Case &test : kRefused) {
    SCOPED_TRACE(test.operation);
    auto module = parse(textOf(test));
    ASSERT_TRUE(module);
    Operation *op = findOperation(*module);
    auto differentiable = cast<DifferentiableOpInterface>(op);
    const std::string reason = differentiable.getGradientRefusal().str();
    EXPECT_FALSE(reason.empty());
    std::string message;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
    OpBuilder builder(op);
    EXPECT_TRUE(failed(differentiable.buildGradients(builder, op->getResults(),
                                                     llvm::SmallBitVector(op->getNumOperands(), true))));
    EXPECT_EQ(message, "'" + nameOf(test) + "' op can not be differentiated: " + reason);
  }
}

} // namespace
