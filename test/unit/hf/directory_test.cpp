#include "frontend/hf/Directory.h"

#include "test/unit/hf/DirectoryTest.h"

namespace llmc::hf {
namespace {

using testing::DirectoryTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(DirectoryTest, ConfigAloneIsEnough) {
  Directory directory = open();
  EXPECT_EQ(directory.path(), path);
  EXPECT_THAT(*directory.architectures(), ElementsAre("LlamaForCausalLM"));
  EXPECT_EQ(*directory.config().positive("max_position_embeddings"), 512);
  EXPECT_FALSE(directory.generationConfig().has_value());
  EXPECT_FALSE(directory.tokenizerConfig().has_value());
  EXPECT_THAT(*directory.endTokens(), IsEmpty());
  EXPECT_EQ(directory.find("tokenizer.json"), std::nullopt);
  EXPECT_EQ(*directory.readObject("tokenizer.json"), std::nullopt);
}

TEST_F(DirectoryTest, BrokenFilesAreNamed) {
  write("generation_config.json", "[1]");
  EXPECT_EQ(errorOf(Directory::open(path)),
            "generation_config.json: expected an object, found array of 1 value");
  write("generation_config.json", "{}");
  write("tokenizer_config.json", "{\"a\": 1, \"a\": 2}");
  EXPECT_THAT(errorOf(Directory::open(path)),
              HasSubstr("tokenizer_config.json: line 1, column 12: key 'a' appears"));
  std::filesystem::remove(path + "/config.json");
  EXPECT_THAT(errorOf(Directory::open(path)), HasSubstr("config.json: cannot open"));
}

TEST_F(DirectoryTest, Architectures) {
  write("config.json", R"({"architectures": []})");
  EXPECT_EQ(errorOf(open().architectures()),
            "config.json: field 'architectures': expected at least one name, found array of 0 values");
  write("config.json", "{}");
  EXPECT_EQ(errorOf(open().architectures()),
            "config.json: field 'architectures' is missing, expected an array of strings");
}

TEST_F(DirectoryTest, EndTokensAreOneOrMany) {
  write("config.json", R"({"eos_token_id": 2})");
  EXPECT_THAT(*open().endTokens(), ElementsAre(2));
  write("generation_config.json", R"({"eos_token_id": [128001, 128009]})");
  EXPECT_THAT(*open().endTokens(), ElementsAre(128001, 128009));
  write("generation_config.json", R"({"eos_token_id": "</s>"})");
  EXPECT_EQ(errorOf(open().endTokens()),
            "generation_config.json: field 'eos_token_id': expected a token id or a list "
            "of them, found string '</s>'");
  write("generation_config.json", R"({"eos_token_id": [1, -1]})");
  EXPECT_THAT(errorOf(open().endTokens()), HasSubstr("expected token ids from 0"));
}

} // namespace
} // namespace llmc::hf
