// Models compiled for AArch64 on this machine and run there, that is under emulation, with the runtime as it
// was built for it: against what transformers computes, and against what the same model gives here.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/export/Export.h"
#include "test/e2e/CompiledModel.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "gmock/gmock.h"
#include <algorithm>
#include <numeric>
#include <unistd.h>

using namespace llmc;
using namespace llmc::test;

namespace {

/// What to compile for, and an emulated processor that has it and little more.
struct Processor {
  const char *cpu, *emulated;
};
constexpr Processor kNeon = {"armv8-a", "cortex-a53"}, kSignedDots = {"armv8.2-a+dotprod", "cortex-a76"},
                    kMixedDots = {"armv8.6-a", "max"};

/// What a program wrote, and how it ended.
struct Outcome {
  int status;
  std::string output, errors;
};

class AArch64 : public testing::Test {
protected:
  void SetUp() override {
    fetched = findFetched("aarch64");
    if (!fetched)
      GTEST_SKIP() << "scripts/fetch-aarch64.sh has not fetched libraries for arm64 and an emulator";
    ASSERT_EQ(access((kPrograms + "feed-tokens").c_str(), X_OK), 0)
        << kPrograms << " has no feed-tokens, which the test aarch64-build makes";
  }

  /// Runs a program of the build for AArch64 on an emulated processor.
  Outcome run(const char *emulated, const std::string &program, const std::vector<std::string> &arguments) {
    const std::string emulator = *fetched + "/qemu-aarch64", sysroot = *fetched + "/sysroot",
                      output = freshPath("output"), errors = freshPath("errors");
    std::vector<std::string> words = {emulator, "-L", sysroot, "-cpu", emulated, kPrograms + program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const std::vector<llvm::StringRef> command(words.begin(), words.end());
    const int status =
        llvm::sys::ExecuteAndWait(emulator, command, std::nullopt,
                                  {llvm::StringRef(""), llvm::StringRef(output), llvm::StringRef(errors)});
    auto take = [](const std::string &path) {
      auto file = llvm::MemoryBuffer::getFile(path);
      std::string text = file ? (*file)->getBuffer().str() : "";
      unlink(path.c_str());
      return text;
    };
    return {status, take(output), take(errors)};
  }

  /// The rows of an artifact for `tokens`; `more` are further arguments of feed-tokens. Checks that they have
  /// the same bits token by token, and on one thread.
  std::vector<float> feed(const char *emulated, const std::string &artifact,
                          const std::vector<int32_t> &tokens, const std::vector<std::string> &more = {}) {
    std::vector<std::string> arguments = {artifact};
    for (int32_t token : tokens)
      arguments.push_back(absl::StrCat(token));
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(emulated, "feed-tokens", arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    std::vector<float> rows(outcome.output.size() / sizeof(float));
    std::memcpy(rows.data(), outcome.output.data(), rows.size() * sizeof(float));
    const size_t third = rows.size() / 3;
    const std::vector<float> whole(rows.begin(), rows.begin() + third);
    EXPECT_EQ(std::vector<float>(rows.begin() + third, rows.begin() + 2 * third), whole) << "token by token";
    EXPECT_EQ(std::vector<float>(rows.begin() + 2 * third, rows.end()), whole) << "on one thread";
    return whole;
  }

  /// Compiles the model at `path` for `processor` and feeds `tokens` to it.
  std::vector<float> compileAndFeed(const Processor &processor, const std::string &path,
                                    const std::vector<int32_t> &tokens, codegen::CompileOptions options,
                                    const std::vector<std::string> &more = {}) {
    const std::string artifact = freshPath("model.llmc");
    options.targetCpu = processor.cpu;
    EXPECT_EQ(compileTo(artifact, path, options), absl::OkStatus());
    std::vector<float> rows = feed(processor.emulated, artifact, tokens, more);
    unlink(artifact.c_str());
    return rows;
  }

  static inline const std::string kPrograms = LLMC_SOURCE_DIR "/build/aarch64/bin/";
  std::optional<std::string> fetched;
};

std::string nameOf(const char *model, const Processor &processor) {
  std::string name = absl::StrCat(model, "_", processor.cpu);
  for (char &c : name)
    c = std::isalnum(c) ? c : '_';
  return name;
}

std::vector<std::string> after(const char *option, const std::vector<int32_t> &numbers) {
  std::vector<std::string> words = {option};
  for (int32_t number : numbers)
    words.push_back(absl::StrCat(number));
  return words;
}

codegen::CompileOptions exactOptions() {
  codegen::CompileOptions options;
  options.computeType = "f32";
  return options;
}

class AArch64Decoder : public AArch64,
                       public testing::WithParamInterface<std::tuple<const char *, Processor>> {};

TEST_P(AArch64Decoder, LogitsAgreeWithTransformers) {
  const auto [model, processor] = GetParam();
  Golden golden(absl::StrCat(model, "/golden.safetensors"));
  auto tokens = golden.read<int32_t>("tokens");
  const auto greedy = golden.read<int32_t>("greedy");
  const auto logits = golden.read<float>("logits");
  const size_t count = tokens.size(), width = logits.size() / count;
  tokens.insert(tokens.end(), greedy.begin(), greedy.end() - 1);
  const std::vector<float> found = compileAndFeed(processor, kGolden + model, tokens, exactOptions());
  ASSERT_EQ(found.size(), tokens.size() * width);
  EXPECT_LT(departure(absl::MakeConstSpan(found).first(logits.size()), logits).largest, 1e-4);
  for (size_t i = 0; i < greedy.size(); ++i) {
    auto row = found.begin() + (count - 1 + i) * width;
    EXPECT_EQ(std::max_element(row, row + width) - row, greedy[i]) << "token " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(, AArch64Decoder,
                         testing::Values(std::tuple("llama-odd", kNeon), std::tuple("llama-odd", kMixedDots),
                                         std::tuple("mistral-window", kNeon),
                                         std::tuple("qwen2-odd", kMixedDots),
                                         std::tuple("qwen3-window", kNeon), std::tuple("gemma2-odd", kNeon),
                                         std::tuple("gemma3-odd", kMixedDots), std::tuple("phi3-odd", kNeon),
                                         std::tuple("gpt2-odd", kNeon), std::tuple("mixtral-odd", kNeon),
                                         std::tuple("qwen2moe-odd", kMixedDots)),
                         [](const auto &info) {
                           return nameOf(std::get<0>(info.param), std::get<1>(info.param));
                         });

class AArch64Models : public AArch64 {};

TEST_F(AArch64Models, EncodersAgreeWithTransformers) {
  for (const auto &[model, processor] : {std::pair("bert-masked", kNeon), {"roberta-tokens", kMixedDots}}) {
    SCOPED_TRACE(model);
    Golden golden(absl::StrCat("heads/", model, "/golden.safetensors"));
    const auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types"),
               mask = golden.read<int32_t>("attention_mask");
    const auto logits = golden.read<float>("logits");
    const size_t length = tokens.size() / 2, outputs = logits.size() / tokens.size(),
                 count = std::accumulate(mask.begin(), mask.begin() + length, 0);
    const std::vector<float> found =
        compileAndFeed(processor, kGolden + "heads/" + model, {tokens.begin(), tokens.begin() + count},
                       exactOptions(), after("--types", {types.begin(), types.begin() + count}));
    const size_t width = found.size() / count;
    ASSERT_GE(width, outputs);
    std::vector<float> values; // without the padding of rows
    for (size_t row = 0; row < count; ++row)
      values.insert(values.end(), found.begin() + row * width, found.begin() + row * width + outputs);
    EXPECT_LT(departure(values, absl::MakeConstSpan(logits).first(values.size())).largest, 1e-4);
  }
}

TEST_F(AArch64Models, EncoderDecodersAgreeWithTransformers) {
  for (const auto &[model, processor] : {std::pair("t5-gated", kNeon), {"marian-odd", kMixedDots}}) {
    SCOPED_TRACE(model);
    Golden golden(absl::StrCat(model, "/golden.safetensors"));
    const std::vector<float> found =
        compileAndFeed(processor, kGolden + model, golden.read<int32_t>("tokens"), exactOptions(),
                       after("--source", golden.read<int32_t>("source")));
    EXPECT_LT(departure(found, golden.read<float>("logits")).largest, 1e-4);
  }
}

/// Rows of a model on this machine.
std::vector<float> feedHere(const std::string &path, const std::vector<int32_t> &tokens,
                            const codegen::CompileOptions &options) {
  auto artifact = compileAndLoad(path, options);
  if (!artifact)
    return {};
  auto session = makeSession(artifact, 1);
  auto found = session->feed(tokens, runtime::Rows::All);
  EXPECT_TRUE(found.ok()) << found.status().message();
  return found.ok() ? std::vector<float>(found->begin(), found->end()) : std::vector<float>();
}

// Integers are the same everywhere, but norms and attention add up in the order of lanes, of which processors
// have more or fewer, so that an activation may be rounded to the code beside. On all processors of AArch64
// the bits are the same.
class QuantizedOnAArch64 : public AArch64,
                           public testing::WithParamInterface<std::tuple<blocks::StorageFormat, int>> {};

TEST_P(QuantizedOnAArch64, AgreesWithThisMachine) {
  const auto [format, bits] = GetParam();
  const auto tokens = Golden("mistral-window/golden.safetensors").read<int32_t>("tokens");
  const std::string path = freshPath("mistral-window.gguf");
  auto report =
      frontend::exportModel(kGolden + "mistral-window", path, {.format = format}, [](int64_t, int64_t) {});
  ASSERT_TRUE(report.ok()) << report.status().message();
  codegen::CompileOptions options;
  options.activationBits = bits;
  const std::vector<float> expected = feedHere(path, tokens, options);
  const std::vector<float> pairs = compileAndFeed(kNeon, path, tokens, options);
  EXPECT_LT(departure(pairs, expected).largest, bits == 16 ? 1e-4 : 1e-2);
  for (const Processor &processor : {kSignedDots, kMixedDots})
    EXPECT_EQ(compileAndFeed(processor, path, tokens, options), pairs) << processor.cpu;
  unlink(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    , QuantizedOnAArch64,
    testing::Values(std::tuple(blocks::StorageFormat::Q4_0, 16), std::tuple(blocks::StorageFormat::Q4_1, 8),
                    std::tuple(blocks::StorageFormat::Q8_0, 16), std::tuple(blocks::StorageFormat::Q8_0, 8)),
    [](const auto &info) {
      return absl::StrCat(std::string(blocks::nameOf(std::get<0>(info.param))), "_", std::get<1>(info.param));
    });

TEST_F(AArch64Models, NumbersOfTwoBytesAgreeWithThisMachine) {
  const auto tokens = Golden("llama-odd/golden.safetensors").read<int32_t>("tokens");
  for (const auto &[type, processor] : {std::pair("f16", kNeon), {"bf16", kNeon}, {"bf16", kMixedDots}}) {
    SCOPED_TRACE(absl::StrCat(type, " on ", processor.cpu));
    codegen::CompileOptions options;
    options.computeType = "bf16";
    options.cacheType = type;
    const std::vector<float> found = compileAndFeed(processor, kGolden + "llama-odd", tokens, options);
    EXPECT_LT(departure(found, feedHere(kGolden + "llama-odd", tokens, options)).largest, 1e-2);
  }
}

TEST_F(AArch64, ArtifactsSayWhatAProcessorLacks) {
  const std::string artifact = freshPath("model.llmc");
  codegen::CompileOptions options;
  options.targetCpu = "neoverse-n1";
  ASSERT_EQ(compileTo(artifact, kGolden + "llama-tied", options), absl::OkStatus());
  const Outcome outcome = run("cortex-a53", "feed-tokens", {artifact, "1"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.errors, testing::HasSubstr("artifact was compiled for neoverse-n1 and needs "));
  EXPECT_THAT(outcome.errors, testing::HasSubstr("dotprod, which this CPU lacks"));
  unlink(artifact.c_str());
}

TEST_F(AArch64, ArtifactsForOtherArchitecturesAreRefused) {
  const std::string artifact = freshPath("model.llmc");
  codegen::CompileOptions options;
  options.targetCpu = "armv8-a";
  ASSERT_EQ(compileTo(artifact, kGolden + "llama-tied", options), absl::OkStatus());
  EXPECT_THAT(
      std::string(runtime::Artifact::load(artifact).status().message()),
      testing::HasSubstr("artifact was compiled for aarch64-unknown-linux-gnu, but this machine is "));
  options.targetCpu = "x86-64";
  ASSERT_EQ(compileTo(artifact, kGolden + "llama-tied", options), absl::OkStatus());
  const Outcome outcome = run("max", "feed-tokens", {artifact, "1"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.errors, testing::HasSubstr("but this machine is aarch64 Linux"));
  unlink(artifact.c_str());
}

} // namespace
