// Imported models with an encoder and a decoder, against what transformers computes for the same files.

#include "dialects/nn/reference/ForwardPass.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "test/unit/import/GgufConversion.h"

using namespace llmc;
using llmc::frontend::SamplingDefaults;
using namespace llmc::frontend::testing;

namespace {

std::vector<float> logitsOf(Model &model, const std::vector<int32_t> &source,
                            const std::vector<int32_t> &tokens) {
  nn::reference::ForwardPass<float> forward(model.module(), &model.parameters());
  if (failed(forward.readSource(source)))
    return {};
  auto found = forward.feed({tokens, {}, range(tokens.size()).values});
  return succeeded(found) ? found->values : std::vector<float>();
}

class EncoderDecoderGolden : public testing::TestWithParam<const char *> {
protected:
  EncoderDecoderGolden()
      : golden(goldenOf(GetParam())), model(goldenFolder + GetParam()),
        source(golden.read<int32_t>("source")), tokens(golden.read<int32_t>("tokens")),
        logits(golden.read<float>("logits")) {}

  TensorFile golden;
  Model model;
  std::vector<int32_t> source, tokens;
  std::vector<float> logits;
};

TEST_P(EncoderDecoderGolden, LogitsAgreeWithTransformers) {
  EXPECT_LT(relativeError<float>(logitsOf(model, source, tokens), logits), 1e-5);
}

TEST_P(EncoderDecoderGolden, KeysOfTheSourceAgreeWithTransformers) {
  const auto keys = golden.read<float>("cross_keys");
  auto encode = model.module().lookupSymbol<mlir::func::FuncOp>("encode");
  ASSERT_TRUE(encode);
  llvm::SmallVector<RuntimeValue<double>> arguments = {ids(source), range(source.size())};
  for (mlir::Type type : encode.getArgumentTypes().drop_front(2)) {
    auto cache = llvm::cast<nn::KvCacheType>(type);
    arguments.push_back(nn::reference::KvCache<double>{cache.getHeads(), cache.getHeadDim(), {}});
  }
  nn::reference::Interpreter<double> interpreter(model.module(), &model.parameters());
  auto caches = interpreter.call("encode", arguments);
  ASSERT_TRUE(succeeded(caches));
  std::vector<double> found;
  for (const auto &[position, row] : caches->front().getCache()->rows)
    found.insert(found.end(), row->key.begin(), row->key.end());
  EXPECT_LT(relativeError<double>(found, keys), 1e-5);
}

TEST_P(EncoderDecoderGolden, StepsWithCachesGiveTheSame) {
  mlir::PassManager passes(model.module().getContext());
  passes.addPass(passes::createAddKvCache());
  ASSERT_TRUE(succeeded(passes.run(model.module())));
  nn::reference::ForwardPass<float> forward(model.module(), &model.parameters());
  ASSERT_TRUE(succeeded(forward.readSource(source)));
  std::vector<float> found;
  for (int32_t token : tokens) {
    auto row = forward.feed({token, {}, 0});
    ASSERT_TRUE(succeeded(row));
    found.insert(found.end(), row->values.begin(), row->values.end());
  }
  EXPECT_LT(relativeError<float>(found, logits), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(, EncoderDecoderGolden,
                         testing::Values("t5-odd", "t5-gated", "bart-odd", "marian-odd"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(EncoderDecoderForms, GgufAgreesWithTransformers) {
  // Files do not say how far distances are told apart: as far as in all models that were published.
  for (const char *checkpoint : {"t5-odd", "t5-gated"}) {
    SCOPED_TRACE(checkpoint);
    TemporaryFolder folder;
    GgufConversion conversion(checkpoint);
    Model model(folder.write("m.gguf", conversion.file()));
    ChangedCheckpoint usual(checkpoint, {{"relative_attention_max_distance", 128}});
    Model expected(usual.path());
    const auto source = goldenOf(checkpoint).read<int32_t>("source");
    const auto tokens = goldenOf(checkpoint).read<int32_t>("tokens");
    auto logits = logitsOf(model, source, tokens), wanted = logitsOf(expected, source, tokens);
    ASSERT_FALSE(wanted.empty());
    EXPECT_LT(relativeError<float>(logits, wanted), 1e-5);
    EXPECT_EQ(model.info().startToken, 0);
  }
}

TEST(EncoderDecoderForms, HeadMayBeATensorBesideATiedOne) {
  // What tools write that save all parameters: the shared table under all of its names.
  ChangedCheckpoint changed("t5-odd", {});
  changed.addTensor("encoder.embed_tokens.weight", {131, 28});
  Model model(changed.path());
  EXPECT_EQ(model.info().startToken, 0);
}

TEST(EncoderDecoderForms, PositionsOfMarianMayBeInTheFile) {
  // As files have them that were made of PyTorch's; they are what is computed otherwise.
  ChangedCheckpoint changed("marian-odd", {});
  changed.addTensor("model.encoder.embed_positions.weight", {72, 30});
  changed.addTensor("model.decoder.embed_positions.weight", {72, 30});
  Model model(changed.path());
  EXPECT_EQ(model.info().startToken, 130);
}

TEST(EncoderDecoderForms, WhatTextsMustBeLikeIsRead) {
  ChangedCheckpoint changed("bart-odd", {});
  changed.write("generation_config.json", R"({"num_beams": 4, "length_penalty": 2.0, "early_stopping": true,
    "no_repeat_ngram_size": 3, "min_length": 5, "forced_bos_token_id": 0, "forced_eos_token_id": 2,
    "bad_words_ids": [[7], [9]]})");
  Model model(changed.path());
  const SamplingDefaults &defaults = model.info().sampling;
  EXPECT_EQ(defaults.beams, 4);
  EXPECT_EQ(defaults.lengthPenalty, 2.0);
  EXPECT_EQ(defaults.earlyStopping, SamplingDefaults::EarlyStopping::Yes);
  EXPECT_EQ(defaults.noRepeat, 3);
  EXPECT_EQ(defaults.minTokens, 4) << "the start token counts";
  EXPECT_EQ(defaults.first, 0);
  EXPECT_EQ(defaults.last, 2);
  EXPECT_THAT(defaults.suppressed, testing::ElementsAre(7, 9));
}

} // namespace
