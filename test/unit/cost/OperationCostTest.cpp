//===- OperationCostTest.cpp - cost and fusion role of every operation -------------------------------===//
//
// Each operation of nn has its cost compared with one that was computed by hand, and its role stated. One
// that has neither is listed with the reason why.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace mlir;
using namespace llmc::nn;

namespace {

constexpr int64_t kContext = 7;

/// `operation` in a function of these arguments, for `rows` tokens that attend to kContext positions.
struct Case {
  std::string operation;
  std::string arguments;
  double flops, parameterBytes, activationBytes;
  int64_t rows = 3;
};

const std::string kRow4 = "%x: tensor<?x4xf32>";
// Four heads of queries of 3, two heads of keys of 3 and values of 4: a pair costs 4 * 2 * (3 + 4).
const std::string kHeads = "%q: tensor<?x12xf32>, %k: tensor<?x6xf32>, %v: tensor<?x8xf32>",
                  kCross = "%q: tensor<?x12xf32>, %k: tensor<5x6xf32>, %v: tensor<5x8xf32>";
const std::string kHeadTypes = " : tensor<?x12xf32>, tensor<?x6xf32>, tensor<?x8xf32> -> tensor<?x16xf32>",
                  kCrossTypes = " : tensor<?x12xf32>, tensor<5x6xf32>, tensor<5x8xf32> -> tensor<?x16xf32>";
const std::string kExperts =
    "nn.experts %x, %r, %g, %g, %d top_k 2 silu : tensor<?x6xf32>, tensor<?x4xf32>, tensor<20x6xf32>, "
    "tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x6xf32>";
const std::string kExpertArguments = "%x: tensor<?x6xf32>, %r: tensor<?x4xf32>, %g: tensor<20x6xf32> "
                                     "{nn.parameter}, %d: tensor<24x5xf32> {nn.parameter}";
const std::string kCache = "%q: tensor<?x8xf32>, %c: !nn.kv_cache<1x4xf32>, %p: tensor<?xi32>";

const Case kCosts[] = {
    // Three rows of four bf16 are read, whatever the size of the table.
    {"nn.embedding %i, %w : tensor<?xi32>, tensor<10x4xbf16> -> tensor<?x4xf32>",
     "%i: tensor<?xi32>, %w: tensor<10x4xbf16> {nn.parameter}", 0, 3 * 4 * 2, 3 * 4 + 3 * 4 * 4},
    {"nn.linear %x, %w bias %b : tensor<?x4xf32>, tensor<6x4xf32>, tensor<6xf32> -> tensor<?x6xf32>",
     kRow4 + ", %w: tensor<6x4xf32> {nn.parameter}, %b: tensor<6xf32> {nn.parameter}", 2 * 3 * 4 * 6 + 3 * 6,
     4 * (24 + 6), 4 * (12 + 18)},
    // A block of q8_0 is 34 bytes for 32 numbers.
    {"nn.linear %x, %w : tensor<?x32xbf16>, tensor<6x32x!nn.block<q8_0>> -> tensor<?x6xf32>",
     "%x: tensor<?x32xbf16>, %w: tensor<6x32x!nn.block<q8_0>> {nn.parameter}", 2 * 3 * 32 * 6, 6 * 34,
     2 * 96 + 4 * 18},
    // A weight that was computed is no parameter.
    {"nn.linear %x, %w : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>",
     kRow4 + ", %w: tensor<6x4xf32>", 2 * 3 * 4 * 6, 0, 4 * (12 + 24 + 18)},
    {"nn.rms_norm %x, %w epsilon 0.1 : tensor<?x4xf32>, tensor<4xf32>",
     kRow4 + ", %w: tensor<4xf32> {nn.parameter}", 4 * 12, 4 * 4, 2 * 4 * 12},
    {"nn.layer_norm %x, %w bias %w epsilon 0.1 : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>",
     kRow4 + ", %w: tensor<4xf32> {nn.parameter}", 8 * 12, 2 * 4 * 4, 2 * 4 * 12},
    {"nn.silu %x : tensor<?x4xf32>", kRow4, 4 * 12, 0, 2 * 4 * 12},
    {"nn.gelu tanh %x : tensor<?x4xf32>", kRow4, 8 * 12, 0, 2 * 4 * 12},
    {"nn.relu %x : tensor<?x4xf32>", kRow4, 12, 0, 2 * 4 * 12},
    {"nn.scale %x by 2.0 : tensor<?x4xf32>", kRow4, 12, 0, 2 * 4 * 12},
    {"nn.softcap %x to 2.0 : tensor<?x4xf32>", kRow4, 4 * 12, 0, 2 * 4 * 12},
    {"nn.rope %x at %p heads 2 dims 4 theta 3.0 half : tensor<?x12xf32>, tensor<?xi32>",
     "%x: tensor<?x12xf32>, %p: tensor<?xi32>", 3 * 36, 0, 4 * (36 + 3 + 36)},
    {"nn.rope_table %p dims 4 theta 3.0 : tensor<?xi32> -> tensor<?x4xf32>", "%p: tensor<?xi32>", 20 * 12, 0,
     4 * (3 + 12)},
    {"nn.rotate %x by %t heads 2 half : tensor<?x12xf32>, tensor<?x4xf32>",
     "%x: tensor<?x12xf32>, %t: tensor<?x4xf32>", 3 * 36, 0, 4 * (36 + 12 + 36)},
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7" + kHeadTypes, kHeads, 9 * 56, 0,
     4 * 3 * (12 + 6 + 8 + 16)},
    // One, two and three keys.
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7 causal" + kHeadTypes, kHeads, 6 * 56, 0,
     4 * 3 * (12 + 6 + 8 + 16)},
    // The first token sees itself.
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7 causal" + kHeadTypes, kHeads, 56, 0,
     4 * (12 + 6 + 8 + 16), 1},
    // One, two and two keys; the whole sequence where the window is longer.
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7 causal window 2" + kHeadTypes, kHeads, 5 * 56, 0,
     4 * 3 * (12 + 6 + 8 + 16)},
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7 causal window 9" + kHeadTypes, kHeads, 6 * 56, 0,
     4 * 3 * (12 + 6 + 8 + 16)},
    // Three, three and two keys: a window hides only what is before it.
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7 window 2" + kHeadTypes, kHeads, 8 * 56, 0,
     4 * 3 * (12 + 6 + 8 + 16)},
    {"nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.7" + kCrossTypes, kCross, 15 * 56, 0,
     4 * (3 * (12 + 16) + 5 * (6 + 8))},
    // A bias for each head and pair.
    {"nn.attention %q, %k, %v bias %b : tensor<?x?xf32> heads 4 kv_heads 2 scale 0.7" + kHeadTypes,
     kHeads + ", %b: tensor<?x?xf32>", 9 * 56, 0, 4 * (3 * (12 + 6 + 8 + 16) + 4 * 9)},
    {"nn.empty_cache : !nn.kv_cache<1x4xf32>", "", 0, 0, 0},
    // Two heads of queries share one head of keys of four.
    {"nn.cached_attention %q, %c at %p heads 2 kv_heads 1 scale 0.5 : tensor<?x8xf32>, "
     "!nn.kv_cache<1x4xf32>, tensor<?xi32> -> tensor<?x8xf32>",
     kCache, 3 * kContext * 2 * (2 * 4 + 2 * 4), 0, 4 * (24 + 3 + 24 + kContext * 8)},
    {"nn.cached_attention %q, %c at %p heads 2 kv_heads 1 scale 0.5 causal window 2 : tensor<?x8xf32>, "
     "!nn.kv_cache<1x4xf32>, tensor<?xi32> -> tensor<?x8xf32>",
     kCache, 3 * 2 * 2 * (2 * 4 + 2 * 4), 0, 4 * (24 + 3 + 24 + 2 * 8)},
    {"nn.cached_attention %q, %c at %p bias %b : tensor<2x7xf32> heads 2 kv_heads 1 scale 0.5 : "
     "tensor<?x8xf32>, !nn.kv_cache<1x4xf32>, tensor<?xi32> -> tensor<?x8xf32>",
     std::string(kCache) + ", %b: tensor<2x7xf32> {nn.parameter}", 3 * kContext * 2 * (2 * 4 + 2 * 4), 4 * 14,
     4 * (24 + 3 + 24 + kContext * 8)},
    {"nn.cache_append %c, %k, %k at %p : !nn.kv_cache<1x4xbf16>, tensor<?x4xf32>, tensor<?x4xf32>, "
     "tensor<?xi32>",
     "%c: !nn.kv_cache<1x4xbf16>, %k: tensor<?x4xf32>, %p: tensor<?xi32>", 0, 0,
     4 * (12 + 12 + 3) + 2 * (12 + 12)},
    // For two heads.
    {"nn.relative_position_bias %p, %p, %t max_distance 8 : tensor<?xi32>, tensor<?xi32>, tensor<4x2xf32> -> "
     "tensor<?x?xf32>",
     "%p: tensor<?xi32>, %t: tensor<4x2xf32> {nn.parameter}", 0, 4 * 8, 4 * (3 + 3 + 2 * 9)},
    // Four experts of 5 inner values. A token multiplies with two of them; three tokens may need all.
    {kExperts, kExpertArguments, 3 * 2 * 2 * (3 * 5 * 6), 4 * 360, 4 * 3 * (6 + 4 + 6)},
    {kExperts, kExpertArguments, 2 * 2 * (3 * 5 * 6), 4 * 180, 4 * (6 + 4 + 6), 1},
    {"nn.split %x : tensor<?x4xf32> -> tensor<?x1xf32>, tensor<?x3xf32>", kRow4, 0, 0, 0},
    {"nn.concat %x, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<4x4xf32>", "%x: tensor<2x4xf32>", 0, 0,
     0},
    // The row that is kept is read.
    {"nn.select_rows %x, %i : tensor<?x4xf32>, tensor<1xi32> -> tensor<1x4xf32>",
     kRow4 + ", %i: tensor<1xi32>", 0, 0, 4 * (1 + 4 + 4)},
    {"nn.scatter_rows %x, %i : tensor<?x4xf32>, tensor<?xi32> -> tensor<9x4xf32>",
     kRow4 + ", %i: tensor<?xi32>", 9 * 4, 0, 4 * (12 + 3 + 36)},
    {"nn.cross_entropy %x, %i : tensor<?x4xf32>, tensor<?xi32> -> tensor<?x1xf32>",
     kRow4 + ", %i: tensor<?xi32>", 4 * 12, 0, 4 * (12 + 3 + 3)},
    {"nn.kl_divergence %x, %y : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x1xf32>",
     kRow4 + ", %y: tensor<?x4xf32>", 12 * 12, 0, 4 * (12 + 12 + 3)},
    {"nn.dropout %x rows %i draw %d rate 0.1 stream 0 : tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>",
     kRow4 + ", %i: tensor<?xi32>, %d: tensor<3xi32>", 80 * 12, 0, 4 * (12 + 3 + 3 + 12)},
    // Five products of each of the six pairs in four heads: three of 3 elements, two of 4.
    {"nn.attention_gradient %q, %k, %v, %d heads 4 kv_heads 2 scale 0.7 causal : tensor<?x12xf32>, "
     "tensor<?x6xf32>, tensor<?x8xf32>, tensor<?x16xf32>",
     kHeads + ", %d: tensor<?x16xf32>", 6 * 4 * 2 * (3 * 3 + 2 * 4), 0, 4 * 3 * (2 * (12 + 6 + 8) + 16)},
    {"nn.convert %x : tensor<?x32xf32> -> tensor<?x32x!nn.block<q8_0>>", "%x: tensor<?x32xf32>", 2 * 96, 0,
     4 * 96 + 3 * 34},
    // At compile time.
    {"nn.convert %w : tensor<4x4xf32> -> tensor<4x4xbf16>", "%w: tensor<4x4xf32> {nn.parameter}", 0, 0, 0},
    // What is normalized stays in the kernel.
    {"nn.fusion(%a = %x, %b = %n, %c = %w) : (tensor<?x4xf32>, tensor<4xf32>, tensor<6x4xf32>) -> "
     "tensor<?x6xf32> {\n"
     "  %0 = nn.rms_norm %a, %b epsilon 0.1 : tensor<?x4xf32>, tensor<4xf32>\n"
     "  %1 = nn.linear %0, %c : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>\n"
     "  nn.yield %1 : tensor<?x6xf32>\n}",
     kRow4 + ", %n: tensor<4xf32> {nn.parameter}, %w: tensor<6x4xf32> {nn.parameter}", 4 * 12 + 2 * 3 * 4 * 6,
     4 * (4 + 24), 4 * (12 + 18)},
    // All that the cache holds is read.
    {"nn.fusion(%a = %q, %b = %c, %d = %p) : (tensor<?x8xf32>, !nn.kv_cache<1x4xf32>, tensor<?xi32>) -> "
     "tensor<?x8xf32> {\n"
     "  %0 = nn.cached_attention %a, %b at %d heads 2 kv_heads 1 scale 0.5 : tensor<?x8xf32>, "
     "!nn.kv_cache<1x4xf32>, tensor<?xi32> -> tensor<?x8xf32>\n"
     "  nn.yield %0 : tensor<?x8xf32>\n}",
     kCache, 3 * kContext * 2 * (2 * 4 + 2 * 4), 0, 4 * (24 + 3 + 24 + kContext * 8)},
};

const std::map<std::string, FusionRole> kRoles = {
    {"nn.load", FusionRole::Parameter},
    {"nn.embedding", FusionRole::Gather},
    {"nn.linear", FusionRole::Contraction},
    {"nn.rms_norm", FusionRole::RowWise},
    {"nn.layer_norm", FusionRole::RowWise},
    {"nn.silu", FusionRole::Elementwise},
    {"nn.gelu", FusionRole::Elementwise},
    {"nn.relu", FusionRole::Elementwise},
    {"nn.scale", FusionRole::Elementwise},
    {"nn.softcap", FusionRole::Elementwise},
    {"nn.rope", FusionRole::Elementwise},
    {"nn.rope_table", FusionRole::RowWise},
    {"nn.rotate", FusionRole::Elementwise},
    {"nn.attention", FusionRole::Attention},
    {"nn.empty_cache", FusionRole::Store},
    {"nn.cached_attention", FusionRole::Attention},
    {"nn.cache_append", FusionRole::Store},
    {"nn.relative_position_bias", FusionRole::Gather},
    {"nn.experts", FusionRole::Attention},
    {"nn.split", FusionRole::Layout},
    {"nn.concat", FusionRole::Layout},
    {"nn.select_rows", FusionRole::Gather},
    {"nn.scatter_rows", FusionRole::Gather},
    {"nn.cross_entropy", FusionRole::RowWise},
    {"nn.kl_divergence", FusionRole::RowWise},
    {"nn.dropout", FusionRole::Elementwise},
    {"nn.attention_gradient", FusionRole::Attention},
    {"nn.convert", FusionRole::RowWise}, // of a parameter: Parameter
};

// Structure, and what happens at compile time: no step executes them.
const std::set<std::string> kFree = {"nn.param", "nn.load", "nn.yield", "nn.align_heads", "nn.pack"};
// A fusion is not fused.
const std::set<std::string> kUnfused = {"nn.param", "nn.yield", "nn.align_heads", "nn.pack", "nn.fusion"};

std::string nameOf(const Case &test) {
  return StringRef(test.operation).take_until([](char c) { return c == ' ' || c == '('; }).str();
}

class OperationCost : public testing::Test {
protected:
  OperationCost() { context.loadDialect<NNDialect, func::FuncDialect>(); }

  /// The operation of `test`, in `module`.
  Operation *parse(const Case &test) {
    const std::string result = "%result";
    std::string text = "nn.param @w : tensor<4xf32>\nfunc.func @f(" + test.arguments + ") {\n  " + result +
                       (nameOf(test) == "nn.split"                ? ":2"
                        : nameOf(test) == "nn.attention_gradient" ? ":3"
                                                                  : "") +
                       " = " + test.operation + "\n  return\n}\n";
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module ? &cast<func::FuncOp>(module->lookupSymbol("f")).getBody().front().front() : nullptr;
  }

  std::set<std::string> operations() {
    std::set<std::string> names;
    for (RegisteredOperationName name : context.getRegisteredOperations())
      if (name.getDialectNamespace() == NNDialect::getDialectNamespace())
        names.insert(name.getStringRef().str());
    EXPECT_GT(names.size(), 20u);
    return names;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(OperationCost, EveryOperationHasACostAndARoleHere) {
  std::set<std::string> priced;
  for (const Case &test : kCosts)
    priced.insert(nameOf(test));
  for (const std::string &name : operations()) {
    SCOPED_TRACE(name);
    auto registered = RegisteredOperationName::lookup(name, &context);
    EXPECT_EQ(registered->hasInterface<CostOpInterface>(), !kFree.count(name));
    EXPECT_EQ(priced.count(name), kFree.count(name) ? 0u : 1u) << "no case, or a case of a free operation";
    EXPECT_EQ(registered->hasInterface<FusionOpInterface>(), !kUnfused.count(name));
    EXPECT_EQ(kRoles.count(name), kUnfused.count(name) ? 0u : 1u) << "no role, or one that is not asked for";
  }
}

TEST_F(OperationCost, IsWhatIsComputedByHand) {
  for (const Case &test : kCosts) {
    SCOPED_TRACE(test.operation);
    Operation *op = parse(test);
    ASSERT_TRUE(op);
    const OpCost cost = cast<CostOpInterface>(op).getCost(test.rows, kContext);
    EXPECT_EQ(cost.flops, test.flops);
    EXPECT_EQ(cost.parameterBytes, test.parameterBytes);
    EXPECT_EQ(cost.activationBytes, test.activationBytes);
  }
}

TEST_F(OperationCost, RolesAreThoseOfKernels) {
  std::vector<Case> cases(std::begin(kCosts), std::end(kCosts));
  cases.push_back({"nn.load @w : tensor<4xf32>", "", 0, 0, 0});
  for (const Case &test : cases) {
    SCOPED_TRACE(test.operation);
    Operation *op = parse(test);
    ASSERT_TRUE(op);
    auto fusible = dyn_cast<FusionOpInterface>(op);
    if (!fusible)
      continue;
    const bool ofParameter = isa<ConvertOp>(op) && isParameter(op->getOperand(0));
    EXPECT_EQ(fusible.getFusionRole(), ofParameter ? FusionRole::Parameter : kRoles.at(nameOf(test)));
  }
}

} // namespace
