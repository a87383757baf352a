// Attention to caches, with what is fused around it.

#include "absl/strings/str_cat.h"
#include "test/unit/codegen/CompiledProgram.h"

using namespace llmc;
using namespace llmc::test;

namespace {

constexpr int64_t kVocabulary = 37;

struct AttentionCase {
  const char *name;
  int64_t heads, kvHeads, headDim;
  const char *rope;    ///< attributes of nn.rope behind the heads; empty: none
  const char *options; ///< of nn.attention
  const char *element = "f32";
  const char *cpu = "native";
  const char *cache = "f32";
  int64_t activationBits = 16;
};

void PrintTo(const AttentionCase &c, std::ostream *out) { *out << c.name; }

/// Two layers of a decoder (the same function, two caches), a norm and a head of 29 outputs.
std::string decoder(const AttentionCase &c) {
  const std::string rope = c.rope;
  const std::string rotate = R"(
  %qr = nn.rope %q at %positions heads $HEADS $ROPE : tensor<?x$Qxf32>, tensor<?xi32>
  %kr = nn.rope %k at %positions heads $GROUPS $ROPE : tensor<?x$Vxf32>, tensor<?xi32>)";
  const int64_t width = c.element[0] == '!' ? 64 : 28;
  std::string text = R"(
nn.param @table : tensor<37x$Wxf32>
nn.param @final_norm : tensor<$Wxf32>
nn.param @head : tensor<29x$Wxf32>
nn.param @norm : tensor<$Wxf32>
nn.param @wq : tensor<$Qx$Wx$E>
nn.param @wk : tensor<$Vx$Wx$E>
nn.param @wv : tensor<$Vx$Wx$E>
nn.param @wo : tensor<$Wx$Qx$E>
nn.param @norm1 : tensor<$Wxf32>
nn.param @wq1 : tensor<$Qx$Wx$E>
nn.param @wk1 : tensor<$Vx$Wx$E>
nn.param @wv1 : tensor<$Vx$Wx$E>
nn.param @wo1 : tensor<$Wx$Qx$E>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %ids: tensor<?xi32> {nn.input = "output_ids"}) -> tensor<?x29xf32> {
  %table = nn.load @table : tensor<37x$Wxf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x$Wxf32> -> tensor<?x$Wxf32>
  %norm = nn.load @norm : tensor<$Wxf32>
  %wq = nn.load @wq : tensor<$Qx$Wx$E>
  %wk = nn.load @wk : tensor<$Vx$Wx$E>
  %wv = nn.load @wv : tensor<$Vx$Wx$E>
  %wo = nn.load @wo : tensor<$Wx$Qx$E>
  %0 = call @layer(%x, %positions, %norm, %wq, %wk, %wv, %wo) : (tensor<?x$Wxf32>, tensor<?xi32>, tensor<$Wxf32>,
      tensor<$Qx$Wx$E>, tensor<$Vx$Wx$E>, tensor<$Vx$Wx$E>, tensor<$Wx$Qx$E>) -> tensor<?x$Wxf32>
  %norm1 = nn.load @norm1 : tensor<$Wxf32>
  %wq1 = nn.load @wq1 : tensor<$Qx$Wx$E>
  %wk1 = nn.load @wk1 : tensor<$Vx$Wx$E>
  %wv1 = nn.load @wv1 : tensor<$Vx$Wx$E>
  %wo1 = nn.load @wo1 : tensor<$Wx$Qx$E>
  %1 = call @layer(%0, %positions, %norm1, %wq1, %wk1, %wv1, %wo1) : (tensor<?x$Wxf32>, tensor<?xi32>, tensor<$Wxf32>,
      tensor<$Qx$Wx$E>, tensor<$Vx$Wx$E>, tensor<$Vx$Wx$E>, tensor<$Wx$Qx$E>) -> tensor<?x$Wxf32>
  %final_norm = nn.load @final_norm : tensor<$Wxf32>
  %2 = nn.rms_norm %1, %final_norm epsilon 1.0e-5 : tensor<?x$Wxf32>, tensor<$Wxf32>
  %3 = nn.select_rows %2, %ids : tensor<?x$Wxf32>, tensor<?xi32> -> tensor<?x$Wxf32>
  %head = nn.load @head : tensor<29x$Wxf32>
  %y = nn.linear %3, %head : tensor<?x$Wxf32>, tensor<29x$Wxf32> -> tensor<?x29xf32>
  return %y : tensor<?x29xf32>
}
func.func private @layer(%x: tensor<?x$Wxf32>, %positions: tensor<?xi32>, %norm: tensor<$Wxf32> {nn.parameter},
    %wq: tensor<$Qx$Wx$E> {nn.parameter}, %wk: tensor<$Vx$Wx$E> {nn.parameter}, %wv: tensor<$Vx$Wx$E> {nn.parameter},
    %wo: tensor<$Wx$Qx$E> {nn.parameter}) -> tensor<?x$Wxf32> {
  %n = nn.rms_norm %x, %norm epsilon 1.0e-5 : tensor<?x$Wxf32>, tensor<$Wxf32>
  %q = nn.linear %n, %wq : tensor<?x$Wxf32>, tensor<$Qx$Wx$E> -> tensor<?x$Qxf32>
  %k = nn.linear %n, %wk : tensor<?x$Wxf32>, tensor<$Vx$Wx$E> -> tensor<?x$Vxf32>
  %v = nn.linear %n, %wv : tensor<?x$Wxf32>, tensor<$Vx$Wx$E> -> tensor<?x$Vxf32>$ROTATE
  %a = nn.attention $QUERY, $KEY, %v heads $HEADS kv_heads $GROUPS scale 0.9 causal $OPTIONS
         : tensor<?x$Qxf32>, tensor<?x$Vxf32>, tensor<?x$Vxf32> -> tensor<?x$Qxf32>
  %o = nn.linear %a, %wo : tensor<?x$Qxf32>, tensor<$Wx$Qx$E> -> tensor<?x$Wxf32>
  %y = arith.addf %x, %o : tensor<?x$Wxf32>
  return %y : tensor<?x$Wxf32>
})";
  text = filled(text, {{"$ROTATE", rope.empty() ? "" : rotate}});
  return filled(text, {{"$W", absl::StrCat(width)},
                       {"$Q", absl::StrCat(c.heads * c.headDim)},
                       {"$V", absl::StrCat(c.kvHeads * c.headDim)},
                       {"$E", c.element},
                       {"$HEADS", absl::StrCat(c.heads)},
                       {"$GROUPS", absl::StrCat(c.kvHeads)},
                       {"$ROPE", rope},
                       {"$OPTIONS", c.options},
                       {"$QUERY", rope.empty() ? "%q" : "%qr"},
                       {"$KEY", rope.empty() ? "%k" : "%kr"}});
}

class DecoderTest : public testing::TestWithParam<AttentionCase> {};

TEST_P(DecoderTest, AgreesWithTheReferenceHoweverItIsFed) {
  // The sequence fills the context, which is no multiple of a vector.
  auto program =
      CompiledProgram::compile(decoder(GetParam()), {.cpu = GetParam().cpu,
                                                     .sizes = {.maxRows = 31, .context = kSequenceLength},
                                                     .cacheType = GetParam().cache,
                                                     .activationBits = GetParam().activationBits});
  ASSERT_TRUE(program);
  EXPECT_TRUE(program->hasDecode());
  // Where values are rounded, a difference in the last bit can move one to the next number.
  const char kind = GetParam().element[0], cache = GetParam().cache[0];
  const bool isExact = kind == 'f' && GetParam().cache == std::string("f32");
  checkSequence(*program, kVocabulary,
                isExact                       ? 2e-5
                : kind == '!'                 ? 5e-2
                : kind == 'b' || cache == 'b' ? 2e-2
                                              : 2e-3);
}

constexpr const char *kAlibi = "alibi [0.5, 0.125, 0.03]";
INSTANTIATE_TEST_SUITE_P(
    , DecoderTest,
    testing::Values(
        AttentionCase{"halves_of_12", 4, 2, 12, "dims 12 theta 10000.0 half", ""},
        AttentionCase{"interleaved_20_window", 3, 1, 20, "dims 20 theta 500.0 interleaved", "window 7"},
        AttentionCase{"partial_of_64_softcap", 2, 2, 64, "dims 32 theta 10000.0 half", "softcap 1.5"},
        AttentionCase{"all_of_64", 4, 2, 64, "dims 64 theta 10000.0 interleaved", ""},
        AttentionCase{"partial_of_80", 2, 1, 80, "dims 20 theta 10000.0 interleaved", "window 40"},
        AttentionCase{"halves_of_128", 2, 1, 128, "dims 128 theta 10000.0 half", "window 1"},
        AttentionCase{"alibi", 3, 3, 17, "", kAlibi}, AttentionCase{"alibi_of_16", 3, 1, 16, "", kAlibi},
        AttentionCase{"odd_without_rotation", 6, 2, 5, "", "window 33 softcap 20.0"},
        AttentionCase{"f16", 4, 2, 12, "dims 12 theta 10000.0 half", "", "f16"},
        AttentionCase{"bf16", 4, 2, 16, "dims 16 theta 10000.0 half", "", "bf16"},
        AttentionCase{"q4_1", 4, 2, 24, "dims 24 theta 10000.0 interleaved", "", "!nn.block<q4_1>"},
        AttentionCase{"q8_0", 2, 1, 64, "dims 64 theta 10000.0 half", "window 20", "!nn.block<q8_0>"},
        AttentionCase{"q4_1_by_8_bits", 4, 2, 24, "dims 24 theta 10000.0 interleaved", "", "!nn.block<q4_1>",
                      "native", "f32", 8},
        AttentionCase{"f16_cache", 4, 2, 12, "dims 12 theta 10000.0 half", "", "f32", "native", "f16"},
        AttentionCase{"bf16_cache", 2, 1, 64, "dims 64 theta 10000.0 half", "window 20", "f32", "native",
                      "bf16"},
        AttentionCase{"avx2_f16_cache", 3, 1, 20, "dims 20 theta 500.0 interleaved", "", "f32", "x86-64-v3",
                      "f16"},
        AttentionCase{"avx2_bf16_cache", 3, 1, 20, "dims 20 theta 500.0 interleaved", "", "f32", "x86-64-v3",
                      "bf16"},
        AttentionCase{"avx2_20", 3, 1, 20, "dims 20 theta 500.0 interleaved", "window 7", "f32", "x86-64-v3"},
        AttentionCase{"avx2_q4_1", 4, 2, 24, "dims 24 theta 10000.0 half", "softcap 3.0", "!nn.block<q4_1>",
                      "x86-64-v3"},
        AttentionCase{"sse2_12", 4, 2, 12, "dims 12 theta 10000.0 half", "alibi [0.5, 0.125, 0.03, 0.01]",
                      "f32", "x86-64"},
        AttentionCase{"sse2_f16_cache", 3, 1, 20, "dims 20 theta 500.0 interleaved", "", "f32", "x86-64",
                      "f16"},
        AttentionCase{"sse4_q8_0_bf16_cache", 2, 1, 32, "dims 32 theta 10000.0 half", "", "!nn.block<q8_0>",
                      "x86-64-v2", "bf16"}),
    [](const auto &info) { return std::string(info.param.name); });

//===----------------------------------------------------------------------===//
// Encoders
//===----------------------------------------------------------------------===//

std::string encoder(int64_t heads, int64_t headDim, const std::string &options) {
  return filled(
      R"(
nn.param @words_table : tensor<37x$Wxf32>
nn.param @types_table : tensor<2x$Wxf32>
nn.param @places_table : tensor<96x$Wxf32>
nn.param @norm : tensor<$Wxf32>
nn.param @offset : tensor<$Wxf32>
nn.param @wq : tensor<$Wx$Wxf32>
nn.param @wk : tensor<$Wx$Wxf32>
nn.param @wv : tensor<$Wx$Wxf32>
nn.param @bias : tensor<$Wxf32>
nn.param @wo : tensor<$Wx$Wxf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %types: tensor<?xi32> {nn.input = "token_types"}) -> tensor<?x$Wxf32> {
  %words = nn.load @words_table : tensor<37x$Wxf32>
  %0 = nn.embedding %tokens, %words : tensor<?xi32>, tensor<37x$Wxf32> -> tensor<?x$Wxf32>
  %kinds = nn.load @types_table : tensor<2x$Wxf32>
  %1 = nn.embedding %types, %kinds : tensor<?xi32>, tensor<2x$Wxf32> -> tensor<?x$Wxf32>
  %places = nn.load @places_table : tensor<96x$Wxf32>
  %2 = nn.embedding %positions, %places : tensor<?xi32>, tensor<96x$Wxf32> -> tensor<?x$Wxf32>
  %3 = arith.addf %0, %1 : tensor<?x$Wxf32>
  %4 = arith.addf %3, %2 : tensor<?x$Wxf32>
  %norm = nn.load @norm : tensor<$Wxf32>
  %offset = nn.load @offset : tensor<$Wxf32>
  %5 = nn.layer_norm %4, %norm bias %offset epsilon 1.0e-12 : tensor<?x$Wxf32>, tensor<$Wxf32>, tensor<$Wxf32>
  %wq = nn.load @wq : tensor<$Wx$Wxf32>
  %wk = nn.load @wk : tensor<$Wx$Wxf32>
  %wv = nn.load @wv : tensor<$Wx$Wxf32>
  %bias = nn.load @bias : tensor<$Wxf32>
  %wo = nn.load @wo : tensor<$Wx$Wxf32>
  %6 = call @layer(%5, %wq, %wk, %wv, %bias, %wo, %norm, %offset) : (tensor<?x$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wx$Wxf32>,
      tensor<$Wx$Wxf32>, tensor<$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wxf32>, tensor<$Wxf32>) -> tensor<?x$Wxf32>
  %7 = call @layer(%6, %wq, %wk, %wv, %bias, %wo, %norm, %offset) : (tensor<?x$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wx$Wxf32>,
      tensor<$Wx$Wxf32>, tensor<$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wxf32>, tensor<$Wxf32>) -> tensor<?x$Wxf32>
  return %7 : tensor<?x$Wxf32>
}
func.func private @layer(%x: tensor<?x$Wxf32>, %wq: tensor<$Wx$Wxf32> {nn.parameter}, %wk: tensor<$Wx$Wxf32> {nn.parameter},
    %wv: tensor<$Wx$Wxf32> {nn.parameter}, %bias: tensor<$Wxf32> {nn.parameter}, %wo: tensor<$Wx$Wxf32> {nn.parameter},
    %norm: tensor<$Wxf32> {nn.parameter}, %offset: tensor<$Wxf32> {nn.parameter}) -> tensor<?x$Wxf32> {
  %q = nn.linear %x, %wq bias %bias : tensor<?x$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wxf32> -> tensor<?x$Wxf32>
  %k = nn.linear %x, %wk bias %bias : tensor<?x$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wxf32> -> tensor<?x$Wxf32>
  %v = nn.linear %x, %wv bias %bias : tensor<?x$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wxf32> -> tensor<?x$Wxf32>
  %a = nn.attention %q, %k, %v heads $HEADS kv_heads $HEADS scale 0.7 $OPTIONS
         : tensor<?x$Wxf32>, tensor<?x$Wxf32>, tensor<?x$Wxf32> -> tensor<?x$Wxf32>
  %o = nn.linear %a, %wo bias %bias : tensor<?x$Wxf32>, tensor<$Wx$Wxf32>, tensor<$Wxf32> -> tensor<?x$Wxf32>
  %r = arith.addf %x, %o : tensor<?x$Wxf32>
  %y = nn.layer_norm %r, %norm bias %offset epsilon 1.0e-12 : tensor<?x$Wxf32>, tensor<$Wxf32>, tensor<$Wxf32>
  return %y : tensor<?x$Wxf32>
})",
      {{"$W", absl::StrCat(heads * headDim)}, {"$HEADS", absl::StrCat(heads)}, {"$OPTIONS", options}});
}

struct EncoderCase {
  const char *name;
  int64_t heads, headDim;
  const char *options, *cpu;
};

void PrintTo(const EncoderCase &c, std::ostream *out) { *out << c.name; }

class EncoderTest : public testing::TestWithParam<EncoderCase> {};

TEST_P(EncoderTest, SeesAllTokens) {
  const EncoderCase &c = GetParam();
  auto program = CompiledProgram::compile(encoder(c.heads, c.headDim, c.options), {.cpu = c.cpu});
  ASSERT_TRUE(program);
  EXPECT_FALSE(program->hasDecode()) << "nothing is generated";
  for (int64_t rows : {1, 2, 3, 5, 8, 17, 31}) {
    const std::vector<int32_t> tokens = someTokens(rows, kVocabulary, rows);
    const std::vector<float> one = program->runStep("prefill", tokens, 1);
    expectNear(one, program->reference(tokens), 2e-5, absl::StrCat(rows, " rows"));
    expectSameBits(program->runStep("prefill", tokens, 2), one, absl::StrCat(rows, " rows on 2 threads"));
    // Programs that do not choose rows themselves write those that are wanted, and no others.
    const int64_t last = rows - 1, width = program->width();
    const std::vector<float> lastRow = program->feed(tokens, {rows}, 2, {static_cast<int32_t>(last)});
    expectSameBits(lastRow, {one.begin() + last * width, one.end()}, "the last row alone");
  }
}

INSTANTIATE_TEST_SUITE_P(, EncoderTest,
                         testing::Values(EncoderCase{"heads_of_12", 3, 12, "", "native"},
                                         EncoderCase{"heads_of_32", 2, 32, "", "native"},
                                         EncoderCase{"odd", 5, 7, "softcap 2.0", "native"},
                                         EncoderCase{"window", 2, 16, "window 4", "native"},
                                         EncoderCase{"avx2", 3, 12, "", "x86-64-v3"}),
                         [](const auto &info) { return std::string(info.param.name); });

//===----------------------------------------------------------------------===//
// Queries that see no key
//===----------------------------------------------------------------------===//

// Queries are at the positions that the tokens' ids say: those behind the last key see none.
TEST(UnseenKeysTest, GiveZeros) {
  for (const char *cpu : {"native", "x86-64"}) {
    auto program = CompiledProgram::compile(R"(
nn.param @table : tensor<37x20xf32>
nn.param @wq : tensor<20x20xf32>
nn.param @wk : tensor<20x20xf32>
nn.param @wv : tensor<20x20xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"})
    -> tensor<?x20xf32> {
  %table = nn.load @table : tensor<37x20xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x20xf32> -> tensor<?x20xf32>
  %wq = nn.load @wq : tensor<20x20xf32>
  %wk = nn.load @wk : tensor<20x20xf32>
  %wv = nn.load @wv : tensor<20x20xf32>
  %q = nn.linear %x, %wq : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %k = nn.linear %x, %wk : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %v = nn.linear %x, %wv : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %none = nn.empty_cache : !nn.kv_cache<1x20xf32>
  %c = nn.cache_append %none, %k, %v at %positions
         : !nn.kv_cache<1x20xf32>, tensor<?x20xf32>, tensor<?x20xf32>, tensor<?xi32>
  %y = nn.cached_attention %q, %c at %tokens heads 1 kv_heads 1 scale 0.7 window 1
         : tensor<?x20xf32>, !nn.kv_cache<1x20xf32>, tensor<?xi32> -> tensor<?x20xf32>
  return %y : tensor<?x20xf32>
})",
                                            {.cpu = cpu});
    ASSERT_TRUE(program);
    const std::vector<int32_t> tokens = {0, 6, 7, 8, 36, 3, 36};
    const std::vector<float> found = program->runStep("prefill", tokens, 1);
    expectNear(found, program->reference(tokens), 1e-5, cpu);
    for (int row : {2, 3, 4, 6})
      EXPECT_EQ(found[row * 20], 0) << "row " << row << " on " << cpu;
  }
}

} // namespace
