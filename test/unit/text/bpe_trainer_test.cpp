//===- bpe_trainer_test.cpp - vocabularies against the reference library ----===//

#include "frontend/tokenizer/BpeTrainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "frontend/tokenizer/TokenizerJsonWriter.h"
#include "runtime/text/Tokenizer.h"
#include "test/unit/text/TestFiles.h"

namespace llmc::tokenizer {
namespace {

using testing::HasSubstr;

BytePairVocabulary train(BpeTrainerOptions options, const std::vector<std::string> &documents) {
  absl::StatusOr<BpeTrainer> trainer = BpeTrainer::create(std::move(options));
  EXPECT_TRUE(trainer.ok()) << trainer.status();
  for (const std::string &document : documents) {
    absl::Status status = trainer->addText(document);
    EXPECT_TRUE(status.ok()) << status;
  }
  return std::move(*trainer).train([](int64_t) {});
}

BytePairVocabulary trainCase(const nlohmann::ordered_json &row) {
  return train({row["size"], row["min_frequency"], row["special"]}, row["documents"]);
}

std::unique_ptr<text::Tokenizer> load(const BytePairVocabulary &vocabulary) {
  const text::TokenizerModel written = modelOf(vocabulary);
  std::string json = *tokenizerJson(written), config = tokenizerConfigJson(written);
  absl::StatusOr<text::TokenizerModel> model = importTokenizerJson({json, {config, {}, {}}});
  EXPECT_TRUE(model.ok()) << model.status();
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(*model);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(BpeTrainer, LearnsWhatTheReferenceLearns) {
  for (const auto &row : text::readTestJson("bpe_trainer_cases.json")) {
    SCOPED_TRACE(row["name"]);
    const BytePairVocabulary vocabulary = trainCase(row);
    const size_t learned = row["special"].size() + 256;
    ASSERT_GE(vocabulary.tokens.size(), learned);
    EXPECT_EQ(std::vector(vocabulary.tokens.begin() + learned, vocabulary.tokens.end()),
              row["tokens"].get<std::vector<std::string>>());
    std::vector<std::string> merges;
    for (auto [left, right] : vocabulary.merges)
      merges.push_back(absl::StrCat(vocabulary.tokens[left], " ", vocabulary.tokens[right]));
    EXPECT_EQ(merges, row["merges"].get<std::vector<std::string>>());
  }
}

TEST(BpeTrainer, EncodesAsTheReference) {
  for (const auto &row : text::readTestJson("bpe_trainer_cases.json")) {
    std::unique_ptr<text::Tokenizer> tokenizer = load(trainCase(row));
    for (const auto &text : row["texts"]) {
      auto ids = tokenizer->encode(text["text"].get<std::string>(), {false, false});
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(*ids, text["ids"].get<std::vector<int32_t>>()) << row["name"] << " " << text;
      EXPECT_EQ(tokenizer->decode(*ids, text::DecodeSpecial::Keep), text["text"].get<std::string>());
    }
  }
}

TEST(BpeTrainer, WritesWhatTheReferenceSaves) {
  const BytePairVocabulary vocabulary = trainCase(text::readTestJson("bpe_trainer_cases.json")[0]);
  nlohmann::json written = nlohmann::json::parse(*tokenizerJson(modelOf(vocabulary)));
  // Old versions of the library read this form only.
  for (nlohmann::json &merge : written["model"]["merges"]) {
    const auto parts = merge.get<std::string>();
    merge = {parts.substr(0, parts.find(' ')), parts.substr(parts.find(' ') + 1)};
  }
  nlohmann::json saved = nlohmann::json::parse(text::readTestFile("bpe_trainer.tokenizer.json"));
  saved["decoder"]["add_prefix_space"] = false; // means nothing to a decoder
  EXPECT_EQ(nlohmann::json::diff(saved, written), nlohmann::json::array());
}

TEST(BpeTrainer, TheFirstSpecialTokenEndsDocuments) {
  std::unique_ptr<text::Tokenizer> tokenizer = load(train({300, 2, {"<end>", "<s>"}}, {"a text"}));
  EXPECT_EQ(tokenizer->eosId(), 0);
  EXPECT_EQ(tokenizer->findToken("<s>"), 1);
  EXPECT_TRUE(tokenizer->isSpecial(1));
  EXPECT_FALSE(load(train({256, 2, {}}, {"a text"}))->eosId());
}

TEST(BpeTrainer, BytesThatAreNoTextCountAsReplacementCharacters) {
  EXPECT_EQ(train({300, 2, {}}, {"a\xFF \xFF\xFF"}).merges,
            train({300, 2, {}}, {"a\uFFFD \uFFFD\uFFFD"}).merges);
}

TEST(BpeTrainer, NothingIsLearnedFromNothing) {
  EXPECT_EQ(train({300, 1, {}}, {}).tokens.size(), 256u);
  EXPECT_EQ(train({300, 1, {}}, {"", "a", "b"}).tokens.size(), 256u);
}

TEST(BpeTrainer, RefusesWhatCannotBe) {
  auto message = [](int64_t size, std::vector<std::string> special) {
    return std::string(BpeTrainer::create({size, 2, std::move(special)}).status().message());
  };
  EXPECT_EQ(message(257, {"<s>", "</s>"}),
            "a vocabulary of 257 tokens, expected at least 258: 256 bytes and 2 special tokens");
  EXPECT_EQ(message(258, {"<s>", "</s>"}), "");
  EXPECT_EQ(message(300, {"<s>", "<s>"}), "special token '<s>' is there twice");
  EXPECT_THAT(message(300, {""}), HasSubstr("is empty or not UTF-8"));
  EXPECT_THAT(message(300, {"\xFF"}), HasSubstr("is empty or not UTF-8"));
  EXPECT_THAT(message(300, {"a"}), HasSubstr("is a single byte"));
  EXPECT_THAT(message(300, {"Ġ"}), HasSubstr("is a single byte"));
}

} // namespace
} // namespace llmc::tokenizer
