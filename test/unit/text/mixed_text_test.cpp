//===- mixed_text_test.cpp - ids of mixed text against the references ------===//

#include <algorithm>
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "frontend/tokenizer/SentencePieceModel.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "runtime/text/Tokenizer.h"
#include "test/unit/text/MixedText.h"

namespace llmc::text {
namespace {

absl::StatusOr<TokenizerModel> importModel(const std::string &file) {
  return tokenizer::importSentencePieceModel({file, readTestFile("mixed/" + file), "", {}, {}});
}

/// tokenizer.json, with the rules of the SentencePiece model that it names in place of its own.
absl::StatusOr<TokenizerModel> importJson(const std::string &name) {
  const std::string file = name + ".tokenizer.json";
  const bool isMixed =
      std::filesystem::exists(std::string(LLMC_SOURCE_DIR) + "/test/data/text/mixed/" + file);
  std::string json = readTestFile(isMixed ? "mixed/" + file : file);
  if (size_t at = json.find("@unigram.model"); at != std::string::npos) {
    absl::StatusOr<TokenizerModel> model = importModel("unigram.model");
    if (!model.ok())
      return model.status();
    json.replace(at, 14, absl::Base64Escape(model->normalizer(0).sentence_piece().charsmap()));
  }
  return tokenizer::importTokenizerJson({json, {}});
}

/// A tokenizer of make_mixed_cases.py: NAME.tokenizer.json, or NAME.model.
class MixedTextIds : public testing::TestWithParam<std::string> {};

TEST_P(MixedTextIds, AreThoseOfTheReference) {
  const bool isModel = absl::EndsWith(GetParam(), ".model");
  absl::StatusOr<TokenizerModel> model = isModel ? importModel(GetParam()) : importJson(GetParam());
  ASSERT_TRUE(model.ok()) << model.status();
  auto tokenizer = Tokenizer::create(*model);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string sums = readTestFile(absl::StrCat("mixed/", GetParam(), ".sums"));
  ASSERT_EQ(sums.size(), 10004u);
  const EncodeOptions options{/*addSpecialTokens=*/!isModel, /*parseSpecial=*/!isModel};
  MixedText text;
  uint32_t sum = 0x811C9DC5; // FNV-1a
  for (size_t i = 0; i < 10000; ++i) {
    const std::string line = text.line();
    auto ids = (*tokenizer)->encode(line, options);
    ASSERT_TRUE(ids.ok()) << ids.status();
    for (int32_t id : *ids)
      for (int shift : {0, 8, 16, 24})
        sum = (sum ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x01000193;
    ASSERT_EQ(sum % 251, static_cast<unsigned char>(sums[i]))
        << "line " << i << ": " << absl::CEscape(line) << "\n"
        << absl::StrJoin(*ids, " ");
  }
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(sum >> 8 * i & 0xFF, static_cast<unsigned char>(sums[10000 + i]));
}

std::set<std::string> tokenizers() {
  std::set<std::string> names;
  for (const auto &entry :
       std::filesystem::directory_iterator(std::string(LLMC_SOURCE_DIR) + "/test/data/text/mixed"))
    if (entry.path().extension() == ".sums")
      names.insert(entry.path().stem().string());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, MixedTextIds, testing::ValuesIn(tokenizers()),
                         [](const auto &parameter) {
                           std::string name = parameter.param;
                           std::replace_if(name.begin(), name.end(), [](char c) { return !isalnum(c); }, '_');
                           return name;
                         });

} // namespace
} // namespace llmc::text
