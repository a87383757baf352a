// GGUF files give what the Hugging Face checkpoints give from which they are made.

#include "test/unit/import/GgufConversion.h"
#include <cmath>

using namespace llmc;
using namespace llmc::frontend;
using namespace llmc::frontend::testing;

namespace {

void expectGoldenLogits(const std::string &path, const std::string &checkpoint) {
  TensorFile golden = goldenOf(checkpoint);
  auto tokens = golden.read<int32_t>("tokens");
  Model model(path);
  std::vector<float> logits = model.run<float>({ids(tokens), range(tokens.size()), range(tokens.size())});
  EXPECT_LT(relativeError<float>(logits, golden.read<float>("logits")), 1e-5);
}

TEST(GgufLlama, RowsOfHeadsAreNeighbours) {
  TemporaryFolder folder;
  expectGoldenLogits(folder.write("m.gguf", GgufConversion("llama-odd").file()), "llama-odd");
}

TEST(GgufLlama, MayBeSplit) {
  TemporaryFolder folder;
  std::vector<std::string> parts = GgufConversion("llama-odd").parts(2);
  folder.write("m-00002-of-00002.gguf", parts[1]);
  expectGoldenLogits(folder.write("m-00001-of-00002.gguf", parts[0]), "llama-odd");
}

TEST(GgufLlama, HasItsWindow) {
  TemporaryFolder folder;
  expectGoldenLogits(folder.write("m.gguf", GgufConversion("mistral-window").file()), "mistral-window");
}

/// What llama.cpp's converter writes for the llama3 kind of scaling.
std::vector<float> llama3Factors(const nlohmann::json &config) {
  const nlohmann::json &scaling = config["rope_scaling"];
  double context = scaling["original_max_position_embeddings"], factor = scaling["factor"];
  double low = scaling["low_freq_factor"], high = scaling["high_freq_factor"];
  int64_t dims = config["head_dim"];
  std::vector<float> factors;
  for (int64_t i = 0; i < dims / 2; ++i) {
    double wavelength = 2 * M_PI * std::pow(config["rope_theta"].get<double>(), 2.0 * i / dims);
    double smooth = (context / wavelength - low) / (high - low);
    factors.push_back(wavelength < context / high  ? 1
                      : wavelength > context / low ? factor
                                                   : 1 / ((1 - smooth) / factor + smooth));
  }
  return factors;
}

TEST(GgufLlama, HasBiasesTiedHeadAndRopeFactors) {
  TemporaryFolder folder;
  GgufConversion conversion("llama-tied");
  std::vector<float> factors = llama3Factors(conversion.config);
  conversion.tensor("rope_freqs.weight", {factors.size()}, factors);
  expectGoldenLogits(folder.write("m.gguf", conversion.file()), "llama-tied");
}

/// Expects the last six rows of `conversion`, made of a checkpoint whose golden tokens are `tokens`, to be
/// those of `variant`.
void expectVariant(const GgufConversion &conversion, const std::vector<int32_t> &tokens,
                   const char *variant) {
  TemporaryFolder folder;
  Model model(folder.write("m.gguf", conversion.file()));
  auto logits = model.run<float>({ids(tokens), range(tokens.size()), range(6, tokens.size() - 6)});
  auto expected = TensorFile(goldenFolder + "variants.safetensors").read<float>(variant);
  EXPECT_LT(relativeError<float>(logits, expected), 1e-5) << variant;
}

TEST(GgufLlama, HasLinearAndYarnScaling) {
  auto tokens = goldenOf("llama-odd").read<int32_t>("tokens");
  GgufConversion linear("llama-odd"), oldLinear("llama-odd"), yarn("llama-odd"), betas("llama-odd");
  linear.text("rope.scaling.type", "linear").number("rope.scaling.factor", 2.5);
  expectVariant(linear, tokens, "linear");
  oldLinear.number("rope.scale_linear", 2.5);
  expectVariant(oldLinear, tokens, "linear");
  auto setYarn = [](GgufConversion &conversion) -> GgufConversion & {
    return conversion.text("rope.scaling.type", "yarn")
        .number("rope.scaling.factor", 4)
        .integer("rope.scaling.original_context_length", 40);
  };
  expectVariant(setYarn(yarn), tokens, "yarn");
  expectVariant(
      setYarn(betas).number("rope.scaling.yarn_beta_fast", 8).number("rope.scaling.yarn_beta_slow", 0.5),
      tokens, "yarn_betas");
}

TEST(GgufLlama, RotatesAPartOfEachHead) {
  TemporaryFolder folder;
  Model model(folder.write("m.gguf", GgufConversion("llama-odd").integer("rope.dimension_count", 8).file()));
  int ropes = 0;
  model.module().walk([&](nn::RopeOp rope) {
    EXPECT_EQ(rope.getDims(), 8u);
    EXPECT_EQ(rope.getStyle(), nn::RopeStyle::Interleaved);
    ++ropes;
  });
  EXPECT_EQ(ropes, 6);
}

TEST(GgufDecoder, AgreesWithTransformers) {
  TemporaryFolder folder;
  for (const char *checkpoint : {"qwen2-odd", "qwen3-odd", "phi3-odd", "gpt2-odd"}) {
    SCOPED_TRACE(checkpoint);
    expectGoldenLogits(folder.write("m.gguf", GgufConversion(checkpoint).file()), checkpoint);
  }
}

TEST(GgufGemma, AgreesWithTransformers) {
  TemporaryFolder folder;
  expectGoldenLogits(folder.write("m.gguf", GgufConversion("gemma-odd").file()), "gemma-odd");
  // Files have no field for the scale of attention: it is that of the heads.
  expectVariant(GgufConversion("gemma2-odd"), goldenOf("gemma2-odd").read<int32_t>("tokens"),
                "gemma2_scale_of_heads");
  expectGoldenLogits(
      folder.write("m.gguf",
                   GgufConversion("gemma3-odd").integer("attention.sliding_window_pattern", 5).file()),
      "gemma3-odd");
  expectVariant(GgufConversion("gemma3-odd"), goldenOf("gemma3-odd").read<int32_t>("tokens"),
                "gemma3_windows");
}

TEST(GgufGemma, WithoutAWindowAllLayersSeeAll) {
  const std::vector<int32_t> tokens = goldenOf("gemma3-odd").read<int32_t>("tokens");
  const std::vector<IntegerTensor> inputs = {ids(tokens), range(tokens.size()), range(6, tokens.size() - 6)};
  TemporaryFolder folder;
  Model model(folder.write("m.gguf", GgufConversion("gemma3-odd", {{"sliding_window", nullptr}}).file()));
  ChangedCheckpoint all("gemma3-odd", {{"layer_types", std::vector<std::string>(5, "full_attention")}});
  const std::vector<float> expected = Model(all.path()).run<float>(inputs);
  ASSERT_FALSE(expected.empty());
  EXPECT_LT(relativeError<float>(model.run<float>(inputs), expected), 1e-5);
}

TEST(GgufDecoder, Gpt2MayHaveItsHeadTwice) {
  // As llama.cpp's converter wrote it once.
  TemporaryFolder folder;
  GgufConversion conversion("gpt2-odd");
  std::vector<float> table =
      TensorFile(goldenFolder + "gpt2-odd/model.safetensors").read<float>("transformer.wte.weight");
  conversion.tensor("output.weight", {197, 33}, table);
  expectGoldenLogits(folder.write("m.gguf", conversion.file()), "gpt2-odd");
}

/// The first text of a golden encoder, through its conversion.
void expectAgreement(const std::string &checkpoint, Model &model) {
  TensorFile golden = goldenOf(checkpoint);
  auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  auto mask = golden.read<int32_t>("attention_mask");
  auto hidden = golden.read<float>("last_hidden_state");
  size_t count = std::accumulate(mask.begin(), mask.begin() + mask.size() / 2, 0);
  tokens.resize(count);
  types.resize(count);
  hidden.resize(count * model.info().sizes.hiddenSize);
  EXPECT_LT(relativeError<float>(model.run<float>({ids(tokens), range(count), ids(types)}), hidden), 1e-5);
}

TEST(GgufBert, AgreesWithTransformers) {
  TemporaryFolder folder;
  Model model(folder.write("m.gguf", GgufConversion("bert-odd").integer("pooling_type", 2).file()));
  expectAgreement("bert-odd", model);
  ASSERT_TRUE(model.info().pooling);
  EXPECT_EQ(model.info().pooling->mode, frontend::Pooling::Mode::First);
  EXPECT_TRUE(model.info().pooling->normalize);
  EXPECT_EQ(model.info().sizes.contextLength, 64);
}

TEST(GgufBert, XlmRobertaAgreesWithTransformers) {
  TemporaryFolder folder;
  Model model(folder.write("m.gguf", GgufConversion("xlm-roberta-odd").file()));
  expectAgreement("xlm-roberta-odd", model);
  EXPECT_EQ(model.info().sizes.contextLength, 59);
}

} // namespace
