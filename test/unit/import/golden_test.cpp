// Imported models, run by the reference interpreter, against what transformers computes for the same files.

#include "test/unit/import/ImportTest.h"

using namespace llmc;
using namespace llmc::frontend::testing;

namespace {

class DecoderGolden : public testing::TestWithParam<const char *> {};

TEST_P(DecoderGolden, LogitsAgreeWithTransformers) {
  TensorFile golden = goldenOf(GetParam());
  auto tokens = golden.read<int32_t>("tokens");
  auto logits = golden.read<float>("logits");
  Model model(goldenFolder + GetParam());
  std::vector<IntegerTensor> inputs = {ids(tokens), range(tokens.size()), range(tokens.size())};
  EXPECT_LT(relativeError<float>(model.run<float>(inputs), logits), 1e-5);
  EXPECT_LT(relativeError<double>(model.run<double>(inputs), logits), 1e-5);
}

TEST_P(DecoderGolden, OutputIdsChooseRows) {
  TensorFile golden = goldenOf(GetParam());
  auto tokens = golden.read<int32_t>("tokens");
  auto logits = golden.read<float>("logits");
  Model model(goldenFolder + GetParam());
  auto last = static_cast<int32_t>(tokens.size() - 1);
  std::vector<float> found = model.run<float>({ids(tokens), range(tokens.size()), ids({last, 2})});
  int64_t width = model.info().sizes.vocabulary;
  ASSERT_EQ(found.size(), size_t(2 * width));
  llvm::ArrayRef<float> rows(found), expected(logits);
  EXPECT_LT(relativeError(rows.take_front(width), expected.take_back(width)), 1e-5);
  EXPECT_LT(relativeError(rows.take_back(width), expected.slice(2 * width, width)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(, DecoderGolden,
                         testing::Values("llama-odd", "llama-tied", "mistral-window", "qwen2-odd",
                                         "qwen2-window", "qwen3-odd", "qwen3-window", "gemma-odd",
                                         "gemma2-odd", "gemma3-odd", "phi3-odd", "gpt2-odd", "mixtral-odd",
                                         "qwen2moe-odd", "qwen3moe-odd", "qwen3moe-dense"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Frequencies change beyond the context that a model was made for, where llmc does not go.
TEST(DecoderVariants, DynamicScalingIsNoneWithinTheContext) {
  ChangedCheckpoint changed("llama-odd", {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}});
  auto tokens = goldenOf("llama-odd").read<int32_t>("tokens");
  std::vector<IntegerTensor> inputs = {ids(tokens), range(tokens.size()), range(tokens.size())};
  Model model(changed.path()), plain(goldenFolder + std::string("llama-odd"));
  EXPECT_EQ(model.run<float>(inputs), plain.run<float>(inputs));
}

class EncoderGolden : public testing::TestWithParam<const char *> {};

TEST_P(EncoderGolden, HiddenStatesAgreeWithTransformers) {
  TensorFile golden = goldenOf(GetParam());
  auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  auto mask = golden.read<int32_t>("attention_mask");
  auto hidden = golden.read<float>("last_hidden_state");
  Model model(goldenFolder + GetParam(), /*head=*/false);
  int64_t width = model.info().sizes.hiddenSize;
  size_t length = tokens.size() / 2;
  for (size_t sequence : {0, 1}) {
    // Padding is not computed at all.
    size_t start = sequence * length;
    size_t count = std::accumulate(mask.begin() + start, mask.begin() + start + length, 0);
    auto part = [&](const std::vector<int32_t> &values) {
      return ids({values.begin() + start, values.begin() + start + count});
    };
    std::vector<IntegerTensor> inputs = {part(tokens), range(count)};
    if (model.inputs() == 3) // those without segments have no input of their kinds
      inputs.push_back(part(types));
    std::vector<float> found = model.run<float>(inputs);
    EXPECT_LT(relativeError<float>(found, llvm::ArrayRef(hidden).slice(start * width, count * width)), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(, EncoderGolden,
                         testing::Values("bert-odd", "roberta-odd", "xlm-roberta-odd", "distilbert-odd"),
                         [](const auto &info) {
                           return std::string(info.param, std::strchr(info.param, '-'));
                         });

class HeadGolden : public testing::TestWithParam<const char *> {};

TEST_P(HeadGolden, OutputsAgreeWithTransformers) {
  const std::string checkpoint = std::string("heads/") + GetParam();
  TensorFile golden = goldenOf(checkpoint);
  auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  auto mask = golden.read<int32_t>("attention_mask");
  auto logits = golden.read<float>("logits");
  Model model(goldenFolder + checkpoint);
  ASSERT_TRUE(model.info().head);
  const bool ofSequence = model.info().head->task == frontend::HeadTask::SequenceClassification;
  const size_t length = tokens.size() / 2, rows = ofSequence ? 1 : length;
  const size_t width = logits.size() / 2 / rows;
  for (size_t sequence : {0, 1}) {
    size_t start = sequence * length;
    size_t count = std::accumulate(mask.begin() + start, mask.begin() + start + length, 0);
    auto part = [&](const std::vector<int32_t> &values) {
      return ids({values.begin() + start, values.begin() + start + count});
    };
    std::vector<IntegerTensor> inputs = {part(tokens), range(count)};
    if (model.inputs() == 4) // those without segments have no input of their kinds
      inputs.push_back(part(types));
    const size_t wanted = ofSequence ? 1 : count;
    inputs.push_back(range(wanted));
    auto expected = llvm::ArrayRef(logits).slice(sequence * rows * width, wanted * width);
    EXPECT_LT(relativeError<float>(model.run<float>(inputs), expected), 1e-5);
    EXPECT_LT(relativeError<double>(model.run<double>(inputs), expected), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(, HeadGolden,
                         testing::Values("bert-masked", "bert-sequence", "bert-tokens", "bert-answer",
                                         "roberta-masked", "roberta-sequence", "roberta-tokens",
                                         "roberta-answer", "distilbert-masked", "distilbert-sequence",
                                         "distilbert-tokens", "distilbert-answer"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(EncoderForms, TheOldestNamesAreUnderstood) {
  // The encoder as a member of a model with heads, whose norms have a gamma and a beta.
  ChangedCheckpoint old("bert-odd", {});
  old.changeTensors([](std::string &name, nlohmann::json &) {
    name = "bert." + name;
    for (const auto &[from, to] :
         {std::pair("LayerNorm.weight", "LayerNorm.gamma"), {"LayerNorm.bias", "LayerNorm.beta"}})
      if (size_t at = name.find(from); at != std::string::npos)
        name.replace(at, std::strlen(from), to);
  });
  Model model(old.path()), plain(goldenFolder + "bert-odd");
  std::vector<IntegerTensor> inputs = {ids({2, 9, 40, 3}), range(4), ids({0, 0, 0, 0})};
  std::vector<float> rows = model.run<float>(inputs);
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows, plain.run<float>(inputs));
}

TEST(DecoderForms, Gpt2MayHaveTheNamesOfTheModelWithoutItsHead) {
  // As the first checkpoints are, with the causal mask and its value beside the weights.
  ChangedCheckpoint old("gpt2-odd", {});
  old.changeTensors(
      [](std::string &name, nlohmann::json &) { name = name.substr(std::strlen("transformer.")); });
  TensorFile golden = goldenOf("gpt2-odd");
  auto tokens = golden.read<int32_t>("tokens");
  Model model(old.path());
  std::vector<float> found = model.run<float>({ids(tokens), range(tokens.size()), range(tokens.size())});
  EXPECT_LT(relativeError<float>(found, golden.read<float>("logits")), 1e-5);
}

TEST(DecoderForms, HeadMayBeATensorBesideATiedOne) {
  // What tools write that save all parameters; it is the embedding table.
  for (const char *checkpoint : {"gpt2-odd", "qwen2-odd"}) {
    ChangedCheckpoint changed(checkpoint, {});
    changed.addTensor("lm_head.weight", {1});
    Model model(changed.path());
    EXPECT_EQ(model.info().sizes.vocabulary, 197);
  }
}

TEST(DecoderForms, OptionalFieldsMayBeMissing) {
  // As published config.json files are: of 2024 with rope_theta beside the other fields and without
  // layer_types, of 2019 without most of GPT-2's.
  const std::map<std::string, std::vector<std::string>> removed = {
      {"qwen2-odd",
       {"layer_types", "max_window_layers", "use_sliding_window", "sliding_window", "vocab_size"}},
      {"qwen2-window", {"layer_types", "tie_word_embeddings"}},
      {"gemma-odd", {"tie_word_embeddings", "hidden_act", "use_bidirectional_attention"}},
      {"gemma2-odd",
       {"layer_types", "tie_word_embeddings", "hidden_activation", "use_bidirectional_attention"}},
      {"qwen3-odd", {"layer_types", "attention_bias", "use_sliding_window", "sliding_window"}},
      {"phi3-odd", {"tie_word_embeddings", "original_max_position_embeddings"}},
      {"gpt2-odd",
       {"activation_function", "n_inner", "tie_word_embeddings", "scale_attn_weights", "add_cross_attention",
        "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn"}}};
  for (const auto &[checkpoint, fields] : removed) {
    SCOPED_TRACE(checkpoint);
    ChangedCheckpoint changed(checkpoint, {});
    nlohmann::json config = nlohmann::json::parse(std::ifstream(changed.path() + "/config.json"));
    for (const std::string &field : fields)
      config.erase(field);
    if (config.contains("rope_parameters")) {
      for (const char *field : {"rope_theta", "partial_rotary_factor"})
        if (config["rope_parameters"].contains(field))
          config[field] = config["rope_parameters"][field];
      config.erase("rope_parameters");
    }
    changed.write("config.json", config.dump());
    TensorFile golden = goldenOf(checkpoint);
    auto tokens = golden.read<int32_t>("tokens");
    Model model(changed.path());
    std::vector<float> found = model.run<float>({ids(tokens), range(tokens.size()), range(tokens.size())});
    EXPECT_LT(relativeError<float>(found, golden.read<float>("logits")), 1e-5);
  }
}

/// The last six rows of what a model gives for the tokens of its golden file.
std::vector<float> lastRows(Model &model, const TensorFile &golden) {
  auto tokens = golden.read<int32_t>("tokens");
  if (model.info().kind == frontend::ModelKind::Generate)
    return model.run<float>({ids(tokens), range(tokens.size()), range(6, tokens.size() - 6)});
  auto mask = golden.read<int32_t>("attention_mask"), types = golden.read<int32_t>("token_types");
  size_t count = std::accumulate(mask.begin(), mask.begin() + mask.size() / 2, 0);
  tokens.resize(count);
  types.resize(count);
  std::vector<float> rows = model.run<float>({ids(tokens), range(count), ids(types)});
  return {rows.end() - 6 * model.info().sizes.hiddenSize, rows.end()};
}

TEST(Variants, AgreeWithTransformers) {
  TensorFile expected(goldenFolder + "variants.safetensors");
  for (const auto &variant : nlohmann::json::parse(std::ifstream(goldenFolder + "variants.json"))) {
    SCOPED_TRACE(variant.dump());
    std::string checkpoint = variant["checkpoint"];
    ChangedCheckpoint changed(checkpoint, variant["config"]);
    TensorFile golden = goldenOf(checkpoint);
    Model model(changed.path());
    auto values = expected.read<float>(variant["name"]);
    EXPECT_LT(relativeError<float>(lastRows(model, golden), values), 1e-5);
    // The option matters: the checkpoint as it is gives something else.
    Model unchanged(goldenFolder + checkpoint);
    EXPECT_GT(relativeError<float>(lastRows(unchanged, golden), values), 1e-4);
  }
}

TEST(Variants, RopeParametersAreRopeScalingOfNewerFiles) {
  TensorFile golden = goldenOf("llama-odd");
  auto values = TensorFile(goldenFolder + "variants.safetensors").read<float>("yarn_betas");
  ChangedCheckpoint changed("llama-odd", {{"rope_parameters",
                                           {{"rope_theta", 1234.5},
                                            {"rope_type", "yarn"},
                                            {"factor", 4.0},
                                            {"original_max_position_embeddings", 40},
                                            {"beta_fast", 8.0},
                                            {"beta_slow", 0.5}}}});
  changed.remove("rope_theta");
  changed.remove("rope_scaling");
  Model model(changed.path());
  EXPECT_LT(relativeError<float>(lastRows(model, golden), values), 1e-5);
}

} // namespace
