// Imported models as definitions: printed, read again and built again they are the same models.

#include "frontend/import/Family.h"
#include "frontend/import/Formats.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "test/unit/import/GgufConversion.h"
#include <map>

using namespace llmc;
using namespace llmc::frontend;
using namespace llmc::frontend::testing;

namespace {

/// The functions and parameters of a module.
std::string textOf(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (mlir::Operation &op : *module.getBody())
    stream << op << "\n";
  return text;
}

/// Shapes of all parameters by their names.
std::map<std::string, std::vector<int64_t>> shapesOf(mlir::ModuleOp module) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (auto param : module.getOps<nn::ParamOp>())
    shapes[param.getSymName().str()] = mlir::cast<mlir::RankedTensorType>(param.getType()).getShape().vec();
  return shapes;
}

/// Imports the model at `path`, prints its definition, reads it, and builds it with the checkpoint's tensors.
/// Returns what was printed.
std::string expectSameAgain(const std::string &path) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto model = importModel(path, {.tokenizer = false}, &context);
  EXPECT_TRUE(model.ok()) << model.status().message();
  if (!model.ok())
    return "";
  EXPECT_TRUE(model->definition.ok()) << model->definition.status().message();
  if (!model->definition.ok())
    return "";
  const std::string printed = spec::printDefinition(*model->definition);
  auto read = spec::parseDefinition("printed", printed);
  EXPECT_TRUE(read.ok()) << read.status().message();
  auto checkpoint = openCheckpoint(path);
  if (!read.ok() || !checkpoint.ok())
    return printed;
  if (read->head().kind() == spec::Head::NONE && !spec::isEncoder(*read))
    (*checkpoint)->leaveOutHead();
  auto again = familyOf(*read).buildDefined(*read, **checkpoint, &context);
  EXPECT_TRUE(again.ok()) << again.status().message();
  if (again.ok())
    EXPECT_EQ(textOf(*again->module), textOf(*model->module)) << printed;
  return printed;
}

/// Without a checkpoint a definition has the parameters of the checkpoint at `path`.
void expectSameParameters(const std::string &path, const std::string &printed) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto model = importModel(path, {.tokenizer = false}, &context);
  auto read = spec::parseDefinition("printed", printed);
  ASSERT_TRUE(model.ok() && read.ok());
  auto defined = importDefinition(*read, "printed", &context);
  ASSERT_TRUE(defined.ok()) << defined.status().message();
  auto expected = shapesOf(*model->module), found = shapesOf(*defined->module);
  // A model to train keeps the rows of positions that nothing uses.
  if (read->positions().first() != 0 && spec::isEncoder(*read))
    for (auto &[name, shape] : expected)
      if (name.ends_with("position_embeddings.weight"))
        shape[0] += read->positions().first();
  EXPECT_EQ(found, expected);
  EXPECT_EQ(spec::printDefinition(*defined->definition), printed);
  EXPECT_EQ(defined->info.kind, model->info.kind);
  EXPECT_EQ(defined->info.sizes.contextLength, model->info.sizes.contextLength);
}

class Definition : public ::testing::TestWithParam<const char *> {};

TEST_P(Definition, OfACheckpointIsTheSameModel) {
  const std::string path = goldenFolder + GetParam();
  expectSameParameters(path, expectSameAgain(path));
}

INSTANTIATE_TEST_SUITE_P(
    , Definition,
    ::testing::Values("llama-odd", "llama-tied", "mistral-window", "mixtral-odd", "gpt2-odd", "qwen2-odd",
                      "qwen2-window", "qwen3-odd", "qwen3-window", "qwen2moe-odd", "qwen3moe-odd",
                      "qwen3moe-dense", "gemma-odd", "gemma2-odd", "gemma3-odd", "phi3-odd", "bert-odd",
                      "roberta-odd", "xlm-roberta-odd", "distilbert-odd", "t5-odd", "t5-gated", "bart-odd",
                      "marian-odd", "heads/bert-masked", "heads/bert-sequence", "heads/bert-tokens",
                      "heads/bert-answer", "heads/roberta-masked", "heads/roberta-sequence",
                      "heads/roberta-tokens", "heads/roberta-answer", "heads/distilbert-masked",
                      "heads/distilbert-sequence", "heads/distilbert-tokens", "heads/distilbert-answer"),
    [](const auto &info) {
      std::string name = info.param;
      std::replace_if(name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
      return name;
    });

TEST(Definitions, OfVariantsAreTheSameModels) {
  for (const auto &variant : nlohmann::json::parse(std::ifstream(goldenFolder + "variants.json"))) {
    SCOPED_TRACE(variant.dump());
    ChangedCheckpoint changed(variant["checkpoint"], variant["config"]);
    EXPECT_NE(expectSameAgain(changed.path()), "");
  }
}

TEST(Definitions, OfGgufFilesAreTheSameModels) {
  TemporaryFolder folder;
  for (const char *checkpoint :
       {"llama-odd", "llama-tied", "mistral-window", "gpt2-odd", "qwen2-odd", "qwen3-odd", "gemma-odd",
        "gemma2-odd", "gemma3-odd", "phi3-odd", "bert-odd", "t5-odd", "t5-gated"}) {
    SCOPED_TRACE(checkpoint);
    EXPECT_NE(expectSameAgain(folder.write("m.gguf", GgufConversion(checkpoint).file())), "");
  }
}

TEST(Definitions, LeaveOutWhatFollows) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto model = importModel(goldenFolder + "gemma3-odd", {.tokenizer = false}, &context);
  ASSERT_TRUE(model.ok() && model->definition.ok());
  EXPECT_EQ(spec::printDefinition(*model->definition), R"(family: GEMMA3
vocabulary: 353
context: 160
width: 28
layers: 5
attention {
  heads: 4
  kv_heads: 1
  head_size: 20
  head_norm: true
  window: 6
  pattern: [WINDOWED, WINDOWED, WINDOWED, WINDOWED, FULL]
}
mlp {
  kind: GATED_GELU_TANH
  inner: 44
}
norm {
  kind: RMS
  epsilon: 0.0001
  placement: AROUND
}
positions {
  kind: ROTARY
  theta: 50000
  scaling {
    linear {
      factor: 3
    }
  }
  windowed {
    theta: 500
  }
}
tied: true
head {
  kind: NEXT_TOKEN
}
embedding {
  scaled: true
}
)");
}

TEST(Definitions, RepeatPatternsFromTheFirstLayerOn) {
  const std::string model =
      "family: QWEN3 vocabulary: 9 context: 8 width: 8 attention { heads: 2 head_norm: true window: 3 "
      "pattern: PATTERN } "
      "mlp { kind: GATED_SILU inner: 9 } norm { kind: RMS } positions { kind: ROTARY } layers: ";
  auto patternOf = [&](const std::string &pattern, int layers) {
    std::string text = model + std::to_string(layers);
    text.replace(text.find("PATTERN"), 7, pattern);
    auto read = spec::parseDefinition("text", text);
    EXPECT_TRUE(read.ok()) << read.status().message();
    std::string found;
    for (int layer : read->attention().pattern())
      found += layer == spec::Attention::FULL ? "F" : "W";
    return found;
  };
  EXPECT_EQ(patternOf("[FULL, WINDOWED, FULL, WINDOWED]", 4), "FW");
  EXPECT_EQ(patternOf("[FULL, WINDOWED, FULL]", 3), "FW");
  EXPECT_EQ(patternOf("[FULL, WINDOWED, FULL]", 4), "FWF");
  EXPECT_EQ(patternOf("[FULL, WINDOWED, FULL, FULL, WINDOWED]", 6), "FWF");
  EXPECT_EQ(patternOf("[FULL, FULL, WINDOWED]", 2), "F");
  EXPECT_EQ(patternOf("[]", 2), "W");
}

TEST(Definitions, OfPresetsHaveTheSizesOfTheirModels) {
  // As transformers counts them, tied tables once.
  const std::map<std::string, int64_t> counts = {{"gpt2-124m", 124439808},
                                                 {"llama-135m", 134515008},
                                                 {"llama-1b", 1100048384},
                                                 {"bert-base", 109514298},
                                                 {"t5-small", 60506624}};
  for (const std::string &name : spec::presetNames()) {
    SCOPED_TRACE(name);
    auto preset = spec::preset(name);
    ASSERT_TRUE(preset.ok());
    auto complete = spec::complete(*preset, preset->vocabulary() == 0 ? 512 : 0);
    ASSERT_TRUE(complete.ok()) << complete.status().message();
    auto known = counts.find(name);
    if (known == counts.end())
      continue;
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto model = importDefinition(*complete, name, &context);
    ASSERT_TRUE(model.ok()) << model.status().message();
    int64_t elements = 0;
    for (auto param : model->module->getOps<nn::ParamOp>())
      elements += mlir::cast<mlir::RankedTensorType>(param.getType()).getNumElements();
    EXPECT_EQ(elements, known->second);
  }
}

TEST(Definitions, ThatMakeNoSenseAreRefusedByName) {
  const std::string llama =
      "family: LLAMA vocabulary: 100 context: 64 width: 48 layers: 2 attention { heads: 4 } "
      "mlp { kind: GATED_SILU inner: 96 } norm { kind: RMS } positions { kind: ROTARY } ";
  const std::string bert =
      "family: BERT vocabulary: 100 context: 64 width: 48 layers: 2 attention { heads: 4 bias: true } "
      "mlp { kind: GELU inner: 96 bias: true } norm { kind: LAYER } positions { kind: LEARNED } ";
  EXPECT_TRUE(spec::parseDefinition("f", llama).ok());
  EXPECT_TRUE(spec::parseDefinition("f", bert).ok());
  const std::pair<std::string, const char *> refused[] = {
      {"layers: 2 depth: 3",
       "f:1:16: Message type \"llmc.spec.ModelDefinition\" has no field named \"depth\"."},
      {llama + "family: FAMILY_UNSPECIFIED",
       "f: model.family is FAMILY_UNSPECIFIED, expected LLAMA, GPT2, BERT, T5 or another family"},
      {llama + "mlp { kind: RELU }", "f: model.mlp.kind is RELU, expected GATED_SILU for family LLAMA"},
      {llama + "attention { window: 8 }",
       "f: model.attention.window is there, expected none for family LLAMA"},
      {llama + "attention { head_norm: true }",
       "f: model.attention.head_norm is true, expected false for family LLAMA"},
      {llama + "attention { heads: 5 }", "f: model.width is 48, expected a multiple of attention.heads (5)"},
      {llama + "positions { rotated: 8 }",
       "f: model.positions.rotated is 8, expected attention.head_size (12) for family LLAMA"},
      {llama + "positions { scaling { llama3 { factor: 2 low_freq_factor: 4 high_freq_factor: 1 } } }",
       "f: model.positions.scaling.llama3.high_freq_factor is 1, expected more than low_freq_factor (4)"},
      {llama + "positions { scaling { factors { divisors: [1, 2] } } }",
       "f: model.positions.scaling.factors.divisors is a list of 2, expected 6: half of the dimensions that "
       "rotate"},
      {llama + "head { kind: MASKED_TOKENS }",
       "f: model.head.kind is MASKED_TOKENS, expected NEXT_TOKEN or NONE for family LLAMA"},
      {llama + "mlp { experts { count: 2 } }",
       "f: model.mlp.experts is there, expected none for family LLAMA"},
      {llama + "decoder { layers: 1 }", "f: model.decoder is there, expected none for family LLAMA"},
      {llama + "family: QWEN2", "f: model.attention.bias is false, expected true for family QWEN2"},
      {llama + "family: MISTRAL", "f: model.attention.window is missing, which family MISTRAL has always"},
      {llama + "family: GEMMA3 mlp { kind: GATED_GELU_TANH } norm { placement: BEFORE }",
       "f: model.norm.placement is BEFORE, expected AROUND for family GEMMA3"},
      {llama + "family: QWEN3 attention { head_norm: true bias: true output_bias: false }",
       "f: model.attention.output_bias is false, expected attention.bias (true) for family QWEN3"},
      {bert + "attention { kv_heads: 2 }",
       "f: model.attention.kv_heads is 2, expected attention.heads (4) for family BERT"},
      {bert + "norm { epsilon: 2 }", "f: model.norm.epsilon is 2, expected a number above 0, at most 1"},
      {bert + "head { kind: SEQUENCE_CLASSIFICATION }",
       "f: model.head.labels is a list of 0, expected at least one for SEQUENCE_CLASSIFICATION"},
      {bert + "head { labels: \"a\" }",
       "f: model.head.labels is a list of 1, expected none for MASKED_TOKENS"},
      {bert + "head { problem: REGRESSION }",
       "f: model.head.problem is REGRESSION, expected none without SEQUENCE_CLASSIFICATION"},
      {bert + "embedding { scaled: true }",
       "f: model.embedding.scaled is true, expected false for family BERT"},
      {bert + "head { kind: 99 }", "f: model.head.kind is 99, expected a kind by its name"},
      {bert + "head { problem: 77 }",
       "f: model.head.problem is 77, expected SINGLE_LABEL, MULTI_LABEL or REGRESSION"},
      {bert + "layers: 5000", "f: model.layers is 5000, expected at most 4096"},
      {llama + "positions { theta: 1 }",
       "f: model.positions.theta is 1, expected a number from 1.001 to 1e+12"},
      {bert + "positions { first: 3 }", "f: model.positions.first is there, expected none for family BERT"}};
  for (const auto &[text, message] : refused) {
    SCOPED_TRACE(text);
    // A field that is there twice has its last value.
    auto definition = spec::parseDefinition("f", text);
    ASSERT_FALSE(definition.ok());
    EXPECT_EQ(std::string(definition.status().message()), message);
  }
}

} // namespace
