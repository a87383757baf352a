// Products: every storage format of weights, awkward sizes, and everything that is fused with them.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "test/unit/codegen/CompiledProgram.h"

using namespace llmc;
using namespace llmc::test;

namespace {

constexpr int64_t kVocabulary = 37;

/// y = x W^T (+ bias)
std::string product(const std::string &element, int64_t k, int64_t n, bool bias) {
  return filled(R"(
nn.param @table : tensor<37x$Kxf32>
nn.param @weight : tensor<$Nx$Kx$E>
nn.param @bias : tensor<$Nxf32>
func.func @forward$ARGUMENTS -> tensor<?x$Nxf32> {
  %table = nn.load @table : tensor<37x$Kxf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Kxf32> -> tensor<?x$Kxf32>
  %w = nn.load @weight : tensor<$Nx$Kx$E>
  %b = nn.load @bias : tensor<$Nxf32>
  %y = nn.linear %x, %w $BIAS : tensor<?x$Kxf32>, tensor<$Nx$Kx$E> $BTYPE -> tensor<?x$Nxf32>
  return %y : tensor<?x$Nxf32>
})",
                {{"$K", absl::StrCat(k)},
                 {"$N", absl::StrCat(n)},
                 {"$E", element},
                 {"$BIAS", bias ? "bias %b" : ""},
                 {"$BTYPE", bias ? absl::StrCat(", tensor<", n, "xf32>") : ""}});
}

/// Whether blocks of `element` have 256 elements.
bool hasLongBlocks(const std::string &element) {
  return element.find("_k") != std::string::npos || element.find("_xs") != std::string::npos;
}

struct ProductCase {
  const char *cpu;
  const char *element;
};

void PrintTo(const ProductCase &c, std::ostream *out) { *out << c.cpu << ' ' << c.element; }

class ProductTest : public testing::TestWithParam<ProductCase> {};

TEST_P(ProductTest, AgreesWithTheReference) {
  const std::string element = GetParam().element;
  const bool isNative = std::string(GetParam().cpu) == "native", isK = hasLongBlocks(element);
  std::vector<std::array<int64_t, 2>> sizes = {{32, 1}, {96, 17}, {256, 33}, {96, 100}, {32, 16}, {256, 5}};
  if (isK)
    sizes = {{256, 1}, {512, 33}, {256, 100}, {256, 5}};
  else if (element[0] != '!')
    sizes = {{32, 1}, {95, 17}, {33, 33}, {1, 100}, {16, 16}, {256, 5}};
  if (!isNative)
    sizes.resize(2);
  for (auto [i, size] : llvm::enumerate(sizes)) {
    auto [k, n] = size;
    const std::string text = product(element, k, n, /*bias=*/n % 2 == 1);
    for (int64_t bits : {16, 8}) {
      if (bits == 8 && (element[0] != '!' || i >= 1))
        continue;
      SCOPED_TRACE(absl::StrCat("K ", k, " N ", n, " activations of ", bits, " bits"));
      if (auto program = CompiledProgram::compile(text, {.cpu = GetParam().cpu, .activationBits = bits}))
        checkRows(*program, kVocabulary, 2e-6);
    }
  }
}

/// The largest codes and activations of one magnitude: sums of products that fill 16 bits.
TEST(LargestCodes, AreSummedExactly) {
  for (const char *element :
       {"!nn.block<q4_0>", "!nn.block<q4_1>", "!nn.block<q5_1>", "!nn.block<q6_k>", "!nn.block<q8_0>"})
    for (int64_t bits : {16, 8}) {
      SCOPED_TRACE(absl::StrCat(element, ", activations of ", bits, " bits"));
      std::string text = product(element, hasLongBlocks(element) ? 256 : 96, 17, /*bias=*/false);
      for (const char *name : {"@table", "@weight"})
        text = absl::StrReplaceAll(text, {{name, absl::StrCat("@largest_", name + 1)}});
      if (auto program = CompiledProgram::compile(text, {.cpu = "x86-64-v3", .activationBits = bits}))
        checkRows(*program, kVocabulary, 2e-6);
    }
}

/// Many rows: several tiles of the matrix unit, more than a block of them, and rows that fill none. Steps of
/// one row do not go there.
class MatrixUnit : public testing::TestWithParam<const char *> {};

TEST_P(MatrixUnit, AgreesWithTheOtherKernels) {
  const bool isBf16 = std::string(GetParam()) == "bf16";
  const codegen::Target target = *codegen::getTarget("native");
  if (isBf16 ? !target.hasBf16Tiles : !target.hasByteTiles)
    GTEST_SKIP() << "this processor has no matrix unit, or the system does not let programs use it";
  constexpr int64_t most = 300;
  // 2304 inputs are more than are unpacked at a time. The last numbers end within a run, a chunk and a tile.
  std::vector<int64_t> inputs = {256, 2304};
  if (isBf16)
    inputs.push_back(1043);
  else if (!hasLongBlocks(GetParam()))
    inputs.push_back(736);
  for (int64_t k : inputs) {
    SCOPED_TRACE(absl::StrCat("K ", k));
    auto program =
        CompiledProgram::compile(product(GetParam(), k, 33, /*bias=*/true), {.sizes = {most, most}});
    ASSERT_TRUE(program);
    const std::vector<int32_t> tokens = someTokens(most, kVocabulary);
    const std::vector<float> all = program->runStep("prefill", tokens, 2);
    // The numbers of MXFP4 fill fewer bits of an integer of 3 bytes than others, whose lowest bits are
    // dropped.
    const double tolerance = std::string(GetParam()).find("mxfp4") != std::string::npos ? 6e-6 : 2e-6;
    expectNear(all, program->reference(tokens), tolerance, "against the reference");
    for (int64_t row = 0; row < most; row += 13) {
      const auto begin = all.begin() + row * program->width();
      expectSameBits(program->runStep("decode", {tokens[row]}, 1), {begin, begin + program->width()},
                     absl::StrCat("a step of row ", row));
    }
    for (int64_t rows : {15, 16, 17, 33, 256, 272}) {
      const std::vector<int32_t> some(tokens.end() - rows, tokens.end());
      const std::vector<float> expected(all.end() - rows * program->width(), all.end());
      expectSameBits(program->runStep("prefill", some, 1), expected, absl::StrCat(rows, " rows"));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, MatrixUnit,
                         testing::Values("bf16", "!nn.block<q4_0>", "!nn.block<q4_1>", "!nn.block<q8_0>",
                                         "!nn.block<q2_k>", "!nn.block<q3_k>", "!nn.block<q4_k>",
                                         "!nn.block<q5_k>", "!nn.block<q6_k>", "!nn.block<iq4_nl>",
                                         "!nn.block<iq4_xs>", "!nn.block<mxfp4>"),
                         [](const auto &info) {
                           const std::string element = info.param;
                           return element[0] == '!' ? element.substr(10, element.size() - 11) : element;
                         });

std::vector<ProductCase> productCases() {
  std::vector<ProductCase> cases;
  for (const char *cpu : {"native", "x86-64-v3", "x86-64"})
    for (const char *element :
         {"f32", "f16", "bf16", "!nn.block<q8_0>", "!nn.block<q4_0>", "!nn.block<q4_1>", "!nn.block<q5_0>",
          "!nn.block<q5_1>", "!nn.block<q2_k>", "!nn.block<q3_k>", "!nn.block<q4_k>", "!nn.block<q5_k>",
          "!nn.block<q6_k>", "!nn.block<iq4_nl>", "!nn.block<iq4_xs>", "!nn.block<mxfp4>"})
      cases.push_back({cpu, element});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(, ProductTest, testing::ValuesIn(productCases()), [](const auto &info) {
  std::string name = absl::StrCat(info.param.cpu, "_", info.param.element);
  std::string letters;
  for (char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_')
      letters += c == '_' ? std::string() : std::string(1, c);
  return letters;
});

} // namespace
