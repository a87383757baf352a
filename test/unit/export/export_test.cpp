// Models that were written compute what they computed before, whatever their format.

#include "frontend/export/Export.h"

#include "frontend/gguf/Reader.h"
#include "runtime/text/Tokenizer.h"
#include "test/unit/import/ImportTest.h"

#include <csignal>
#include <gmock/gmock.h>
#include <sys/resource.h>

using namespace llmc;
using namespace llmc::frontend;
using namespace llmc::frontend::testing;
using ::testing::HasSubstr;

namespace {

void ignoreProgress(int64_t, int64_t) {}

/// Writes `model` to `output`. Returns its path, or fails the test.
std::string convert(const std::string &model, const std::string &output,
                    std::optional<blocks::StorageFormat> format = {}) {
  absl::StatusOr<ExportReport> report = exportModel(model, output, {format}, ignoreProgress);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return output;
}

std::string errorOf(const std::string &model, const std::string &output,
                    std::optional<blocks::StorageFormat> format = {}) {
  absl::StatusOr<ExportReport> report = exportModel(model, output, {format}, ignoreProgress);
  return report.ok() ? "accepted" : std::string(report.status().message());
}

double errorOfLogits(const std::string &path, const std::string &checkpoint) {
  TensorFile golden = goldenOf(checkpoint);
  auto tokens = golden.read<int32_t>("tokens");
  Model model(path);
  std::vector<float> logits = model.run<float>({ids(tokens), range(tokens.size()), range(tokens.size())});
  return relativeError<float>(logits, golden.read<float>("logits"));
}

std::vector<int32_t> encode(const std::string &path, const std::string &text) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto model = importModel(path, {}, &context);
  EXPECT_TRUE(model.ok()) << model.status().message();
  text::TokenizerModel tokenizerModel;
  if (!model.ok() || !tokenizerModel.ParseFromString(model->info.tokenizer))
    return {};
  auto tokenizer = text::Tokenizer::create(tokenizerModel);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto ids = (*tokenizer)->encode(text, {true, true});
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *ids : std::vector<int32_t>();
}

constexpr const char *kText = "Once upon a time, 1234 foxes' dens\n\n  were \u00fcberall; \u4f60\u597d!";

class ConvertedDecoder : public ::testing::TestWithParam<const char *> {};

TEST_P(ConvertedDecoder, IsTheSameInTheOtherFormatAndBack) {
  TemporaryFolder folder;
  const std::string original = goldenFolder + GetParam();
  const std::string gguf = convert(original, folder.path() + "/m.gguf", blocks::StorageFormat::F32);
  EXPECT_LT(errorOfLogits(gguf, GetParam()), 1e-5);
  EXPECT_EQ(encode(gguf, kText), encode(original, kText));
  const std::string back = convert(gguf, folder.path() + "/back");
  EXPECT_LT(errorOfLogits(back, GetParam()), 1e-5);
  EXPECT_EQ(encode(back, kText), encode(original, kText));
}

TEST_P(ConvertedDecoder, IsTheSameInItsOwnFormat) {
  TemporaryFolder folder;
  const std::string original = goldenFolder + GetParam();
  const std::string copy = convert(original, folder.path() + "/copy", blocks::StorageFormat::F32);
  EXPECT_LT(errorOfLogits(copy, GetParam()), 1e-5);
  EXPECT_EQ(encode(copy, kText), encode(original, kText));
}

// The others have what GGUF files can not say.
INSTANTIATE_TEST_SUITE_P(, ConvertedDecoder,
                         ::testing::Values("llama-odd", "llama-tied", "mistral-window", "qwen2-odd",
                                           "qwen3-odd", "gemma-odd", "phi3-odd", "gpt2-odd", "mixtral-odd",
                                           "qwen2moe-odd", "qwen3moe-odd"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Gemma 2 and 3 as GGUF files can say them: the golden models have odd options.
TEST(Export, GemmaWithWindows) {
  const std::pair<const char *, nlohmann::json> cases[] = {
      {"gemma2-odd", {{"query_pre_attn_scalar", 18}}},
      {"gemma3-odd", nlohmann::json::object()},
  };
  for (const auto &[name, changes] : cases) {
    SCOPED_TRACE(name);
    ChangedCheckpoint changed(name, changes);
    const std::vector<int32_t> tokens = goldenOf(name).read<int32_t>("tokens");
    auto run = [&](const std::string &path) {
      Model model(path);
      return model.run<float>({ids(tokens), range(tokens.size()), range(tokens.size())});
    };
    const std::vector<float> expected = run(changed.path());
    const std::string gguf = convert(changed.path(), changed.path() + "/m.gguf", blocks::StorageFormat::F32);
    EXPECT_LT(relativeError<float>(run(gguf), expected), 1e-5);
    EXPECT_LT(relativeError<float>(run(convert(gguf, changed.path() + "/back")), expected), 1e-5);
  }
}

TEST(Export, NamesWhatGgufCanNotSay) {
  TemporaryFolder folder;
  const std::string target = folder.path() + "/m.gguf";
  EXPECT_THAT(
      errorOf(goldenFolder + "qwen2-window", target),
      HasSubstr("qwen2-window: cannot be written as a GGUF file: it has a sliding window in some layers"));
  EXPECT_THAT(errorOf(goldenFolder + "qwen3moe-dense", target), HasSubstr("its norm_topk_prob is false"));
  ChangedCheckpoint dense("qwen3moe-dense", {{"norm_topk_prob", true}});
  EXPECT_THAT(errorOf(dense.path(), target), HasSubstr("not all of its layers have experts"));
  EXPECT_THAT(errorOf(goldenFolder + "gemma2-odd", target),
              HasSubstr("its query_pre_attn_scalar is not the width of a head"));
  EXPECT_THAT(errorOf(goldenFolder + "bert-odd", target),
              HasSubstr("bert-odd: the family bert is not written as a GGUF file"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Export, RefusesTypesThatTheFormatHasNot) {
  TemporaryFolder folder;
  EXPECT_EQ(errorOf(goldenFolder + "llama-odd", folder.path() + "/m", blocks::StorageFormat::Q8_0),
            "--dtype Q8_0 is for GGUF files; a Hugging Face directory holds F32, F16 or BF16");
}

TEST(Export, StoresWholeBlocksAndSaysWhereItCannot) {
  // Rows of 60, 76 and 12.
  TemporaryFolder folder;
  absl::StatusOr<ExportReport> report = exportModel(goldenFolder + "llama-odd", folder.path() + "/m.gguf",
                                                    {blocks::StorageFormat::Q4_0}, ignoreProgress);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(
      report->notes,
      ::testing::ElementsAre("23 matrices are stored as F16: Q4_0 needs rows of a multiple of 32 elements"));
  auto reader = gguf::Reader::open(folder.path() + "/m.gguf");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->findTensor("blk.0.attn_q.weight")->format, blocks::StorageFormat::F16);
  EXPECT_EQ(reader->findTensor("output_norm.weight")->format, blocks::StorageFormat::F32);
}

TEST(Export, ElementsStayAsTheyAre) {
  TemporaryFolder folder;
  const std::string gguf = convert(goldenFolder + "qwen2-odd", folder.path() + "/m.gguf");
  auto reader = gguf::Reader::open(gguf);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->findTensor("blk.0.attn_q.weight")->format, blocks::StorageFormat::BF16);
  EXPECT_EQ(reader->findTensor("blk.0.attn_q.bias")->format, blocks::StorageFormat::F32);
  // The biases of a model in bf16 are numbers of bf16.
  const std::string back = convert(gguf, folder.path() + "/back");
  EXPECT_EQ(nlohmann::json::parse(std::ifstream(back + "/config.json"))["torch_dtype"], "bfloat16");
}

TEST(Export, ADirectoryMustBeNew) {
  TemporaryFolder folder;
  folder.write("other.txt", "x");
  EXPECT_EQ(errorOf(goldenFolder + "llama-odd", folder.path()),
            folder.path() + ": is there already, expected the name of a new directory");
  EXPECT_THAT(errorOf(goldenFolder + "llama-odd", folder.path() + "/a/b"), HasSubstr("/a/b: "));
}

/// A limit on the size of files stands in for a full disk.
TEST(Export, AFullDiskLeavesNothingBehind) {
  TemporaryFolder folder;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 64 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string gguf = errorOf(goldenFolder + "llama-odd", folder.path() + "/m.gguf");
  const std::string directory = errorOf(goldenFolder + "llama-odd", folder.path() + "/copy");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(gguf, HasSubstr("m.gguf: "));
  EXPECT_THAT(gguf, HasSubstr("File too large"));
  EXPECT_THAT(directory, HasSubstr("File too large"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Export, NumbersThatDoNotFitAreNamed) {
  ChangedCheckpoint checkpoint("gpt2-odd", nlohmann::json::object());
  std::fstream file(checkpoint.path() + "/model.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  uint64_t header;
  file.read(reinterpret_cast<char *>(&header), sizeof(header));
  std::string text(header, ' ');
  file.read(text.data(), static_cast<std::streamsize>(header));
  const auto offsets = nlohmann::json::parse(text)["transformer.h.0.attn.c_attn.weight"]["data_offsets"];
  const float infinity = INFINITY;
  file.seekp(8 + header + offsets[0].get<uint64_t>());
  file.write(reinterpret_cast<const char *>(&infinity), sizeof(infinity));
  file.close();
  EXPECT_THAT(
      errorOf(checkpoint.path(), checkpoint.path() + "/m.gguf", blocks::StorageFormat::F16),
      HasSubstr("tensor 'transformer.h.0.attn.c_attn.weight': element 0 is inf, which F16 can not hold"));
}

} // namespace
