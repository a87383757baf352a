//===- tokenizer_json_test.cpp - files of Hugging Face directories ---------===//

#include "frontend/tokenizer/TokenizerJson.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text/Tokenizer.h"
#include "test/unit/text/TestFiles.h"

namespace llmc::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using text::readTestFile;

/// The error of a small tokenizer.json after `patch`, a JSON merge patch.
std::string errorOf(const char *patch) {
  nlohmann::json json = nlohmann::json::parse(R"({
    "added_tokens": [{"id": 3, "content": "<s>", "special": true}],
    "normalizer": null, "pre_tokenizer": {"type": "ByteLevel"}, "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  json.merge_patch(nlohmann::json::parse(patch));
  std::string text = json.dump();
  return std::string(importTokenizerJson({text, {}}).status().message());
}

TEST(TokenizerJson, NamesFileAndFieldOfErrors) {
  EXPECT_EQ(errorOf("{}"), "");
  EXPECT_EQ(errorOf(R"({"model": {"vocab": {"a": -1}}})"),
            "tokenizer.json: model.vocab.a: is number, expected a whole number from 0 to 2147483647");
  EXPECT_EQ(errorOf(R"({"model": {"vocab": {"a": 1}}})"),
            "tokenizer.json: model.vocab: tokens 'a' and 'b' have one id, 1");
  EXPECT_EQ(errorOf(R"({"model": {"vocab": {"c": 2000000000}}})"),
            "tokenizer.json: model.vocab: token 'c' has id 2000000000, but there are only 4 tokens");
  EXPECT_EQ(errorOf(R"({"model": {"merges": ["a b", "a c"]}})"),
            "tokenizer.json: model.merges[1]: merge 'a c': 'c' is not in the vocabulary");
  // What the file says is shown on one line.
  EXPECT_EQ(errorOf(R"({"model": {"unk_token": "\r"}})"),
            "tokenizer.json: model.unk_token: '\\r' is not in the vocabulary");
  EXPECT_EQ(errorOf(R"({"model": {"merges": ["ab"]}})"),
            "tokenizer.json: model.merges[0]: expected two tokens with a space between them");
  EXPECT_EQ(errorOf(R"({"model": {"unk_token": "<unk>"}})"),
            "tokenizer.json: model.unk_token: '<unk>' is not in the vocabulary");
  EXPECT_EQ(errorOf(R"({"added_tokens": [{"id": 1, "content": "<s>"}]})"),
            "tokenizer.json: added_tokens[0]: '<s>' has id 1 here, which disagrees with the vocabulary");
  EXPECT_EQ(errorOf(R"({"model": {"merges": 7}})"),
            "tokenizer.json: model.merges: is number, expected an array");
  EXPECT_EQ(errorOf(R"({"post_processor": {"type": "TemplateProcessing"}})"),
            "tokenizer.json: post_processor.single: is missing, expected an array");
}

TEST(TokenizerJson, RefusesByNameWhatIsNotSupported) {
  EXPECT_EQ(
      errorOf(R"({"model": {"type": "WordLevel"}})"),
      "tokenizer.json: model.type: tokenizer model 'WordLevel' is not supported; supported are BPE, Unigram "
      "and WordPiece");
  EXPECT_THAT(errorOf(R"({"normalizer": {"type": "Nmt"}})"),
              HasSubstr("normalizer: normalizer 'Nmt' is not supported; supported are BertNormalizer, "));
  EXPECT_THAT(
      errorOf(R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}]}})"),
      HasSubstr("pre_tokenizer.pretokenizers[0]: pre-tokenizer 'UnicodeScripts' is not supported"));
  EXPECT_THAT(errorOf(R"({"post_processor": {"type": "Magic"}})"), HasSubstr("post-processor 'Magic'"));
  EXPECT_THAT(errorOf(R"({"decoder": {"type": "CTC"}})"), HasSubstr("decoder 'CTC' is not supported"));
  EXPECT_THAT(errorOf(R"({"decoder": {"type": "a\nb"}})"), HasSubstr("decoder 'a\\nb' is not supported"));
  EXPECT_THAT(errorOf(R"({"model": {"dropout": 0.1}})"), HasSubstr("model.dropout: "));
}

TEST(TokenizerJson, RefusesBrokenJson) {
  auto message = [](absl::string_view text) {
    return std::string(importTokenizerJson({text, {}}).status().message());
  };
  EXPECT_THAT(message("{"), HasSubstr("tokenizer.json: line 1, column 1: "));
  EXPECT_THAT(message(R"({"model": 1, "model": 2})"),
              HasSubstr("key 'model' appears twice in the same object"));
  EXPECT_EQ(message("[]"), "tokenizer.json: is not an object");
  EXPECT_THAT(message(std::string(100000, '[') + std::string(100000, ']')),
              HasSubstr("arrays and objects are nested more than 64 deep"));
}

TEST(TokenizerJson, ReadsRolesTemplateAndStopTokens) {
  std::string json = readTestFile("llama3.tokenizer.json");
  auto model =
      importTokenizerJson({json,
                           {R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null,
         "chat_template": [{"name": "tools", "template": "x"}, {"name": "default", "template": "{{ bos_token }}"}]})",
                            R"({"eos_token_id": [1, 7]})",
                            {}}});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->bos_id(), 0u);
  EXPECT_EQ(model->eos_id(), 1u);
  EXPECT_FALSE(model->has_pad_id());
  EXPECT_THAT(model->stop_ids(), ElementsAre(1, 7));
  EXPECT_EQ(model->chat_template(), "{{ bos_token }}");
  auto tokenizer = text::Tokenizer::create(*model);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->isStop(7));
  EXPECT_FALSE((*tokenizer)->isStop(0));
}

TEST(TokenizerJson, TheTemplateFileGoesFirst) {
  std::string json = readTestFile("llama3.tokenizer.json");
  auto model = importTokenizerJson({json, {R"({"chat_template": "old"})", {}, "new"}});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->chat_template(), "new");
  EXPECT_EQ(std::string(importTokenizerJson({json, {{}, {}, "\xFF"}}).status().message()),
            "chat_template.jinja: is not UTF-8");
}

TEST(TokenizerJson, TemplatesThatCannotBeParsedAreRefused) {
  std::string json = readTestFile("llama3.tokenizer.json");
  constexpr const char *kWrong = ": line 2: unexpected '%}'; mend the chat template, or remove it";
  auto message = [&](const char *config, std::optional<absl::string_view> jinja) {
    return std::string(importTokenizerJson({json, {config, {}, jinja}}).status().message());
  };
  EXPECT_EQ(message("{}", "a\n{% if %}"), absl::StrCat("chat_template.jinja", kWrong));
  EXPECT_EQ(message(R"({"chat_template": "a\n{% if %}"})", {}),
            absl::StrCat("tokenizer_config.json: chat_template", kWrong));
  EXPECT_EQ(message(R"({"chat_template": [{"name": "default", "template": "a\n{% if %}"}]})", {}),
            absl::StrCat("tokenizer_config.json: chat_template[0].template", kWrong));
  EXPECT_EQ(message(R"({"chat_template": "{% if %}"})", "a"), "") << "that one is not used";
}

TEST(TokenizerJson, LlamaClassesAddTokensByFlags) {
  std::string json = readTestFile("pieces.tokenizer.json");
  auto ids = [&](const char *config) {
    auto model = importTokenizerJson({json, {config, {}, {}}});
    EXPECT_TRUE(model.ok()) << model.status();
    return *(*text::Tokenizer::create(*model))->encode("");
  };
  EXPECT_THAT(ids(R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
                      "add_bos_token": false, "add_eos_token": true})"),
              ElementsAre(2));
  EXPECT_THAT(ids(R"({"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>"})"), ElementsAre(1));
  EXPECT_THAT(
      ids(R"({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "add_bos_token": false})"),
      ElementsAre(1));
}

} // namespace
} // namespace llmc::tokenizer
