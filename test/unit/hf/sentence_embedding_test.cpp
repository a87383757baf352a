#include "frontend/hf/SentenceEmbedding.h"

#include "test/unit/hf/DirectoryTest.h"

namespace llmc::hf {
namespace {

using ::testing::HasSubstr;

class SentenceEmbeddingTest : public testing::DirectoryTest {
protected:
  void writeModules(bool normalize = true, const std::string &poolingPath = "1_Pooling") {
    std::string modules =
        R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
                              {"idx":1,"name":"1","path":")" +
        poolingPath + R"(","type":"sentence_transformers.models.Pooling"})";
    if (normalize)
      modules +=
          R"(,{"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"})";
    write("modules.json", modules + "]");
  }
  void writePooling(const std::string &fields) {
    write("1_Pooling/config.json", "{\"word_embedding_dimension\": 384" + fields + "}");
  }
  absl::StatusOr<std::optional<SentenceEmbedding>> read() { return readSentenceEmbedding(open()); }
};

TEST_F(SentenceEmbeddingTest, OtherModelsHaveNone) {
  ASSERT_TRUE(read().ok());
  EXPECT_FALSE(read()->has_value());
}

TEST_F(SentenceEmbeddingTest, TheLayoutOfMiniLm) {
  writeModules();
  writePooling(R"(,"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true,
                  "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false)");
  write("sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": false})");
  auto embedding = read();
  ASSERT_TRUE(embedding.ok()) << embedding.status();
  ASSERT_TRUE(embedding->has_value());
  EXPECT_EQ((*embedding)->pooling, Pooling::Mean);
  EXPECT_TRUE((*embedding)->normalize);
  EXPECT_EQ((*embedding)->maxTokens, 256);
  EXPECT_FALSE((*embedding)->lowercase);
}

TEST_F(SentenceEmbeddingTest, EachPooling) {
  writeModules(/*normalize=*/false);
  const std::pair<const char *, Pooling> cases[] = {
      {R"(,"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false)", Pooling::FirstToken},
      {R"(,"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": false)", Pooling::Max},
      {R"(,"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false)", Pooling::LastToken},
      {R"(,"pooling_mode_weightedmean_tokens": true, "pooling_mode_mean_tokens": false)",
       Pooling::WeightedMean},
      {R"(,"pooling_mode": "cls")", Pooling::FirstToken},
      {R"(,"pooling_mode": "lasttoken")", Pooling::LastToken},
      {"", Pooling::Mean}};
  for (auto [fields, expected] : cases) {
    writePooling(fields);
    auto embedding = read();
    ASSERT_TRUE(embedding.ok()) << embedding.status();
    EXPECT_EQ((*embedding)->pooling, expected) << fields;
    EXPECT_FALSE((*embedding)->normalize);
  }
}

TEST_F(SentenceEmbeddingTest, RefusesOtherPoolingsByName) {
  writeModules();
  for (const char *fields :
       {R"(,"pooling_mode_mean_sqrt_len_tokens": true, "pooling_mode_mean_tokens": false)",
        R"(,"pooling_mode": "mean_sqrt_len_tokens")"}) {
    writePooling(fields);
    EXPECT_EQ(
        errorOf(read()),
        "1_Pooling/config.json: pooling 'mean_sqrt_len_tokens' is not supported; supported are cls, mean, "
        "max, lasttoken and weightedmean");
  }
  writePooling(R"(,"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true)");
  EXPECT_EQ(errorOf(read()), "1_Pooling/config.json: 2 poolings are switched on, supported is exactly one");
  writePooling(R"(,"pooling_mode": "median")");
  EXPECT_EQ(errorOf(read()),
            "1_Pooling/config.json: field 'pooling_mode': expected cls, mean, max, lasttoken or "
            "weightedmean, found string 'median'");
  writePooling(R"(,"pooling_mode_cls_token": 1)");
  EXPECT_EQ(errorOf(read()),
            "1_Pooling/config.json: field 'pooling_mode_cls_token': expected true or false, found number 1");
}

TEST_F(SentenceEmbeddingTest, RefusesOtherModulesByName) {
  write("modules.json", R"([{"path":"","type":"sentence_transformers.models.Transformer"},
                            {"path":"2_Dense","type":"sentence_transformers.models.Dense"}])");
  EXPECT_EQ(errorOf(read()), "modules.json: modules 'Transformer, Dense' are not supported; supported are "
                             "'Transformer, Pooling' and 'Transformer, Pooling, Normalize'");
  write("modules.json", R"([{"path":"0_Transformer","type":"sentence_transformers.models.Transformer"}])");
  EXPECT_EQ(errorOf(read()),
            "modules.json: module 0: field 'path': expected an empty path, as the model lies in the "
            "directory itself, found string '0_Transformer'");
  write("modules.json", "{}");
  EXPECT_EQ(errorOf(read()), "modules.json: expected an array, found object with 0 fields");
  write("modules.json", "[3]");
  EXPECT_EQ(errorOf(read()), "modules.json: module 0: expected an object, found number 3");
}

TEST_F(SentenceEmbeddingTest, PoolingFoldersStayInTheDirectory) {
  writePooling("");
  for (const char *folder : {"..", "../1_Pooling", "/etc", "", "a\\\\b"}) {
    writeModules(true, folder);
    EXPECT_THAT(errorOf(read()), HasSubstr("module 1: field 'path': expected the name of a folder"))
        << folder;
  }
  writeModules(true, "2_Pooling");
  EXPECT_THAT(errorOf(read()), HasSubstr("2_Pooling/config.json: cannot open"));
}

TEST_F(SentenceEmbeddingTest, LimitsOfModelAndTokenizerStandInForAMissingOne) {
  writeModules();
  writePooling("");
  EXPECT_EQ((*read())->maxTokens, 512);
  write("tokenizer_config.json", R"({"model_max_length": 128})");
  EXPECT_EQ((*read())->maxTokens, 128);
  write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  EXPECT_EQ((*read())->maxTokens, 512);
  write("sentence_roberta_config.json", R"({"max_seq_length": null, "do_lower_case": true})");
  EXPECT_EQ((*read())->maxTokens, 512);
  EXPECT_TRUE((*read())->lowercase);
  write("sentence_roberta_config.json", R"({"max_seq_length": 0})");
  EXPECT_EQ(errorOf(read()),
            "sentence_roberta_config.json: field 'max_seq_length': expected a positive integer, found "
            "number 0");
  write("config.json", "{}");
  std::filesystem::remove(path + "/sentence_roberta_config.json");
  EXPECT_EQ((*read())->maxTokens, std::nullopt);
}

} // namespace
} // namespace llmc::hf
