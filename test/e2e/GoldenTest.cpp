// Tiny models with awkward sizes, compiled and run, against what transformers computes for the same files.

#include "absl/strings/str_cat.h"
#include "frontend/export/Export.h"
#include "runtime/core/Team.h"
#include "test/e2e/CompiledModel.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <unistd.h>

using namespace llmc;
using namespace llmc::test;

namespace {

std::string nameOfTest(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Compiles the decoder at `path` and compares it with what transformers computes, in `expected`. `adapter`
/// is the one that is chosen when it runs.
void expectLogits(const std::string &path, const std::string &expected, const char *cpu,
                  const frontend::ImportOptions &parts = {}, const char *adapter = "") {
  Golden golden(expected);
  const auto tokens = golden.read<int32_t>("tokens"), greedy = golden.read<int32_t>("greedy");
  const auto logits = golden.read<float>("logits"), margin = golden.read<float>("margin");
  codegen::CompileOptions options;
  options.targetCpu = cpu;
  options.computeType = "f32";
  options.verifyNumerics = true;
  auto artifact = compileAndLoad(path, options, parts);
  ASSERT_TRUE(artifact);
  auto session = makeSession(artifact, 2);
  ASSERT_TRUE(session->useAdapter(adapter).ok());
  auto found = session->feed(tokens, runtime::Rows::All);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_LT(departure(*found, logits).largest, 1e-4);
  const std::vector<float> whole(found->begin(), found->end());
  const std::vector<float> last(whole.end() - artifact->manifest().output_width(), whole.end());

  // To the bit the same: one token at a time, and on one thread.
  session->reset();
  std::vector<float> single;
  for (int32_t token : tokens) {
    auto row = session->feed(absl::MakeConstSpan(&token, 1));
    ASSERT_TRUE(row.ok());
    single.insert(single.end(), row->begin(), row->end());
  }
  EXPECT_EQ(single, whole);
  auto alone = makeSession(artifact, 1);
  ASSERT_TRUE(alone->useAdapter(adapter).ok());
  auto again = alone->feed(tokens);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(std::vector<float>(again->begin(), again->end()), last);

  // The tokens that transformers generates.
  std::vector<float> next = last;
  for (size_t i = 0; i < greedy.size(); ++i) {
    const int32_t best = static_cast<int32_t>(std::max_element(next.begin(), next.end()) - next.begin());
    ASSERT_EQ(best, greedy[i]) << "token " << i << ", which transformers chose by " << margin[i];
    auto row = session->feed(absl::MakeConstSpan(&best, 1));
    ASSERT_TRUE(row.ok());
    next.assign(row->begin(), row->end());
  }
}

class DecoderGolden : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(DecoderGolden, LogitsAgreeWithTransformers) {
  auto [model, cpu] = GetParam();
  expectLogits(kGolden + model, std::string(model) + "/golden.safetensors", cpu);
}

INSTANTIATE_TEST_SUITE_P(, DecoderGolden,
                         testing::Combine(testing::Values("llama-odd", "llama-tied", "mistral-window",
                                                          "qwen2-odd", "qwen2-window", "qwen3-odd",
                                                          "qwen3-window", "gemma-odd", "gemma2-odd",
                                                          "gemma3-odd", "phi3-odd", "gpt2-odd", "mixtral-odd",
                                                          "qwen2moe-odd", "qwen3moe-odd", "qwen3moe-dense"),
                                          testing::Values("native", "x86-64-v3", "x86-64")),
                         [](const auto &info) {
                           return nameOfTest(
                               absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param)));
                         });

/// Adapters of PEFT in the weights of the model that they were made for.
class AdapterGolden : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(AdapterGolden, LogitsAgreeWithPeft) {
  const auto [adapter, model] = GetParam();
  const std::string folder = absl::StrCat("adapters/", adapter);
  expectLogits(kGolden + model, folder + "/golden.safetensors", "native",
               {.adapters = {{kGolden + folder}}, .adaptedType = frontend::AdaptedType::F32});
}

INSTANTIATE_TEST_SUITE_P(
    , AdapterGolden,
    testing::Values(std::tuple("llama-odd", "llama-odd"), std::tuple("llama-saved", "llama-odd"),
                    std::tuple("llama-other", "llama-odd"), std::tuple("gpt2-odd", "gpt2-odd"),
                    std::tuple("qwen2-odd", "qwen2-odd"), std::tuple("mistral-window", "mistral-window")),
    [](const auto &info) { return nameOfTest(std::get<0>(info.param)); });

/// The same with the weights in a GGUF file, which has other names and orders, and may have quantized them.
std::string convertedToGguf(const std::string &model, std::optional<blocks::StorageFormat> format) {
  const std::string path = freshPath(model + ".gguf");
  auto report = frontend::exportModel(kGolden + model, path, {.format = format}, [](int64_t, int64_t) {});
  EXPECT_TRUE(report.ok()) << report.status().message();
  return path;
}

TEST(AdapterForms, MatricesOfGgufFilesAreInTheOrderOfTheFile) {
  for (auto [adapter, model] :
       {std::pair("llama-odd", "llama-odd"), {"llama-saved", "llama-odd"}, {"gpt2-odd", "gpt2-odd"}}) {
    SCOPED_TRACE(adapter);
    const std::string folder = absl::StrCat("adapters/", adapter),
                      path = convertedToGguf(model, blocks::StorageFormat::F32);
    expectLogits(path, folder + "/golden.safetensors", "native", {.adapters = {{kGolden + folder}}});
    unlink(path.c_str());
  }
}

TEST(AdapterForms, QuantizedWeightsKeepWhatAdaptersAdd) {
  const std::string folder = "adapters/mistral-window",
                    path = convertedToGguf("mistral-window", blocks::StorageFormat::Q4_0);
  frontend::ImportOptions parts{.adapters = {{kGolden + folder}}, .adaptedType = frontend::AdaptedType::F32};
  expectLogits(path, folder + "/quantized.safetensors", "native", parts);

  // As they are by default: the sums in Q8_0, which is closer than the model's own rounding to Q4_0.
  Golden golden(folder + "/quantized.safetensors"), exact(folder + "/golden.safetensors");
  const auto tokens = golden.read<int32_t>("tokens");
  const auto logits = golden.read<float>("logits");
  auto artifact = compileAndLoad(path, {}, {.adapters = {{kGolden + folder}}});
  ASSERT_TRUE(artifact);
  auto session = makeSession(artifact, 2);
  auto found = session->feed(tokens, runtime::Rows::All);
  ASSERT_TRUE(found.ok());
  EXPECT_LT(departure(*found, logits).rootMeanSquare,
            0.2 * departure(logits, exact.read<float>("logits")).rootMeanSquare);
  unlink(path.c_str());
}

TEST(AdapterForms, ScaledAdaptersAddUp) {
  // Halves of one adapter are the whole one.
  const std::string folder = "adapters/llama-odd";
  expectLogits(kGolden + "llama-odd", folder + "/golden.safetensors", "native",
               {.adapters = {{kGolden + folder, 0.25}, {kGolden + folder, 0.75}},
                .adaptedType = frontend::AdaptedType::F32});
}

/// Adapters beside the weights, chosen when the model runs.
class SeparateAdapters : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(SeparateAdapters, LogitsAgreeWithPeft) {
  const auto [adapter, model] = GetParam();
  const std::string folder = absl::StrCat("adapters/", adapter);
  expectLogits(kGolden + model, folder + "/golden.safetensors", "native",
               {.adapters = {{kGolden + folder, 1, "it"}}}, "it");
}

INSTANTIATE_TEST_SUITE_P(, SeparateAdapters,
                         testing::Values(std::tuple("gpt2-odd", "gpt2-odd"),
                                         std::tuple("qwen2-odd", "qwen2-odd"),
                                         std::tuple("mistral-window", "mistral-window")),
                         [](const auto &info) { return nameOfTest(std::get<0>(info.param)); });

TEST(AdapterForms, OneOfSeveralIsChosen) {
  const frontend::ImportOptions parts{.adapters = {{kGolden + "adapters/qwen3-window", 1, "first"},
                                                   {kGolden + "adapters/qwen3-other", 1, "other"}}};
  for (auto [adapter, expected] : {std::pair("first", "adapters/qwen3-window"),
                                   {"other", "adapters/qwen3-other"},
                                   {"", "qwen3-window"}}) {
    SCOPED_TRACE(adapter);
    expectLogits(kGolden + "qwen3-window", absl::StrCat(expected, "/golden.safetensors"), "native", parts,
                 adapter);
  }
}

TEST(AdapterForms, QuantizedWeightsStayBesideAdapters) {
  const std::string folder = "adapters/mistral-window",
                    path = convertedToGguf("mistral-window", blocks::StorageFormat::Q4_0);
  expectLogits(path, folder + "/quantized.safetensors", "native", {.adapters = {{kGolden + folder, 1, "it"}}},
               "it");
  unlink(path.c_str());
}

/// What `pooling` makes of `rows`, [rows, width], as sentence-transformers has it.
std::vector<float> pooled(frontend::Pooling::Mode pooling, absl::Span<const float> states, size_t width) {
  using Mode = frontend::Pooling::Mode;
  const size_t rows = states.size() / width;
  std::vector<double> sum(width, pooling == Mode::Max ? -INFINITY : 0);
  for (size_t row = 0; row < rows; ++row)
    for (size_t i = 0; i < width; ++i) {
      const double state = states[row * width + i];
      const bool isChosen = pooling == Mode::First  ? row == 0
                            : pooling == Mode::Last ? row + 1 == rows
                                                    : true;
      if (pooling == Mode::Max)
        sum[i] = std::max(sum[i], state);
      else
        sum[i] += isChosen ? (pooling == Mode::WeightedMean ? row + 1 : 1) * state : 0;
    }
  const double norm = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
  std::vector<float> result;
  for (double value : sum)
    result.push_back(static_cast<float>(value / norm));
  return result;
}

/// Decoders without their heads, read in pieces of 16 tokens.
class DecoderEmbedding : public testing::TestWithParam<const char *> {};

TEST_P(DecoderEmbedding, StatesAgreeWithTransformers) {
  using Mode = frontend::Pooling::Mode;
  const std::string model = GetParam();
  const auto tokens = Golden(model + "/golden.safetensors").read<int32_t>("tokens");
  const auto states = Golden("embedders/states.safetensors").read<float>(GetParam());
  const size_t width = states.size() / tokens.size();
  codegen::CompileOptions options;
  options.computeType = "f32";
  options.rowsPerStep = 16;
  options.verifyNumerics = true;
  for (Mode mode : {Mode::Last, Mode::Mean, Mode::First, Mode::Max, Mode::WeightedMean}) {
    auto artifact = compileAndLoad(kGolden + model, options, {.pooling = mode});
    ASSERT_TRUE(artifact);
    EXPECT_EQ(artifact->manifest().kind(), runtime::EMBED);
    auto session = makeSession(artifact, 2);
    for (size_t count : {size_t(1), size_t(17), tokens.size()}) {
      auto found = session->embed(absl::MakeConstSpan(tokens).first(count));
      ASSERT_TRUE(found.ok()) << found.status().message();
      EXPECT_LT(
          departure(*found, pooled(mode, absl::MakeConstSpan(states).first(count * width), width)).largest,
          1e-4)
          << count << " tokens, pooling " << static_cast<int>(mode);
    }
    options.verifyNumerics = false; // once is enough
  }
}

INSTANTIATE_TEST_SUITE_P(, DecoderEmbedding,
                         testing::Values("llama-odd", "llama-tied", "mistral-window", "qwen2-odd",
                                         "qwen3-odd", "gemma2-odd", "gemma3-odd", "phi3-odd", "gpt2-odd"),
                         [](const auto &info) { return nameOfTest(info.param); });

/// Hidden states of all rows of one text by the step itself: a session gives only what is pooled of them.
std::vector<float> hiddenStates(const runtime::Artifact &artifact, absl::Span<const int32_t> tokens,
                                absl::Span<const int32_t> types, int threads) {
  const runtime::Manifest &manifest = artifact.manifest();
  auto aligned = [](size_t bytes) {
    return std::unique_ptr<uint8_t, decltype(&std::free)>(
        static_cast<uint8_t *>(std::aligned_alloc(64, (bytes + 127) / 64 * 64)), std::free);
  };
  auto arena = aligned(manifest.arena_bytes()), output = aligned(tokens.size() * manifest.output_width() * 4);
  std::memset(arena.get(), 0xff, manifest.arena_bytes());
  std::vector<int32_t> numbers(tokens.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  LlmcStep step = {};
  step.rows = step.output_rows = static_cast<int64_t>(tokens.size());
  step.tokens = tokens.data();
  step.positions = step.output_ids = numbers.data();
  step.token_types = types.data();
  step.weights = artifact.weights().data();
  step.arena = arena.get();
  step.output = reinterpret_cast<float *>(output.get());
  std::unique_ptr<runtime::Team> team = *runtime::Team::create({.threads = threads});
  team->run(artifact.stepFor(step.rows).function, step);
  team->settle();
  return std::vector<float>(step.output, step.output + tokens.size() * manifest.output_width());
}

/// Compiles the encoder at `path` and compares it with what transformers computes for `checkpoint`.
void expectHiddenStates(const std::string &path, const std::string &checkpoint, const char *cpu) {
  Golden golden(checkpoint + "/golden.safetensors");
  const auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  const auto mask = golden.read<int32_t>("attention_mask");
  const auto hidden = golden.read<float>("last_hidden_state");
  codegen::CompileOptions options;
  options.targetCpu = cpu;
  options.computeType = "f32";
  options.verifyNumerics = true;
  auto artifact = compileAndLoad(path, options, {.head = false});
  ASSERT_TRUE(artifact);
  EXPECT_EQ(artifact->manifest().kind(), runtime::EMBED);
  EXPECT_EQ(artifact->manifest().cache_bytes(), 0u) << "the keys of an encoder do not outlive the step";
  const size_t length = tokens.size() / 2, width = artifact->manifest().output_width();
  for (size_t sequence : {0, 1}) {
    // Padding is not computed at all.
    const size_t start = sequence * length;
    const size_t count = std::accumulate(mask.begin() + start, mask.begin() + start + length, 0);
    auto text = absl::MakeConstSpan(tokens).subspan(start, count),
         kinds = absl::MakeConstSpan(types).subspan(start, count);
    const std::vector<float> found = hiddenStates(*artifact, text, kinds, 1);
    EXPECT_LT(departure(found, absl::MakeConstSpan(hidden).subspan(start * width, count * width)).largest,
              1e-4);
    EXPECT_EQ(hiddenStates(*artifact, text, kinds, 2), found) << "on two threads";
  }
}

class EncoderGolden : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(EncoderGolden, HiddenStatesAgreeWithTransformers) {
  const auto [model, cpu] = GetParam();
  expectHiddenStates(kGolden + model, model, cpu);
}

INSTANTIATE_TEST_SUITE_P(
    , EncoderGolden,
    testing::Combine(testing::Values("bert-odd", "roberta-odd", "xlm-roberta-odd", "distilbert-odd"),
                     testing::Values("native", "x86-64-v3", "x86-64")),
    [](const auto &info) {
      return nameOfTest(absl::StrCat(std::get<0>(info.param), "-", std::get<1>(info.param)));
    });

/// The same of a model with a head.
void expectOutputs(const std::string &path, const std::string &checkpoint, const char *cpu) {
  Golden golden(checkpoint + "/golden.safetensors");
  const auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  const auto mask = golden.read<int32_t>("attention_mask");
  const auto logits = golden.read<float>("logits");
  codegen::CompileOptions options;
  options.targetCpu = cpu;
  options.computeType = "f32";
  options.verifyNumerics = true;
  auto artifact = compileAndLoad(path, options);
  ASSERT_TRUE(artifact);
  const runtime::Manifest &manifest = artifact->manifest();
  ASSERT_EQ(manifest.kind(), runtime::PREDICT);
  const bool ofSequence = manifest.head().task() == runtime::Head::SEQUENCE_CLASSIFICATION;
  const bool ofTokens = manifest.head().task() == runtime::Head::MASKED_TOKENS;
  const size_t length = tokens.size() / 2, width = manifest.output_width();
  const size_t rows = ofSequence ? 1 : length, outputs = logits.size() / 2 / rows;
  EXPECT_EQ(outputs, ofTokens ? manifest.vocabulary_size() : manifest.head().labels_size());
  auto session = makeSession(artifact, 2), alone = makeSession(artifact, 1);
  for (size_t sequence : {0, 1}) {
    const size_t start = sequence * length;
    const size_t count = std::accumulate(mask.begin() + start, mask.begin() + start + length, 0);
    auto text = absl::MakeConstSpan(tokens).subspan(start, count),
         kinds = absl::MakeConstSpan(types).subspan(start, count);
    std::vector<int32_t> wanted(ofSequence ? 1 : count);
    std::iota(wanted.begin(), wanted.end(), 0);
    auto found = session->predict(text, kinds, wanted);
    ASSERT_TRUE(found.ok()) << found.status().message();
    std::vector<float> values; // without the padding of rows
    for (size_t row = 0; row < wanted.size(); ++row)
      values.insert(values.end(), found->begin() + row * width, found->begin() + row * width + outputs);
    auto expected = absl::MakeConstSpan(logits).subspan(sequence * rows * outputs, values.size());
    EXPECT_LT(departure(values, expected).largest, 1e-4);

    // To the bit the same for one of the tokens, and on one thread.
    const int32_t last = wanted.back();
    const std::vector<float> row(found->end() - width, found->end());
    auto again = alone->predict(text, kinds, {&last, 1});
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(std::vector<float>(again->begin(), again->end()), row);
  }
}

class HeadGolden : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(HeadGolden, OutputsAgreeWithTransformers) {
  const auto [model, cpu] = GetParam();
  const std::string checkpoint = absl::StrCat("heads/", model);
  expectOutputs(kGolden + checkpoint, checkpoint, cpu);
}

INSTANTIATE_TEST_SUITE_P(, HeadGolden,
                         testing::Combine(testing::Values("bert-masked", "bert-sequence", "bert-tokens",
                                                          "bert-answer", "roberta-masked", "roberta-sequence",
                                                          "roberta-tokens", "roberta-answer",
                                                          "distilbert-masked", "distilbert-sequence",
                                                          "distilbert-tokens", "distilbert-answer"),
                                          testing::Values("native", "x86-64-v3", "x86-64")),
                         [](const auto &info) {
                           return nameOfTest(
                               absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param)));
                         });

/// The same models as exporters write them: NAME-EXPORTER.
class OnnxGolden : public testing::TestWithParam<const char *> {};

TEST_P(OnnxGolden, AgreesWithTransformers) {
  const std::string name = GetParam(), model = name.substr(0, name.rfind('-')),
                    path = kGolden + "onnx/" + name;
  if (model.starts_with("gpt2") || model.starts_with("qwen2"))
    expectLogits(path, model + "/golden.safetensors", "native");
  else if (model.ends_with("-odd"))
    expectHiddenStates(path, model, "native");
  else
    expectOutputs(path, "heads/" + model, "native");
}

INSTANTIATE_TEST_SUITE_P(
    , OnnxGolden,
    testing::Values("bert-odd-legacy14", "bert-odd-legacy17", "bert-odd-dynamo18", "bert-odd-dynamo20",
                    "bert-odd-runtime14", "distilbert-odd-runtime14", "roberta-odd-legacy14",
                    "roberta-odd-dynamo18", "distilbert-odd-legacy14", "distilbert-odd-dynamo18",
                    "bert-masked-legacy14", "bert-sequence-legacy17", "bert-answer-dynamo18",
                    "roberta-sequence-dynamo20", "roberta-masked-legacy17", "distilbert-tokens-dynamo18",
                    "distilbert-sequence-legacy14", "distilbert-answer-legacy17", "gpt2-odd-legacy14",
                    "gpt2-odd-dynamo18", "qwen2-odd-cache17", "qwen2-window-dynamo18"),
    [](const auto &info) { return nameOfTest(info.param); });

} // namespace
