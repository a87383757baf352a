// What surrounds products: activations, residuals, splits, norms, gathers.

#include "absl/strings/str_cat.h"
#include "test/unit/codegen/CompiledProgram.h"

using namespace llmc;
using namespace llmc::test;

namespace {

constexpr int64_t kVocabulary = 37;

void check(const std::string &text, double tolerance, const ProgramOptions &options = {}) {
  if (auto program = CompiledProgram::compile(text, options))
    checkRows(*program, kVocabulary, tolerance);
}

std::string alphanumeric(const std::string &text) {
  std::string letters;
  for (char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      letters += c;
  return letters;
}

//===----------------------------------------------------------------------===//
// Element-wise epilogues
//===----------------------------------------------------------------------===//

class EpilogueTest : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(EpilogueTest, AgreesWithTheReference) {
  auto [cpu, operation] = GetParam();
  check(filled(R"(
nn.param @table : tensor<37x20xf32>
nn.param @weight : tensor<33x20xf32>
nn.param @residual_table : tensor<37x33xf32>
func.func @forward$ARGUMENTS -> tensor<?x33xf32> {
  %table = nn.load @table : tensor<37x20xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x20xf32> -> tensor<?x20xf32>
  %residuals = nn.load @residual_table : tensor<37x33xf32>
  %r = nn.embedding %positions, %residuals : tensor<?xi32>, tensor<37x33xf32> -> tensor<?x33xf32>
  %w = nn.load @weight : tensor<33x20xf32>
  %0 = nn.linear %x, %w : tensor<?x20xf32>, tensor<33x20xf32> -> tensor<?x33xf32>
  %big = nn.scale %0 by 5.0 : tensor<?x33xf32>
  %y = $OPERATION : tensor<?x33xf32>
  return %y : tensor<?x33xf32>
})",
               {{"$OPERATION", operation}}),
        5e-6, {.cpu = cpu});
}

INSTANTIATE_TEST_SUITE_P(, EpilogueTest,
                         testing::Combine(testing::Values("native", "x86-64-v3", "x86-64"),
                                          testing::Values("nn.silu %big", "nn.gelu exact %big",
                                                          "nn.gelu tanh %big", "nn.gelu sigmoid %big",
                                                          "nn.relu %big", "nn.scale %big by -0.25",
                                                          "nn.softcap %big to 3.0", "arith.mulf %big, %big",
                                                          "arith.subf %0, %big")),
                         [](const auto &info) {
                           return alphanumeric(
                               absl::StrCat(std::get<0>(info.param), std::get<1>(info.param)));
                         });

/// Element-wise operations of upstream behind a product, of its result %0, the positive %p, the numbers %u in
/// -1 .. 1 and the exact %r. The width is no whole number of vectors, and the norm would show what is left
/// behind it.
class UpstreamTest : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(UpstreamTest, AgreesWithTheReference) {
  auto [cpu, operation] = GetParam();
  check(filled(R"(
nn.param @table : tensor<37x20xf32>
nn.param @weight : tensor<33x20xf32>
nn.param @residual_table : tensor<37x33xf32>
nn.param @norm : tensor<33xf32>
func.func @forward$ARGUMENTS -> tensor<?x33xf32> {
  %table = nn.load @table : tensor<37x20xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x20xf32> -> tensor<?x20xf32>
  %residuals = nn.load @residual_table : tensor<37x33xf32>
  %r = nn.embedding %tokens, %residuals : tensor<?xi32>, tensor<37x33xf32> -> tensor<?x33xf32>
  %w = nn.load @weight : tensor<33x20xf32>
  %0 = nn.linear %x, %w : tensor<?x20xf32>, tensor<33x20xf32> -> tensor<?x33xf32>
  %p = math.exp %0 : tensor<?x33xf32>
  %u = math.tanh %0 : tensor<?x33xf32>
  %y = $OPERATION : tensor<?x33xf32>
  %n = nn.load @norm : tensor<33xf32>
  %1 = nn.rms_norm %y, %n epsilon 1.0e-5 : tensor<?x33xf32>, tensor<33xf32>
  return %1 : tensor<?x33xf32>
})",
               {{"$OPERATION", operation}}),
        1e-5, {.cpu = cpu});
}

INSTANTIATE_TEST_SUITE_P(
    , UpstreamTest,
    testing::Combine(testing::Values("native", "x86-64"),
                     testing::Values("arith.addf %0, %r", "arith.divf %0, %p", "arith.maximumf %0, %r",
                                     "arith.maxnumf %0, %r", "arith.minimumf %0, %r", "arith.minnumf %0, %r",
                                     "arith.negf %0", "math.absf %0", "math.acos %u", "math.asin %u",
                                     "math.atan %0", "math.atan2 %0, %p", "math.cbrt %p",
                                     "math.copysign %0, %r", "math.erf %0", "math.erfc %0", "math.exp %0",
                                     "math.expm1 %0", "math.floor %r", "math.fma %0, %r, %p", "math.log %p",
                                     "math.log1p %p", "math.log2 %p", "math.rsqrt %p", "math.sqrt %p",
                                     "math.tanh %0")),
    [](const auto &info) {
      return alphanumeric(absl::StrCat(std::get<0>(info.param), std::get<1>(info.param)));
    });

TEST(PrologueTest, IsAnyTreeOfOperations) {
  check(filled(R"(
nn.param @table : tensor<37x33xf32>
nn.param @other_table : tensor<37x33xf32>
nn.param @norm : tensor<33xf32>
nn.param @weight : tensor<17x33xf32>
func.func @forward$ARGUMENTS -> tensor<?x17xf32> {
  %table = nn.load @table : tensor<37x33xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x33xf32> -> tensor<?x33xf32>
  %others = nn.load @other_table : tensor<37x33xf32>
  %r = nn.embedding %tokens, %others : tensor<?xi32>, tensor<37x33xf32> -> tensor<?x33xf32>
  %norm = nn.load @norm : tensor<33xf32>
  %w = nn.load @weight : tensor<17x33xf32>
  %y = nn.fusion(%a = %x, %b = %r, %n = %norm, %c = %w)
      : (tensor<?x33xf32>, tensor<?x33xf32>, tensor<33xf32>, tensor<17x33xf32>) -> tensor<?x17xf32> {
    %0 = math.exp %b : tensor<?x33xf32>
    %1 = arith.divf %a, %0 : tensor<?x33xf32>
    %2 = nn.rms_norm %1, %n epsilon 1.0e-5 : tensor<?x33xf32>, tensor<33xf32>
    %3 = arith.addf %a, %2 : tensor<?x33xf32>
    %4 = nn.linear %3, %c : tensor<?x33xf32>, tensor<17x33xf32> -> tensor<?x17xf32>
    nn.yield %4 : tensor<?x17xf32>
  }
  return %y : tensor<?x17xf32>
})"),
        1e-5);
}

// Each is read twice by the next, so that a walk along all paths would not end.
TEST(PrologueTest, ChainsAreWalkedOnce) {
  std::string chain;
  for (int i = 0; i < 48; ++i)
    absl::StrAppend(&chain, "  %x", i + 1, " = arith.addf %x", i, ", %x", i, " : tensor<?x33xf32>\n");
  check(filled(R"(
nn.param @table : tensor<37x33xf32>
nn.param @weight : tensor<33x33xf32>
func.func @forward$ARGUMENTS -> tensor<?x33xf32> {
  %table = nn.load @table : tensor<37x33xf32>
  %w = nn.load @weight : tensor<33x33xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x33xf32> -> tensor<?x33xf32>
  %x0 = nn.linear %x, %w : tensor<?x33xf32>, tensor<33x33xf32> -> tensor<?x33xf32>
$CHAIN  return %x48 : tensor<?x33xf32>
})",
               {{"$CHAIN", chain}}),
        1e-5);
}

TEST(ResidualTest, ResidualsAreAdded) {
  // Rows of the residual do not depend on positions here: the same token gives the same row.
  check(filled(R"(
nn.param @table : tensor<37x33xf32>
nn.param @weight : tensor<33x33xf32>
nn.param @up : tensor<50x33xf32>
nn.param @down : tensor<33x50xf32>
func.func @forward$ARGUMENTS -> tensor<?x33xf32> {
  %table = nn.load @table : tensor<37x33xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x33xf32> -> tensor<?x33xf32>
  %w = nn.load @weight : tensor<33x33xf32>
  %0 = nn.linear %x, %w : tensor<?x33xf32>, tensor<33x33xf32> -> tensor<?x33xf32>
  %1 = arith.addf %0, %x : tensor<?x33xf32>
  %wu = nn.load @up : tensor<50x33xf32>
  %wd = nn.load @down : tensor<33x50xf32>
  %2 = nn.linear %1, %wu : tensor<?x33xf32>, tensor<50x33xf32> -> tensor<?x50xf32>
  %3 = nn.gelu exact %2 : tensor<?x50xf32>
  %4 = nn.linear %3, %wd : tensor<?x50xf32>, tensor<33x50xf32> -> tensor<?x33xf32>
  %5 = arith.addf %1, %4 : tensor<?x33xf32>
  return %5 : tensor<?x33xf32>
})"),
        5e-6);
}

class GateTest : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(GateTest, GateAndUpAreOneProduct) {
  auto [cpu, element] = GetParam();
  const bool isFloat = element[0] != '!';
  // Activations of the second product are rounded to 8 bits: a difference in the last bit can move a code.
  check(filled(R"(
nn.param @table : tensor<37x$Kxf32>
nn.param @norm : tensor<$Kxf32>
nn.param @gate : tensor<$Nx$Kx$E>
nn.param @up : tensor<$Nx$Kx$E>
nn.param @down : tensor<$Kx$Nx$E>
func.func @forward$ARGUMENTS -> tensor<?x$Kxf32> {
  %table = nn.load @table : tensor<37x$Kxf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Kxf32> -> tensor<?x$Kxf32>
  %norm = nn.load @norm : tensor<$Kxf32>
  %n = nn.rms_norm %x, %norm epsilon 1.0e-5 : tensor<?x$Kxf32>, tensor<$Kxf32>
  %wg = nn.load @gate : tensor<$Nx$Kx$E>
  %wu = nn.load @up : tensor<$Nx$Kx$E>
  %wd = nn.load @down : tensor<$Kx$Nx$E>
  %g = nn.linear %n, %wg : tensor<?x$Kxf32>, tensor<$Nx$Kx$E> -> tensor<?x$Nxf32>
  %u = nn.linear %n, %wu : tensor<?x$Kxf32>, tensor<$Nx$Kx$E> -> tensor<?x$Nxf32>
  %s = nn.silu %g : tensor<?x$Nxf32>
  %h = arith.mulf %s, %u : tensor<?x$Nxf32>
  %d = nn.linear %h, %wd : tensor<?x$Nxf32>, tensor<$Kx$Nx$E> -> tensor<?x$Kxf32>
  %y = arith.addf %x, %d : tensor<?x$Kxf32>
  return %y : tensor<?x$Kxf32>
})",
               {{"$K", isFloat ? "20" : "96"}, {"$N", isFloat ? "50" : "160"}, {"$E", element}}),
        isFloat && element[0] == 'f' ? 5e-6 : 1e-2, {.cpu = cpu});
}

INSTANTIATE_TEST_SUITE_P(
    , GateTest,
    testing::Combine(testing::Values("native", "x86-64-v3", "x86-64"),
                     testing::Values("f32", "f16", "bf16", "!nn.block<q4_1>", "!nn.block<q8_0>")),
    [](const auto &info) {
      return alphanumeric(absl::StrCat(std::get<0>(info.param), std::get<1>(info.param)));
    });

TEST(SplitTest, PartsOfAnyWidth) {
  for (const char *cpu : {"native", "x86-64-v3"})
    check(filled(R"(
nn.param @table : tensor<37x20xf32>
nn.param @weight : tensor<39x20xf32>
nn.param @bias : tensor<39xf32>
func.func @forward$ARGUMENTS -> tensor<?x17xf32> {
  %table = nn.load @table : tensor<37x20xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x20xf32> -> tensor<?x20xf32>
  %w = nn.load @weight : tensor<39x20xf32>
  %b = nn.load @bias : tensor<39xf32>
  %0 = nn.linear %x, %w bias %b : tensor<?x20xf32>, tensor<39x20xf32>, tensor<39xf32> -> tensor<?x39xf32>
  %p, %q, %r = nn.split %0 : tensor<?x39xf32> -> tensor<?x17xf32>, tensor<?x5xf32>, tensor<?x17xf32>
  %s = nn.gelu tanh %r : tensor<?x17xf32>
  %y = arith.subf %p, %s : tensor<?x17xf32>
  return %y : tensor<?x17xf32>
})"),
          5e-6, {.cpu = cpu});
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

class NormTest : public testing::TestWithParam<std::tuple<const char *, int>> {};

TEST_P(NormTest, AsResultAndBeforeProducts) {
  auto [cpu, width] = GetParam();
  const std::string text = R"(
nn.param @table : tensor<37x$Wxf32>
nn.param @norm : tensor<$Wxf32>
nn.param @offset : tensor<$Wxf32>
nn.param @weight : tensor<$Wx$Wxf32>
func.func @forward$ARGUMENTS -> tensor<?x$Wxf32> {
  %table = nn.load @table : tensor<37x$Wxf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Wxf32> -> tensor<?x$Wxf32>
  %norm = nn.load @norm : tensor<$Wxf32>
  %offset = nn.load @offset : tensor<$Wxf32>
  %w = nn.load @weight : tensor<$Wx$Wxf32>
  %0 = $NORM
  %1 = nn.linear %0, %w : tensor<?x$Wxf32>, tensor<$Wx$Wxf32> -> tensor<?x$Wxf32>
  %2 = arith.addf %1, %0 : tensor<?x$Wxf32>
  %y = $SECOND
  return %y : tensor<?x$Wxf32>
})";
  const std::string type = " : tensor<?x$Wxf32>, tensor<$Wxf32>";
  auto check = [&](std::string first, std::string second) {
    SCOPED_TRACE(first);
    const std::string w = absl::StrCat(width);
    first = filled(first, {{"$W", w}});
    second = filled(second, {{"$W", w}});
    ::check(filled(text, {{"$NORM", first}, {"$SECOND", second}, {"$W", w}}), 1e-5, {.cpu = cpu});
  };
  check("nn.rms_norm %x, %norm epsilon 1.0e-5" + type, "nn.rms_norm %2, %norm epsilon 0.1" + type);
  check("nn.layer_norm %x, %norm bias %offset epsilon 1.0e-12" + type + ", tensor<$Wxf32>",
        "nn.layer_norm %2, %norm epsilon 1.0e-5" + type);
}

INSTANTIATE_TEST_SUITE_P(, NormTest,
                         testing::Combine(testing::Values("native", "x86-64-v3", "x86-64"),
                                          testing::Values(17, 20, 64, 100)),
                         [](const auto &info) {
                           return alphanumeric(
                               absl::StrCat(std::get<0>(info.param), "x", std::get<1>(info.param)));
                         });

//===----------------------------------------------------------------------===//
// Gathers
//===----------------------------------------------------------------------===//

class EmbeddingTest : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(EmbeddingTest, RowsAreExact) {
  auto [cpu, element] = GetParam();
  const std::string name = element;
  const int64_t width = name[0] != '!'                                                                  ? 33
                        : name.find("_k") != std::string::npos || name.find("_xs") != std::string::npos ? 512
                                                                                                        : 96;
  check(filled(R"(
nn.param @table : tensor<37x$Wx$E>
func.func @forward$ARGUMENTS -> tensor<?x$Wxf32> {
  %table = nn.load @table : tensor<37x$Wx$E>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Wx$E> -> tensor<?x$Wxf32>
  return %x : tensor<?x$Wxf32>
})",
               {{"$W", absl::StrCat(width)}, {"$E", name}}),
        0, {.cpu = cpu});
}

INSTANTIATE_TEST_SUITE_P(
    , EmbeddingTest,
    testing::Combine(testing::Values("native", "x86-64-v3", "x86-64"),
                     testing::Values("f32", "f16", "bf16", "!nn.block<q8_0>", "!nn.block<q4_0>",
                                     "!nn.block<q4_1>", "!nn.block<q5_0>", "!nn.block<q5_1>",
                                     "!nn.block<q2_k>", "!nn.block<q3_k>", "!nn.block<q4_k>",
                                     "!nn.block<q5_k>", "!nn.block<q6_k>", "!nn.block<iq4_nl>",
                                     "!nn.block<iq4_xs>", "!nn.block<mxfp4>")),
    [](const auto &info) {
      return alphanumeric(absl::StrCat(std::get<0>(info.param), std::get<1>(info.param)));
    });

class TiedTableTest : public testing::TestWithParam<const char *> {};

/// A table that is embedding and head, with chosen rows.
TEST_P(TiedTableTest, IsReadBothWays) {
  const std::string element = GetParam();
  auto program = CompiledProgram::compile(filled(R"(
nn.param @table : tensor<37x$Wx$E>
nn.param @norm : tensor<$Wxf32>
func.func @forward$ARGUMENTS -> tensor<?x37xf32> {
  %table = nn.load @table : tensor<37x$Wx$E>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Wx$E> -> tensor<?x$Wxf32>
  %norm = nn.load @norm : tensor<$Wxf32>
  %0 = nn.rms_norm %x, %norm epsilon 1.0e-5 : tensor<?x$Wxf32>, tensor<$Wxf32>
  %1 = nn.select_rows %0, %ids : tensor<?x$Wxf32>, tensor<?xi32> -> tensor<?x$Wxf32>
  %y = nn.linear %1, %table : tensor<?x$Wxf32>, tensor<37x$Wx$E> -> tensor<?x37xf32>
  return %y : tensor<?x37xf32>
})",
                                                 {{"$W", element[0] == '!' ? "64" : "33"}, {"$E", element}}));
  ASSERT_TRUE(program);
  checkRows(*program, kVocabulary, element[0] == 'f' ? 5e-6 : 1e-2);
  const std::vector<int32_t> tokens = someTokens(20, kVocabulary);
  const std::vector<float> all = program->runStep("prefill", tokens, 1),
                           some = program->feed(tokens, {20}, 2, {19, 0, 7});
  std::vector<float> expected;
  for (int64_t row : {19, 0, 7})
    expected.insert(expected.end(), all.begin() + row * 37, all.begin() + (row + 1) * 37);
  expectSameBits(some, expected, "chosen rows");
}

INSTANTIATE_TEST_SUITE_P(, TiedTableTest, testing::Values("f32", "f16", "bf16", "!nn.block<q8_0>"),
                         [](const auto &info) { return alphanumeric(info.param); });

} // namespace
