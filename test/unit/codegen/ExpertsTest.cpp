// Experts: every kind of weight, sizes that no vector divides, and how they are chosen.

#include "absl/strings/str_cat.h"
#include "test/unit/codegen/CompiledProgram.h"

using namespace llmc;
using namespace llmc::test;

namespace {

constexpr int64_t kVocabulary = 37;

struct ExpertsCase {
  std::string element;
  int64_t experts, width, inner;
  std::string options; ///< of nn.experts
  std::string cpu = "native";
};

void PrintTo(const ExpertsCase &c, std::ostream *out) {
  *out << c.element << ' ' << c.experts << ' ' << c.width << ' ' << c.inner << ' ' << c.options << ' '
       << c.cpu;
}

std::string program(const ExpertsCase &c) {
  return filled(R"(
nn.param @table : tensor<37x$Wxf32>
nn.param @router : tensor<$Ex$Wxf32>
nn.param @gate : tensor<$Gx$Wx$T>
nn.param @up : tensor<$Gx$Wx$T>
nn.param @down : tensor<$Dx$Ix$T>
func.func @forward$ARGUMENTS -> tensor<?x$Wxf32> {
  %table = nn.load @table : tensor<37x$Wxf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Wxf32> -> tensor<?x$Wxf32>
  %r = nn.load @router : tensor<$Ex$Wxf32>
  %logits = nn.linear %x, %r : tensor<?x$Wxf32>, tensor<$Ex$Wxf32> -> tensor<?x$Exf32>
  %g = nn.load @gate : tensor<$Gx$Wx$T>
  %u = nn.load @up : tensor<$Gx$Wx$T>
  %d = nn.load @down : tensor<$Dx$Ix$T>
  %y = nn.experts %x, %logits, %g, %u, %d $OPTIONS : tensor<?x$Wxf32>, tensor<?x$Exf32>, tensor<$Gx$Wx$T>, tensor<$Gx$Wx$T>, tensor<$Dx$Ix$T> -> tensor<?x$Wxf32>
  %z = arith.addf %x, %y : tensor<?x$Wxf32>
  return %z : tensor<?x$Wxf32>
})",
                {{"$W", absl::StrCat(c.width)},
                 {"$E", absl::StrCat(c.experts)},
                 {"$G", absl::StrCat(c.experts * c.inner)},
                 {"$D", absl::StrCat(c.experts * c.width)},
                 {"$I", absl::StrCat(c.inner)},
                 {"$T", c.element},
                 {"$OPTIONS", c.options}});
}

class ExpertsTest : public testing::TestWithParam<ExpertsCase> {};

TEST_P(ExpertsTest, AgreesWithTheReference) {
  for (int64_t bits : {16, 8}) {
    if (bits == 8 && GetParam().element[0] != '!')
      continue;
    SCOPED_TRACE(bits);
    auto compiled =
        CompiledProgram::compile(program(GetParam()), {.cpu = GetParam().cpu, .activationBits = bits});
    ASSERT_TRUE(compiled);
    // Where what is multiplied is rounded, the last bits of sums may round otherwise.
    const double tolerance = GetParam().element == "f32" ? 5e-6 : bits == 16 ? 2e-4 : 2e-2;
    checkRows(*compiled, kVocabulary, tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ExpertsTest,
    testing::Values(ExpertsCase{"f32", 5, 19, 23, "top_k 2 silu renormalize"},
                    ExpertsCase{"f32", 5, 19, 23, "top_k 2 silu renormalize", "x86-64-v3"},
                    ExpertsCase{"f32", 5, 19, 23, "top_k 2 silu renormalize", "x86-64"},
                    ExpertsCase{"f32", 17, 32, 16, "top_k 3 gelu"},
                    ExpertsCase{"f32", 3, 8, 40, "top_k 3 silu"},
                    ExpertsCase{"f32", 1, 20, 33, "top_k 1 silu sigmoid"},
                    ExpertsCase{"f32", 4, 20, 33, "top_k 2 silu sigmoid renormalize"},
                    ExpertsCase{"bf16", 5, 34, 18, "top_k 2 silu renormalize"},
                    ExpertsCase{"bf16", 16, 64, 32, "top_k 4 silu"},
                    ExpertsCase{"!nn.block<q8_0>", 3, 96, 32, "top_k 2 silu"},
                    ExpertsCase{"!nn.block<q4_0>", 8, 160, 96, "top_k 2 silu renormalize"},
                    ExpertsCase{"!nn.block<q4_0>", 8, 160, 96, "top_k 2 silu renormalize", "x86-64-v3"},
                    ExpertsCase{"!nn.block<q4_1>", 3, 32, 32, "top_k 1 silu"},
                    ExpertsCase{"!nn.block<q4_k>", 4, 256, 256, "top_k 2 silu renormalize"},
                    ExpertsCase{"!nn.block<q6_k>", 4, 256, 256, "top_k 2 silu"},
                    ExpertsCase{"!nn.block<mxfp4>", 4, 64, 96, "top_k 2 silu"}));

} // namespace
