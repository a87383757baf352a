#include "runtime/core/llmc.h"

#include "TinyArtifact.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <thread>

using namespace llmc::runtime;
using namespace llmc::runtime::test;
using testing::ElementsAre;

extern "C" int generateInC(const char *path, int32_t tokens[4]);

namespace {

class CApiTest : public testing::Test {
protected:
  void SetUp() override { path = freshPath("capi.llmc"); }
  void TearDown() override {
    llmc_session_free(session);
    llmc_model_free(model);
    unlink(path.c_str());
  }

  void open(const Manifest &manifest) {
    ASSERT_EQ(writeTiny(path, manifest), absl::OkStatus());
    ASSERT_EQ(llmc_model_load(path.c_str(), &model), LLMC_OK) << llmc_last_error();
    ASSERT_EQ(llmc_session_create(model, 2, &session), LLMC_OK) << llmc_last_error();
  }

  std::string path;
  LlmcModel *model = nullptr;
  LlmcSession *session = nullptr;
};

TEST_F(CApiTest, RunsFromC) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  int32_t tokens[4];
  ASSERT_EQ(generateInC(path.c_str(), tokens), 4) << llmc_last_error();
  EXPECT_THAT(tokens, ElementsAre(6, 1, 2, 4));
}

TEST_F(CApiTest, RunsInAPlugInThatHidesItsSymbols) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  const std::string command =
      absl::StrCat("'", LLMC_PLUGIN_HOST, "' '", LLMC_SHARED_LIBRARY, "' '", path, "'");
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(CApiTest, TellsAboutTheModel) {
  Manifest manifest = generatorManifest();
  manifest.set_architecture("tiny-arch");
  manifest.set_licence("MIT");
  open(manifest);
  LlmcModelInfo info;
  ASSERT_EQ(llmc_model_info(model, &info), LLMC_OK);
  EXPECT_STREQ(info.name, "tiny");
  EXPECT_STREQ(info.architecture, "tiny-arch");
  EXPECT_STREQ(info.licence, "MIT");
  EXPECT_EQ(info.is_embedder, 0);
  EXPECT_EQ(info.vocabulary_size, 11);
  EXPECT_EQ(info.context_length, 16);
  EXPECT_EQ(info.output_width, 12);
  EXPECT_EQ(info.weight_bytes, 12u);
  EXPECT_EQ(info.session_bytes, 128u);
  EXPECT_GT(info.load_seconds, 0);
}

TEST_F(CApiTest, FeedsAndResets) {
  open(generatorManifest());
  const int32_t tokens[] = {1, 2};
  const float *logits = nullptr;
  ASSERT_EQ(llmc_feed(session, tokens, 2, &logits), LLMC_OK);
  EXPECT_EQ(logits[6], 1.0f);
  EXPECT_EQ(llmc_session_position(session), 2);
  llmc_session_reset(session);
  EXPECT_EQ(llmc_session_position(session), 0);
  ASSERT_EQ(llmc_feed(session, tokens, 1, &logits), LLMC_OK);
  EXPECT_EQ(logits[4], 1.0f);
}

TEST_F(CApiTest, GeneratesWithTheRecommendedOptions) {
  Manifest manifest = generatorManifest();
  GenerationDefaults &defaults = *manifest.mutable_generation_defaults();
  defaults.add_stop_ids(4);
  defaults.set_top_p(0.5f);
  defaults.set_top_k(40);
  open(manifest);
  LlmcGenerationOptions options;
  ASSERT_EQ(llmc_default_options(model, &options), LLMC_OK);
  EXPECT_EQ(options.temperature, 0);
  EXPECT_EQ(options.top_k, 40);
  EXPECT_EQ(options.top_p, 0.5f);
  EXPECT_EQ(options.repetition_penalty, 1);
  std::vector<int32_t> tokens;
  const auto collect = [](int32_t token, void *user) {
    static_cast<std::vector<int32_t> *>(user)->push_back(token);
    return 1;
  };
  const int32_t prompt[] = {1, 2};
  LlmcGenerationStats stats;
  ASSERT_EQ(llmc_generate(session, prompt, 2, &options, collect, &tokens, &stats), LLMC_OK);
  EXPECT_THAT(tokens, ElementsAre(6, 1, 2));
  EXPECT_EQ(stats.finish, LLMC_FINISH_STOP);
  EXPECT_EQ(stats.prompt_tokens, 2);
  EXPECT_EQ(stats.decoded_tokens, 3) << "the stop token took a step";

  tokens.clear();
  options.stop_token_count = 0;
  ASSERT_EQ(llmc_generate(
                session, prompt, 2, &options, [](int32_t, void *) { return 0; }, nullptr, &stats),
            LLMC_OK);
  EXPECT_EQ(stats.finish, LLMC_FINISH_CANCELLED);
}

TEST_F(CApiTest, Embeds) {
  open(encoderManifest(Pooling::CLS, false));
  const int32_t tokens[] = {4, 5, 1};
  float embedding[3];
  ASSERT_EQ(llmc_embed(session, tokens, 3, embedding), LLMC_OK);
  EXPECT_THAT(embedding, ElementsAre(12, -4, 2));
  const float *logits;
  EXPECT_EQ(llmc_feed(session, tokens, 3, &logits), LLMC_UNSUPPORTED);
}

TEST_F(CApiTest, SaysWhatWentWrong) {
  LlmcModel *none = nullptr;
  EXPECT_EQ(llmc_model_load(nullptr, &none), LLMC_INVALID_ARGUMENT);
  EXPECT_STREQ(llmc_last_error(), "argument 'path' is null");
  EXPECT_EQ(llmc_model_load(path.c_str(), &none), LLMC_CANNOT_READ);
  EXPECT_THAT(llmc_last_error(), testing::StartsWith(path));
  EXPECT_EQ(none, nullptr);

  open(generatorManifest());
  const std::vector<int32_t> tokens(17, 1);
  const float *logits = nullptr;
  EXPECT_EQ(llmc_feed(session, tokens.data(), 17, &logits), LLMC_TOO_LONG);
  EXPECT_STREQ(llmc_last_error(),
               "the input has 17 tokens, but the artifact was compiled for a context of 16");
  std::thread([] { EXPECT_STREQ(llmc_last_error(), "") << "each thread has its own"; }).join();
  EXPECT_EQ(llmc_feed(session, nullptr, 1, &logits), LLMC_INVALID_ARGUMENT);
  EXPECT_EQ(llmc_feed(session, nullptr, 0, &logits), LLMC_INVALID_ARGUMENT) << "nothing to feed";
  EXPECT_EQ(llmc_feed(nullptr, tokens.data(), 1, &logits), LLMC_INVALID_ARGUMENT);
  LlmcSession *other = nullptr;
  EXPECT_EQ(llmc_session_create(model, -1, &other), LLMC_INVALID_ARGUMENT);
  llmc_session_free(nullptr);
  llmc_model_free(nullptr);

  std::string bytes = readFile(path);
  bytes.back() ^= 1;
  writeFile(path + ".damaged", bytes);
  EXPECT_EQ(llmc_model_load((path + ".damaged").c_str(), &none), LLMC_DAMAGED);
  unlink((path + ".damaged").c_str());
}

} // namespace
