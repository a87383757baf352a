// Tiny models with an encoder and a decoder, compiled and run, against what transformers computes and
// generates for the same files.

#include "absl/strings/str_cat.h"
#include "runtime/core/Generator.h"
#include "test/e2e/CompiledModel.h"
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace llmc;
using namespace llmc::test;

namespace {

codegen::CompileOptions optionsFor(const char *cpu) {
  codegen::CompileOptions options;
  options.targetCpu = cpu;
  options.computeType = "f32";
  options.verifyNumerics = true;
  return options;
}

/// What the arguments of transformers' generate() are called here.
runtime::GenerationOptions optionsOf(const nlohmann::json &arguments) {
  runtime::GenerationOptions options;
  options.maxTokens = arguments["max_new_tokens"];
  options.stopTokens = {arguments["eos_token_id"]};
  options.sampling.repetitionPenalty = arguments.value("repetition_penalty", 1.0f);
  options.beams.count = arguments["num_beams"];
  options.beams.lengthPenalty = arguments.value("length_penalty", 1.0f);
  if (arguments.contains("early_stopping"))
    options.beams.earlyStopping = arguments["early_stopping"].is_boolean() ? runtime::EarlyStopping::Yes
                                                                           : runtime::EarlyStopping::Never;
  options.rules.noRepeat = arguments.value("no_repeat_ngram_size", 0);
  options.rules.minTokens = arguments.value("min_new_tokens", 0);
  for (const auto &word : arguments.value("bad_words_ids", nlohmann::json::array()))
    options.rules.suppressed.push_back(word[0]);
  if (arguments.contains("forced_bos_token_id"))
    options.rules.first = arguments["forced_bos_token_id"];
  if (arguments.contains("forced_eos_token_id"))
    options.rules.last = arguments["forced_eos_token_id"];
  return options;
}

class EncoderDecoderGolden : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(EncoderDecoderGolden, LogitsAgreeWithTransformers) {
  const auto [model, cpu] = GetParam();
  Golden golden(absl::StrCat(model, "/golden.safetensors"));
  const auto source = golden.read<int32_t>("source"), tokens = golden.read<int32_t>("tokens");
  const auto logits = golden.read<float>("logits");
  auto artifact = compileAndLoad(kGolden + model, optionsFor(cpu));
  ASSERT_TRUE(artifact);
  auto session = makeSession(artifact, 2);
  ASSERT_EQ(session->readSource(source), absl::OkStatus());
  auto found = session->feed(tokens, runtime::Rows::All);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_LT(departure(*found, logits).largest, 1e-4);
  const std::vector<float> whole(found->begin(), found->end());

  // To the bit the same: after a longer source, one token at a time, and on one thread.
  std::vector<int32_t> longer = source;
  longer.resize(session->contextLength(), 5);
  for (int threads : {2, 1}) {
    auto other = makeSession(artifact, threads);
    ASSERT_EQ(other->readSource(longer), absl::OkStatus());
    ASSERT_TRUE(other->feed(tokens).ok());
    ASSERT_EQ(other->readSource(source), absl::OkStatus());
    std::vector<float> single;
    for (int32_t token : tokens) {
      auto row = other->feed(absl::MakeConstSpan(&token, 1));
      ASSERT_TRUE(row.ok());
      single.insert(single.end(), row->begin(), row->end());
    }
    EXPECT_EQ(single, whole) << "on " << threads << " threads";
  }
}

TEST_P(EncoderDecoderGolden, TextsAreThoseOfTransformers) {
  const auto [model, cpu] = GetParam();
  if (cpu != std::string("native"))
    GTEST_SKIP() << "what is generated follows from logits";
  const auto source = Golden(absl::StrCat(model, "/golden.safetensors")).read<int32_t>("source");
  auto artifact = compileAndLoad(kGolden + model, optionsFor(cpu));
  ASSERT_TRUE(artifact);
  auto session = makeSession(artifact, 2);
  const auto texts = nlohmann::json::parse(std::ifstream(absl::StrCat(kGolden, model, "/generation.json")));
  for (const auto &text : texts) {
    SCOPED_TRACE(text.dump());
    const auto &arguments = text["arguments"];
    const runtime::GenerationOptions options = optionsOf(arguments);
    auto made = runtime::generate(*session, source, options, [](int32_t) { return true; });
    ASSERT_TRUE(made.ok()) << made.status().message();
    EXPECT_EQ(made->tokens, text["tokens"].get<std::vector<int32_t>>());
  }
}

INSTANTIATE_TEST_SUITE_P(, EncoderDecoderGolden,
                         testing::Combine(testing::Values("t5-odd", "t5-gated", "bart-odd", "marian-odd"),
                                          testing::Values("native", "x86-64-v3", "x86-64")),
                         [](const auto &info) {
                           std::string name =
                               absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class Source : public testing::Test {
protected:
  void SetUp() override {
    auto artifact = compileAndLoad(kGolden + "t5-odd");
    ASSERT_TRUE(artifact);
    session = makeSession(artifact, 2);
  }
  std::unique_ptr<runtime::Session> session;
};

TEST_F(Source, IsReadBeforeAnythingIsWritten) {
  const int32_t start = 0;
  EXPECT_EQ(session->feed(absl::MakeConstSpan(&start, 1)).status().message(),
            "the artifact reads a source first, and none was read");
  EXPECT_EQ(session->readSource({}).message(), "no tokens were given, expected at least one");
  const std::vector<int32_t> tooLong(97, 5);
  EXPECT_EQ(session->readSource(tooLong).message(),
            "the input has 97 tokens, but the artifact was compiled for a context of 96");
}

TEST_F(Source, IsForgottenByAReset) {
  const std::vector<int32_t> source = {5, 9, 1};
  ASSERT_TRUE(session->feedSequence(source).ok());
  session->reset();
  EXPECT_FALSE(session->feed(source).ok());
}

TEST_F(Source, BeamsAreNotSampled) {
  runtime::GenerationOptions options;
  options.beams.count = 2;
  options.sampling.temperature = 0.5;
  const std::vector<int32_t> source = {5, 9, 1};
  EXPECT_EQ(runtime::generate(*session, source, options, [](int32_t) { return true; }).status().message(),
            "there are 2 beams and a temperature of 0.5, expected a temperature of 0: beams are not sampled");
}

/// Beams of a model that continues its text.
TEST(Beams, OfADecoderBeginWithTheBestTokens) {
  auto artifact = compileAndLoad(kGolden + "gpt2-odd");
  ASSERT_TRUE(artifact);
  auto session = makeSession(artifact, 2);
  const std::vector<int32_t> prompt = {5, 9, 1};
  auto logits = session->feedSequence(prompt);
  ASSERT_TRUE(logits.ok());
  const int32_t best =
      static_cast<int32_t>(std::max_element(logits->begin(), logits->begin() + 197) - logits->begin());
  runtime::GenerationOptions options;
  options.beams.count = 3;
  options.maxTokens = 1;
  auto made = runtime::generate(*session, prompt, options, [](int32_t) { return true; });
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(made->tokens, std::vector<int32_t>{best});
  EXPECT_EQ(made->reason, runtime::FinishReason::MaxTokens);
}

} // namespace
