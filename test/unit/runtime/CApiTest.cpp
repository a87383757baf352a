#include "runtime/core/llmc.h"

#include "TinyArtifact.h"
#include "runtime/text/tokenizer.pb.h"

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

TEST_F(CApiTest, FeedsSeveralSessionsTogether) {
  open(generatorManifest());
  const int32_t tokens[] = {1, 2, 3};
  const float *logits;
  ASSERT_EQ(llmc_feed(session, tokens, 1, &logits), LLMC_OK);
  LlmcSession *fork;
  ASSERT_EQ(llmc_session_fork(session, &fork), LLMC_OK);
  LlmcFeed feeds[] = {{session, tokens + 1, 2, nullptr}, {fork, tokens + 2, 1, nullptr}};
  ASSERT_EQ(llmc_feed_together(feeds, 2), LLMC_OK) << llmc_last_error();
  EXPECT_EQ(llmc_session_position(session), 3);
  EXPECT_EQ(llmc_session_position(fork), 2);
  EXPECT_EQ(feeds[0].logits[11], 103) << "one step of three rows";
  // The sum of all tokens and the model's first weight, which feeding one alone tells, too.
  for (const LlmcFeed &feed : feeds) {
    const std::vector<float> together(feed.logits, feed.logits + 11);
    LlmcSession *alone;
    ASSERT_EQ(llmc_session_create(model, 1, &alone), LLMC_OK);
    std::vector<int32_t> whole{1};
    whole.insert(whole.end(), feed.tokens, feed.tokens + feed.count);
    ASSERT_EQ(llmc_feed(alone, whole.data(), whole.size(), &logits), LLMC_OK);
    EXPECT_EQ(std::vector<float>(logits, logits + 11), together);
    llmc_session_free(alone);
  }
  // If one cannot be fed, none is.
  const int32_t wrong = 11;
  LlmcFeed refused[] = {{session, tokens, 1, nullptr}, {fork, &wrong, 1, nullptr}};
  EXPECT_EQ(llmc_feed_together(refused, 2), LLMC_INVALID_ARGUMENT);
  EXPECT_STREQ(llmc_last_error(), "token 0 is 11, expected 0 to 10");
  refused[1] = refused[0];
  EXPECT_EQ(llmc_feed_together(refused, 2), LLMC_INVALID_ARGUMENT);
  EXPECT_EQ(llmc_session_position(session), 3);
  llmc_session_free(session);
  session = fork; // which outlives it
  ASSERT_EQ(llmc_feed(session, tokens, 1, &logits), LLMC_OK);
}

TEST_F(CApiTest, UsesAdaptersByTheirNames) {
  Manifest manifest = generatorManifest();
  manifest.add_adapters("formal");
  manifest.add_adapters("short");
  open(manifest);
  const int32_t tokens[] = {1, 2, 3};
  const float *logits;
  ASSERT_EQ(llmc_feed(session, tokens, 3, &logits), LLMC_OK);
  EXPECT_EQ(llmc_session_use_adapter(session, "long"), LLMC_INVALID_ARGUMENT);
  EXPECT_STREQ(llmc_last_error(), "has no adapter 'long', expected one of formal, short");
  EXPECT_EQ(llmc_session_position(session), 3);
  EXPECT_EQ(llmc_session_use_adapter(session, "short"), LLMC_OK);
  EXPECT_EQ(llmc_session_position(session), 0) << "what was computed with another one is forgotten";
  EXPECT_EQ(llmc_session_use_adapter(session, nullptr), LLMC_OK);
}

TEST_F(CApiTest, GoesOnBehindPartsOfASequence) {
  open(generatorManifest());
  const int32_t tokens[] = {1, 2, 3};
  const float *logits;
  ASSERT_EQ(llmc_feed(session, tokens, 3, &logits), LLMC_OK);
  EXPECT_EQ(llmc_session_truncate(session, 4), LLMC_INVALID_ARGUMENT);
  EXPECT_STREQ(llmc_last_error(), "length is 4, expected 0 to 3");
  ASSERT_EQ(llmc_session_truncate(session, 2), LLMC_OK);
  EXPECT_EQ(llmc_session_position(session), 2);
  LlmcSession *draft;
  ASSERT_EQ(llmc_session_create(model, 1, &draft), LLMC_OK);
  LlmcGenerationOptions options;
  ASSERT_EQ(llmc_default_options(model, &options), LLMC_OK);
  options.max_tokens = 30;
  options.keep_on_shift = 1;
  options.draft = draft;
  LlmcGenerationStats stats;
  ASSERT_EQ(llmc_generate(
                session, tokens, 3, &options, [](int32_t, void *) { return 1; }, nullptr, &stats),
            LLMC_OK);
  EXPECT_EQ(stats.finish, LLMC_FINISH_LENGTH);
  EXPECT_EQ(stats.reused_tokens, 2);
  EXPECT_GT(stats.shifts, 0);
  EXPECT_GT(stats.proposed_tokens, 0);
  EXPECT_EQ(stats.accepted_tokens, stats.proposed_tokens);
  llmc_session_free(draft);
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

TEST_F(CApiTest, Predicts) {
  open(predictorManifest());
  const int32_t tokens[] = {4, 5, 1}, types[] = {0, 1, 1}, rows[] = {2, 0};
  float outputs[6];
  ASSERT_EQ(llmc_predict(session, tokens, types, 3, rows, 2, outputs), LLMC_OK);
  EXPECT_THAT(outputs, ElementsAre(64, -20, 11.5, 12, -4, 2));
  ASSERT_EQ(llmc_predict(session, tokens, nullptr, 3, rows, 1, outputs), LLMC_OK);
  EXPECT_EQ(outputs[0], 63);
  LlmcModelInfo info;
  ASSERT_EQ(llmc_model_info(model, &info), LLMC_OK);
  EXPECT_TRUE(info.is_predictor);
  EXPECT_FALSE(info.is_embedder);
  EXPECT_EQ(llmc_embed(session, tokens, 3, outputs), LLMC_UNSUPPORTED);
  EXPECT_EQ(llmc_predict(session, tokens, nullptr, 3, rows, 1, nullptr), LLMC_INVALID_ARGUMENT);
}

/// Words of "a" and "bc", and the special token <end>.
Manifest manifestWithTokenizer() {
  llmc::text::TokenizerModel tokenizer;
  tokenizer.set_algorithm(llmc::text::TokenizerModel::WORD_PIECE);
  std::string text;
  for (const char *token : {"[UNK]", "a", "b", "##c", "<end>"}) {
    text += token;
    tokenizer.mutable_vocabulary()->add_token_end(text.size());
  }
  tokenizer.mutable_vocabulary()->set_text(text);
  tokenizer.mutable_word_piece()->set_unk_id(0);
  tokenizer.mutable_word_piece()->set_continuing_subword_prefix("##");
  tokenizer.mutable_word_piece()->set_max_input_chars_per_word(10);
  tokenizer.add_pre_tokenizer()->mutable_whitespace_split();
  tokenizer.mutable_decoder()->mutable_word_piece()->set_prefix("##");
  llmc::text::AddedToken &end = *tokenizer.add_added_tokens();
  end.set_id(4);
  end.set_content("<end>");
  end.set_special(true);
  tokenizer.add_stop_ids(4);
  tokenizer.mutable_single_template()->add_pieces()->set_sequence(llmc::text::Template::Piece::A);
  tokenizer.mutable_single_template()->add_pieces()->set_token_id(4);
  Manifest manifest = generatorManifest();
  manifest.set_tokenizer(tokenizer.SerializeAsString());
  manifest.mutable_generation_defaults()->add_stop_ids(9);
  return manifest;
}

TEST_F(CApiTest, TurnsTextIntoTokensAndBack) {
  open(manifestWithTokenizer());
  int32_t tokens[8];
  size_t count = 0;
  const auto tokenize = [&](absl::string_view text, int32_t flags) {
    EXPECT_EQ(llmc_tokenize(model, text.data(), text.size(), flags, tokens, 8, &count), LLMC_OK)
        << llmc_last_error();
    return std::vector<int32_t>(tokens, tokens + count);
  };
  EXPECT_THAT(tokenize("a bc x", LLMC_TOKENIZE_PLAIN), ElementsAre(1, 2, 3, 0));
  EXPECT_THAT(tokenize("a", LLMC_TOKENIZE_ADD_SPECIAL), ElementsAre(1, 4));
  EXPECT_THAT(tokenize("a<end>a", LLMC_TOKENIZE_PARSE_SPECIAL), ElementsAre(1, 4, 1));
  EXPECT_THAT(tokenize("a<end>a", LLMC_TOKENIZE_PLAIN), ElementsAre(0));

  tokens[0] = 77;
  EXPECT_EQ(llmc_tokenize(model, "a bc", 4, 0, tokens, 2, &count), LLMC_TOO_LONG);
  EXPECT_STREQ(llmc_last_error(), "the text has 3 tokens, but there is room for 2");
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(tokens[0], 77);

  LlmcDetokenizer *detokenizer = nullptr;
  ASSERT_EQ(llmc_detokenizer_create(model, &detokenizer), LLMC_OK);
  std::string text;
  const char *piece = nullptr;
  for (int32_t token : {1, 2, 3}) {
    ASSERT_EQ(llmc_detokenizer_push(detokenizer, token, &piece), LLMC_OK);
    text += piece;
  }
  ASSERT_EQ(llmc_detokenizer_finish(detokenizer, &piece), LLMC_OK);
  EXPECT_EQ(text + piece, "a bc");
  llmc_detokenizer_free(detokenizer);
  llmc_detokenizer_free(nullptr);

  LlmcGenerationOptions options;
  ASSERT_EQ(llmc_default_options(model, &options), LLMC_OK);
  EXPECT_THAT(std::vector<int32_t>(options.stop_tokens, options.stop_tokens + options.stop_token_count),
              ElementsAre(4, 9));

  LlmcGrammar *grammar;
  const std::string gbnf = "root ::= \"a\" [";
  EXPECT_EQ(llmc_grammar_create(model, gbnf.data(), gbnf.size(), LLMC_GRAMMAR_GBNF, &grammar),
            LLMC_INVALID_ARGUMENT);
  EXPECT_STREQ(llmc_last_error(),
               "grammar:1:15: found the end, expected the ] of the class that begins in column 14");
  const std::string schema = R"({"enum": [1]})";
  ASSERT_EQ(llmc_grammar_create(model, schema.data(), schema.size(), LLMC_GRAMMAR_JSON_SCHEMA, &grammar),
            LLMC_OK);
  llmc_grammar_free(grammar);
  llmc_grammar_free(nullptr);
}

TEST_F(CApiTest, SaysThatThereIsNoTokenizer) {
  open(generatorManifest());
  size_t count;
  EXPECT_EQ(llmc_tokenize(model, "a", 1, 0, nullptr, 0, &count), LLMC_UNSUPPORTED);
  EXPECT_THAT(llmc_last_error(),
              testing::EndsWith(".llmc: has no tokenizer, only token ids can be given to it"));
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
  EXPECT_EQ(llmc_read_source(session, tokens.data(), 1), LLMC_UNSUPPORTED) << "it continues its text";
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
